"""From settings and target files to the plan of what is asked."""
