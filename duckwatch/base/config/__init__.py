"""Reads the configuration of every program: duckwatch.yml, overridden by the environment, and the secret files.

A program describes its section in a subclass of `values.SettingsDocument` and passes that to `loading.load`.
"""
