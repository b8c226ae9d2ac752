import numpy as np
from numpy.typing import NDArray

def add_rows(at: NDArray[np.uint32], weights: NDArray[np.int64], sums: NDArray[np.int64]) -> None: ...
def up_the_trie(
    parent: NDArray[np.uint32],
    label: NDArray[np.uint32],
    times: NDArray[np.uint32],
    weights: NDArray[np.int64],
    sums: NDArray[np.int64],
    pages: NDArray[np.int64] | None = None,
) -> None: ...
def regroup(
    parent: NDArray[np.uint32],
    label: NDArray[np.uint32],
    times: NDArray[np.uint32],
    group: NDArray[np.int64],
    new_of: NDArray[np.uint32],
    slots: NDArray[np.uint32],
    keys: NDArray[np.uint64],
    distinct: bool,
) -> int: ...
def times_on_path(
    parent: NDArray[np.uint32],
    label: NDArray[np.uint32],
    times: NDArray[np.uint32],
    sets: NDArray[np.uint32],
    labels: NDArray[np.uint32],
    out: NDArray[np.int64],
) -> None: ...
def add_pairs(
    parent: NDArray[np.uint32],
    label: NDArray[np.uint32],
    weights: NDArray[np.int64],
    sums: NDArray[np.int64],
    labels: int,
) -> None: ...
