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
        vma_start: NDArray[np.uint64] | None = None,
        vma_stop: NDArray[np.uint64] | None = None,
        tells: NDArray[np.uint8] | None = None,
        scan_pages: int = ...,
        pause_ns: int = 0,
    ) -> None: ...
    def aim(self, fd: int, ranges: int, vmas: int, can_scan: bool = True) -> None: ...
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
