"""The D-Bus interface org.dockcfgd1: contract, service, client."""
