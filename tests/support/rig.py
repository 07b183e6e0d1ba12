"""How much the long tests of memory do. `./test.sh memory` sets the variables; the normal run does a short form."""

from __future__ import annotations

import os


def programs(usual: int) -> int:
    """How many random programs a property runs."""
    return int(os.environ.get("BARKEEP_TEST_PROGRAMS", usual))


def turns(usual: int) -> int:
    """How many turns are taken through killed servers."""
    return int(os.environ.get("BARKEEP_TEST_TURNS", usual))
