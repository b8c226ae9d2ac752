from typing import final

import numpy as np
from numpy.typing import NDArray

@final
class Reader:
    can_scan: bool
    gone: bool
    segments: int
    words: int
    reads: int
    scans: int
    longest_ns: int
    def __init__(
        self,
        fd: int,
        starts: NDArray[np.uint64],
        stops: NDArray[np.uint64],
        entries: NDArray[np.uint64],
        seg_page: NDArray[np.uint64],
        seg_len: NDArray[np.uint32],
        page_size: int,
        can_scan: bool = True,
    ) -> None: ...
    def next(self) -> int: ...

def compress(
    entries: NDArray[np.uint64],
    seg_page: NDArray[np.uint64],
    seg_len: NDArray[np.uint32],
    segments: int,
    page: NDArray[np.uint64],
    word: NDArray[np.uint64],
    length: NDArray[np.uint32],
) -> int: ...
def clear_outside(
    entries: NDArray[np.uint64],
    seg_page: NDArray[np.uint64],
    seg_len: NDArray[np.uint32],
    segments: int,
    starts: NDArray[np.uint64],
    stops: NDArray[np.uint64],
    bits: int,
) -> None: ...
