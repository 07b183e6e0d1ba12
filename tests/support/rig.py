"""How much the long tests do. `./test.sh memory` and `./test.sh cards` set it; the normal run does a short form."""

from __future__ import annotations

import os


def programs(usual: int) -> int:
    """How many random programs a property runs."""
    return int(os.environ.get("BARKEEP_TEST_PROGRAMS", usual))


def turns(usual: int) -> int:
    """How many turns are taken through killed servers."""
    return int(os.environ.get("BARKEEP_TEST_TURNS", usual))


def mutants(usual: int) -> int:
    """How many broken files of cards and books are looked at."""
    return int(os.environ.get("BARKEEP_TEST_MUTANTS", usual))
