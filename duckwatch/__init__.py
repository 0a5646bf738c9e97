"""The shared code of the programs. `duckwatch.base` is the only part that all of them import."""
