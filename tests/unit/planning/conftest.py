from __future__ import annotations

from hypothesis import settings

# A busy machine is not a fault of what is tested; pytest's own time limit holds all the same.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")
