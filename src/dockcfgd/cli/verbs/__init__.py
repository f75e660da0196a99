"""The verbs of dockcfgctl."""
