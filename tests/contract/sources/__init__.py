"""What the source files themselves must look like; `make check` runs these tests. None needs a server."""
