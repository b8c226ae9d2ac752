"""A command that grows as told: ``grower.py MODE BYTES SECONDS``, in a process, its grandchild, or by copying."""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
import time

MADV_HUGEPAGE, MADV_NOHUGEPAGE = 14, 15


def filled(size: int, advice: int) -> mmap.mmap:
    """So much anonymous memory, all of it written."""
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(advice)
    write(memory, 1)
    return memory


def write(memory: mmap.mmap, value: int) -> None:
    view = ctypes.c_char.from_buffer(memory)
    ctypes.memset(ctypes.addressof(view), value, len(memory))


def in_child(todo: object) -> None:
    """Do it in a child, and wait for its end."""
    assert callable(todo)
    if not (child := os.fork()):
        todo()
        os._exit(0)
    os.waitpid(child, 0)


def main(mode: str, size: int, seconds: float) -> None:
    def grow() -> None:
        if size:
            memory = filled(size, MADV_HUGEPAGE if mode == "huge" else MADV_NOHUGEPAGE)
            assert memory[0]
        time.sleep(seconds)

    def copy() -> None:
        write(memory, 2)
        time.sleep(seconds)

    if mode == "copy":
        memory = filled(size, MADV_NOHUGEPAGE)
        time.sleep(0.3)
        in_child(copy)
    else:
        in_child(lambda: in_child(grow))
        time.sleep(0.2)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
