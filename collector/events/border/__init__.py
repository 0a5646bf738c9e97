"""Checks bytes from outside and turns them into entries. Pure."""
