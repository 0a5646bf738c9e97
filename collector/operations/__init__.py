"""An operator's work on an installation: each function returns data and prints nothing."""
