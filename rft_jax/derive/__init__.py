"""Data made from data: controls with as many rows as RFT has, reversed and revised problems.

A kind is a function from `Inputs` to rows; `rft derive` writes them.
"""
