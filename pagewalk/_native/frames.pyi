from typing import final

import numpy as np
from numpy.typing import NDArray

ASK_COUNT: int
ASK_FLAGS: int
ASK_CGROUP: int

def ask(
    owner: NDArray[np.uint32],
    need: NDArray[np.uint8],
    out: NDArray[np.uint8],
    touched: NDArray[np.uint8],
    base: int,
) -> tuple[int, bool]: ...
def ask_huge(
    fd_flags: int, base: int, owner: NDArray[np.uint32], ask: NDArray[np.uint8], touched: NDArray[np.uint8]
) -> int: ...
def ask_flags(
    owner: NDArray[np.uint32], seen: NDArray[np.uint32], mapcount: NDArray[np.uint64], ask: NDArray[np.uint8]
) -> int: ...
def read_wanted(
    fd: int, base: int, ask: NDArray[np.uint8], bit: int, out: NDArray[np.uint64], bridge: int
) -> tuple[int, int, int]: ...

@final
class Interned:
    @property
    def used(self) -> int: ...
    def use(self, slots: NDArray[np.uint32], keys: NDArray[np.uint64]) -> None: ...

@final
class Tally:
    head_reads: int
    headless: int
    def __init__(self, words: Interned, rows: Interned) -> None: ...
    def count(
        self,
        base: int,
        start: int,
        owner: NDArray[np.uint32],
        mapcount: NDArray[np.uint64],
        flags: NDArray[np.uint64],
        cgroup: NDArray[np.uint64],
        zone: int,
        unowned: bool,
        fd_flags: int,
        fd_cgroup: int,
        frames: NDArray[np.int64],
        row_of: NDArray[np.uint32],
        ask: NDArray[np.uint8] | None = None,
        stand_in: NDArray[np.uint64] | None = None,
    ) -> int: ...
