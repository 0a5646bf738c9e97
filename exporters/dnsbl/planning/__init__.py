"""The plan, built from settings and target files: which targets are checked at which lists, and how often."""
