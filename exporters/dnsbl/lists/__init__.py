"""DNS lists: the model of a list, and the shipped catalogue."""

from exporters.dnsbl.lists.model import DnsList, Effect, Meaning, Severity, TestPoints, gravest

__all__ = ["DnsList", "Effect", "Meaning", "Severity", "TestPoints", "gravest"]
