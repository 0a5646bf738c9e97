"""The backup sources' state in the database: positions of change streams, and held events."""
