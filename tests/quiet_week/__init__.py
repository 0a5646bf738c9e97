"""A week of made-up operation before the unshortened alert rules: nothing that is ordinary may fire."""
