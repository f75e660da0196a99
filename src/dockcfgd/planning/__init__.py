"""Pure decisions: what differs, what to do, in which order, the way back.

Imports model and engine_keys only.
"""
