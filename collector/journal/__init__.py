"""The durable buffer between the acknowledgement of a request and the commit of its events.

Nothing is imported here: the assembler reads rows only.
"""
