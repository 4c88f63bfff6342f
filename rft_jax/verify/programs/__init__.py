"""Programs that models write: evaluated node by node within budgets, never executed.

`reading.read_program_answer` is what the grader calls; `run.evaluate_program` evaluates a program.
"""
