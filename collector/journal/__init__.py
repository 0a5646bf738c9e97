"""The journal: the durable buffer between the acknowledgement of a submission and the commit of its events.

Nothing is imported here, because the assembler needs only the codec.
"""
