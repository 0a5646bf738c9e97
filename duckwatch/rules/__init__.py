"""The alert rules as files: what is generated of them, and copies that are adapted to an installation."""
