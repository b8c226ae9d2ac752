import numpy as np
from numpy.typing import NDArray

def count_lines(text: bytes) -> int: ...
def parse(
    text: bytes,
    start: NDArray[np.uint64],
    end: NDArray[np.uint64],
    offset: NDArray[np.uint64],
    inode: NDArray[np.uint64],
    major: NDArray[np.uint32],
    minor: NDArray[np.uint32],
    perms: NDArray[np.uint8],
    name_at: NDArray[np.uint32],
    name_len: NDArray[np.uint32],
) -> int: ...
