"""The checks: queries within budgets, the health of lists, and the current verdicts."""
