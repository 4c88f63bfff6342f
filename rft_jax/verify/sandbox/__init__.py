"""Programs that models write, executed under bubblewrap; only where a setting asks for it.

`run.run_in_sandbox` executes a program; `check.require_sandbox` says whether this machine can.
"""
