"""What an operator does with an installation: it returns data, and prints nothing."""
