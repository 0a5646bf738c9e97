"""What the schema holds beside its migrations: what a tier adds, rights, sizes."""
