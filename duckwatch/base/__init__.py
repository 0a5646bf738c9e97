"""Code shared by all programs: configuration, logs, output, signals, sockets, resources. It imports no program."""
