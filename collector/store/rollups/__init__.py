"""Roll-ups: how they are built, kept, compared and let go, on every tier."""
