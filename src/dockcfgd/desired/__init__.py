"""TOML text to a checked DesiredState: find, read, merge, check."""
