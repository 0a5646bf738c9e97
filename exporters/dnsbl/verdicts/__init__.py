"""Verdicts: from a list's answer to listed, clean, refused or error. Pure."""
