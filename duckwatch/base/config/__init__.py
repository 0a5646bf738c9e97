"""The configuration of every program: duckwatch.yml, the environment over it, and the files that hold secrets.

A program describes its section as a subclass of `values.SettingsDocument` and hands that to `loading.load`.
"""
