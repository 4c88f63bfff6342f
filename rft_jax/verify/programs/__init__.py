"""Programs that models write: evaluated node by node within budgets, never executed.

`run.evaluate_program` is the entrance; no command calls it yet.
"""
