"""Rules for the source files, run by `make check`. No test here needs a server."""
