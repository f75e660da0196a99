"""What every test run has in common: the same generated examples each time."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("fixed", derandomize=True, deadline=None)
settings.register_profile("searching", deadline=None, print_blob=True)
# What gates a change must not depend on luck; with DOCKCFGD_PROOF=1 new examples are looked for.
settings.load_profile("searching" if os.environ.get("DOCKCFGD_PROOF") == "1" else "fixed")
