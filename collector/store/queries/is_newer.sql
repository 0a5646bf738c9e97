-- Return whether a newer version than this one has migrated the database.
SELECT EXISTS (SELECT FROM schema_migrations WHERE version > %s)
