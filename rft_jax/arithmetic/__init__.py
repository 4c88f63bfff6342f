"""Arithmetic from scratch (MathGLM, arXiv 2309.03241): expressions, their steps, their tokenizer.

Plain Python; the submodules are imported where they are needed.
"""
