"""Every block of the documents is run, read by the program that reads it, or marked with the reason why not."""
