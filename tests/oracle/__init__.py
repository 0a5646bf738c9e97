"""Expectations that do not come from our own parser: the row of each recorded entry, written by hand from
docs/events.md.
"""
