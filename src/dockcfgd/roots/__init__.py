"""Data-roots on disk: looked at, copied while the engine serves, and moved; a program of its own.

Needs the standard library alone, as it runs where dockcfgd's sandbox does not reach (program.py).
"""
