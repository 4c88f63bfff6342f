"""Rejection-sampling fine-tuning of LLaMA-style language models on math problems, in JAX."""

__version__ = "0.1.0"
