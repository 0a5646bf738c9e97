"""docs/backup.md, run as it is written."""
