"""What must be switched on for a workload: by the module of the tests, which knows how each switch is put back."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from benchmarks.held import Unavailable
from benchmarks.programs import FOLDER

__all__ = ["huge_page", "mixed_memory"]

LIVE_TESTS = FOLDER.parent / "tests" / "live"


def _reach_the_tests() -> None:
    if str(LIVE_TESTS) not in sys.path:
        sys.path.append(str(LIVE_TESTS))


def huge_page() -> int:
    """The size of a transparent huge page."""
    _reach_the_tests()
    import knobs

    try:
        return knobs.huge_page()
    except knobs.Unavailable as error:
        raise Unavailable(str(error)) from error


@contextmanager
def mixed_memory(size: int, folder: Path) -> Iterator[Callable[[], AbstractContextManager[None]]]:
    """Have pages of hugetlbfs and somewhere to swap to, ``size`` bytes of each.

    Yields
    ------
    callable
        A context in which KSM merges.
    """
    _reach_the_tests()
    import knobs

    with ExitStack() as switches:
        try:
            switches.enter_context(knobs.hugetlb(-(-size // knobs.default_huge_page())))
            # Some more than is swapped: a slot that was just given back is not at once to be had (mm/swapfile.c).
            switches.enter_context(knobs.swap(folder, size + size // 4 + (8 << 20)))
            knobs.setting(knobs.KSM / "run")
        except (knobs.Unavailable, OSError) as error:
            raise Unavailable(f"W6 cannot be had here: {error}") from error
        yield knobs.ksm
