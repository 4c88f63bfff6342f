"""Programs that models write: evaluated node by node within budgets, never executed."""
