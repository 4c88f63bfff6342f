"""Derived data sets: controls for RFT, few-shot prompts, reversed and revised problems."""
