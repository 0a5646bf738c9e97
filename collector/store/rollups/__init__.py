"""Roll-ups: how they are built, compared, kept and deleted, on every tier."""
