"""The rules on the text of a reply."""
