"""What dockcfgd knows of the engine's configuration: keys of daemon.json, versions, drivers.

`table` answers questions about one key, `check` judges an `[engine]` table, `proof` compares wanted
with effective values, `engines` knows what differs between releases. The facts themselves are
`keys.json` and `engines.json`. Nothing here looks at the host.
"""
