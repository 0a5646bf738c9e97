"""Where bytes from outside become entries that hold what they promise. Pure."""
