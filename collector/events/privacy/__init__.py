"""People as pseudonyms (docs/privacy.md). Pure."""
