from typing import final

import numpy as np
from numpy.typing import NDArray

NOBODY: int
ROOT_ANON: int
ROOT_FILE: int
ROOT_SWAP: int
ROOT_SOLE: int
ROOT_PLAIN: int
ROOT_SHMEM: int
FIRST_SET: int
BLOCK_SHIFT: int
OWNED: int
ASKED: int
HUGE: int

@final
class Fold:
    n_sets: int
    n_swaps: int
    n_others: int
    def __init__(self, n_sets: int, told: bool = ..., touched: NDArray[np.uint8] | None = None) -> None: ...
    def use_sets(
        self,
        parent: NDArray[np.uint32],
        space: NDArray[np.uint32],
        successor: NDArray[np.uint32],
        frames: NDArray[np.int64],
    ) -> None: ...
    def use_repeats(
        self, slots: NDArray[np.uint32], keys: NDArray[np.uint64], counts: NDArray[np.int64], used: int
    ) -> None: ...
    @property
    def n_repeats(self) -> int: ...
    def begin(self, space: int) -> None: ...
    def fold_entries(
        self,
        entries: NDArray[np.uint64],
        start: int,
        stop: int,
        owner: NDArray[np.uint32],
        swaps: NDArray[np.uint64],
        others: NDArray[np.uint64],
    ) -> int: ...
    def fold_indexes(
        self, indexes: NDArray[np.uint64], start: int, owner: NDArray[np.uint32], root: int, tag: int
    ) -> int: ...

def along_paths(
    parent: NDArray[np.uint32],
    times: NDArray[np.uint32],
    owners: NDArray[np.int64],
    mappings: NDArray[np.int64],
) -> None: ...
def roots(parent: NDArray[np.uint32], root: NDArray[np.uint32]) -> None: ...
