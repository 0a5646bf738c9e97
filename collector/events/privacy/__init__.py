"""Replaces people by pseudonyms (docs/privacy.md). Pure."""
