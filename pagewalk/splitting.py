"""One large pagemap read by several threads, its chunks in order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from pagewalk.pagemap import Buffers, ChunkReader, Pace, PlanArrays, ReadCost

__all__ = ["PART", "SPLIT_FROM", "chunks_of_parts", "is_split"]

# Pages of a part: 512 MiB, some 4 ms of reading.
PART = 131_072
# Present pages from which on a second thread in one process pays (30 to 50 ms of reading).
SPLIT_FROM = 1_500_000
# Of address space, times what is present, up to which parts are read: where it is sparse PAGEMAP_SCAN takes long
# strides, which parts would cut.
DENSE = 4


def is_split(present: int, arrays: PlanArrays, ranges: int, threads: int) -> bool:
    """Whether to read an address space in parts.

    Parameters
    ----------
    present : int
        Pages it has in memory.
    arrays : tuple of ndarray
        What to read: `pagemap.ChunkReader.chunks`.
    ranges : int
        How many ranges that is.
    threads : int
        How many threads there are.
    """
    if threads < 2 or present < SPLIT_FROM:
        return False
    return int((arrays[1][:ranges] - arrays[0][:ranges]).sum()) <= DENSE * present


def _parts(arrays: PlanArrays, ranges: int) -> list[tuple[NDArray[np.uint64], NDArray[np.uint64]]]:
    """Return starts and stops of the ranges of each part, none of more than PART pages."""
    parts: list[tuple[NDArray[np.uint64], NDArray[np.uint64]]] = []
    starts: list[int] = []
    stops: list[int] = []
    room = PART
    for start, stop in zip(arrays[0][:ranges].tolist(), arrays[1][:ranges].tolist(), strict=True):
        at = start
        while at < stop:
            until = min(stop, at + room)
            starts.append(at)
            stops.append(until)
            room -= until - at
            at = until
            if not room:
                parts.append((np.array(starts, np.uint64), np.array(stops, np.uint64)))
                starts, stops, room = [], [], PART
    if starts:
        parts.append((np.array(starts, np.uint64), np.array(stops, np.uint64)))
    return parts


def chunks_of_parts(
    fd: int,
    ranges: int,
    vmas: int,
    arrays: PlanArrays,
    cost: ReadCost,
    page_size: int,
    telling: bool,
    pace: Pace,
    threads: int,
) -> Iterator[NDArray[np.uint64]]:
    """Read the parts of a pagemap in threads.

    Parameters
    ----------
    fd, ranges, vmas, arrays, cost
        As for `pagemap.ChunkReader.chunks`.
    page_size, telling, pace
        As for `pagemap.ChunkReader`.
    threads : int
        How many read.

    Yields
    ------
    ndarray of uint64
        The entries of a chunk, in the order of their addresses; at most two parts a thread are read ahead.

    Raises
    ------
    ProcessLookupError
        The address space went while it was read; what was read before has come.
    """
    of_thread = threading.local()
    lock = threading.Lock()

    def read(part: tuple[NDArray[np.uint64], NDArray[np.uint64]]) -> tuple[list[NDArray[np.uint64]], OSError | None]:
        if not hasattr(of_thread, "reader"):
            of_thread.reader = ChunkReader(Buffers(pace.chunk), page_size, telling, pace)
        reader: ChunkReader = of_thread.reader
        mine, chunks = ReadCost(), []
        failed = None
        try:
            for used, _ in reader.chunks(fd, len(part[0]), vmas, (*part, *arrays[2:]), mine):
                chunks.append(reader.buffers.entries[:used].copy())
        except OSError as error:
            failed = error
        with lock:
            cost.add(mine)
        return chunks, failed

    todo = iter(_parts(arrays, ranges))
    ahead: deque[Future[tuple[list[NDArray[np.uint64]], OSError | None]]] = deque()
    with ThreadPoolExecutor(threads, "pagewalk-part") as pool:
        try:
            while True:
                while len(ahead) < 2 * threads and (part := next(todo, None)) is not None:
                    ahead.append(pool.submit(read, part))
                if not ahead:
                    return
                chunks, failed = ahead.popleft().result()
                yield from chunks
                if failed is not None:
                    raise failed
        finally:
            for future in ahead:
                future.cancel()
