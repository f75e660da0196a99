"""Doing a plan so that every instant can be recovered from."""
