"""The parts of the schema beside its migrations: layout by tier, rights, sizes."""
