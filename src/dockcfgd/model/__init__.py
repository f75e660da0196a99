"""Frozen values that the rest of dockcfgd speaks in.

Nothing here imports anything but the standard library.
"""
