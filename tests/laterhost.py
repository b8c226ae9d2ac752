"""The small host a little later: php 10 wrote two pages of libc, php 11 ended, redis took a page more, cron began."""

from __future__ import annotations

from dataclasses import replace

from model import Frame, Kind, Machine, Present, Process, Space, Vma
from smallhost import FRAMES, A, C, libc

WRITTEN = {40: Frame(40, Kind.ANON), 41: Frame(41, Kind.ANON), 42: Frame(42, Kind.ANON), 43: Frame(43, Kind.ANON)}


def wrote(space: Space, start: int, **pages: int) -> Space:
    """The address space with pages of the VMA at `start` on other frames."""
    moved = {int(page[1:]): Present(pfn) for page, pfn in pages.items()}
    vmas = [replace(v, entries={**v.entries, **moved}) if v.first == start else v for v in space.vmas]
    return replace(space, vmas=tuple(vmas))


CRON = Space((Vma(0x400, 4, name=b"[heap]", entries={0: Present(43)}), libc(3)), layout=4)
LATER = Machine(
    {**FRAMES, **WRITTEN},
    (wrote(A, 0x7F000, p0=40, p1=41), CRON, wrote(C, 0x400, p5=42)),
    (
        Process(20, 2, b"redis", b"redis-server\0*:6379\0", 33, "/db"),
        Process(10, 0, b"php", b"php\0-f\0a b\0", 0, "/web"),
        Process(11, 1, b"cron", b"cron\0", 0, "/", starttime=900),
    ),
    limit=200,
)
