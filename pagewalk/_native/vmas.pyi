from typing import final

import numpy as np
from numpy.typing import NDArray

TELLS_ANON: int
TELLS_SHMEM: int

def count_lines(text: bytes | memoryview) -> int: ...

@final
class Maps:
    rows: int
    vss: int
    def __init__(
        self,
        start: NDArray[np.uint64],
        end: NDArray[np.uint64],
        offset: NDArray[np.uint64],
        inode: NDArray[np.uint64],
        major: NDArray[np.uint32],
        minor: NDArray[np.uint32],
        perms: NDArray[np.uint8],
        name_at: NDArray[np.uint32],
        name_len: NDArray[np.uint32],
    ) -> None: ...
    def parse(self, text: bytes | memoryview) -> int: ...
    def overlap(self) -> int: ...
    def plan(
        self,
        page_size: int,
        bridge: int,
        plain: NDArray[np.uint64],
        shmem: int,
        range_start: NDArray[np.uint64],
        range_stop: NDArray[np.uint64],
        vma_start: NDArray[np.uint64],
        vma_stop: NDArray[np.uint64],
        tells: NDArray[np.uint8],
    ) -> int: ...
