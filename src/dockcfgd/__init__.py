"""dockcfgd keeps a Docker host in the state that a TOML file describes."""

__version__ = "0.1.0"
