"""What an operator types beside `serve`: one module a command. Each function prints and returns the exit code."""
