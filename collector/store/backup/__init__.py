"""What the backup sources keep in the database: positions of change streams, and held events."""
