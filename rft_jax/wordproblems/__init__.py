"""The embedded data set: short story problems, their pretraining text and their tokenizer.

Plain Python; the submodules are imported where they are needed.
"""
