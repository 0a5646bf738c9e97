"""TimescaleDB or PostgreSQL: schema, connection, and the idempotent batch write.

Nothing is imported here: the assembler takes the writer of COPY text from this room, and none of the rest (20 MB).
"""
