import numpy as np
from numpy.typing import NDArray

def resident_words(
    fd: int,
    fd_pagemap: int,
    offset: int,
    page_size: int,
    resident: NDArray[np.uint8],
    words: NDArray[np.uint64],
) -> int: ...
def is_hugetlbfs(fd: int) -> bool: ...
