"""The operator's commands, one module each. Each function prints, and returns the exit code."""
