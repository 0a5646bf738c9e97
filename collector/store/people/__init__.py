"""People in the database: found, exported and forgotten (docs/privacy.md)."""
