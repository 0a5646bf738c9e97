"""Expectations that do not come from our own parser: what each recorded entry must become,
written down by hand from docs/events.md.
"""
