"""DNS lists: what one is, and the shipped catalogue of them."""

from exporters.dnsbl.lists.model import DnsList, Effect, Meaning, Severity, TestPoints, gravest

__all__ = ["DnsList", "Effect", "Meaning", "Severity", "TestPoints", "gravest"]
