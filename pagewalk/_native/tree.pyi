import numpy as np
from numpy.typing import NDArray

FIELDS: tuple[str, ...]

def read_stats(fds: NDArray[np.int32], out: NDArray[np.int64]) -> int: ...
def set_subreaper(on: bool) -> bool: ...
