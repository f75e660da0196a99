"""dockcfgctl: one file a verb, the texts apart."""
