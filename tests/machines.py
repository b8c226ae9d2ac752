"""Hypothesis strategies for whole machines: few frames, much shared, and every oddity a pagemap entry can be.

Everything is drawn as small lists of small choices, so that a failing machine shrinks to the few pages that matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hypothesis import strategies as st

from model import (
    GUARD,
    KPF,
    PM_MMAP_EXCLUSIVE,
    PM_SOFT_DIRTY,
    PM_UFFD_WP,
    POISON_MARKER,
    SOFT_DIRTY_HOLE,
    UFFD_MARKER,
    Entry,
    Fate,
    Frame,
    Kind,
    Machine,
    Marker,
    Migrating,
    Present,
    Process,
    Space,
    Swapped,
    Vma,
)

VSYSCALL_PAGE = 0xFFFFFFFFFF600000 >> 12

# Bits that say something, but nothing that any figure rests on; the last two are of a future kernel.
NOISE_FLAGS = [
    0,
    KPF["REFERENCED"] | KPF["ACTIVE"],
    KPF["WRITEBACK"] | KPF["RECLAIM"],
    KPF["UNEVICTABLE"] | KPF["MLOCKED"],
    KPF["OWNER_2"] | KPF["PRIVATE"],
    KPF["HWPOISON"],
    1 << 43,
    1 << 63 | KPF["IDLE"],
]

NAMES = [
    b"",
    b"[heap]",
    b"[stack]",
    b"[anon:JIT code]",
    b"/usr/lib/libc.so.6",
    b"/usr/bin/worker",
    b"/memfd:weights (deleted)",
    b"/dev/zero (deleted)",
    b"/tmp/two  words",
    b"/tmp/ at its end ",
    b"/tmp/a\nline",
    b"/tmp/gone (deleted)",
    b"/tmp/\xff\xfe\x80",
    b"anon_inode:[io_uring]",
    b"[vdso]",
    b"[vvar]",
]
COMMS = [b"worker", b"a) S 1 (b", b"two words", b"line\nbreak", b"\xff\xfe", b"((", b"", b"kworker/0:1-rcu"]
CMDLINES = [b"", b"/usr/bin/worker\0", b"worker\0--name\0two words\0\0", b"renamed: idle", b"\xff\0\n\0"]
UIDS = [0, 65534, 4242]
CGROUPS = ["/", "/system.slice", "/system.slice/a b.service", "/gone (deleted)"]

pm_noise = st.sampled_from([0, PM_MMAP_EXCLUSIVE, PM_SOFT_DIRTY, PM_SOFT_DIRTY | PM_MMAP_EXCLUSIVE, PM_UFFD_WP])


@dataclass(frozen=True)
class Shape:
    """How large and how strange the machines may be."""

    sparse_pages: int = 1 << 17
    far_frame: int = 1 << 22
    folio_order: int = 4
    fates: bool = True


# Frames


@dataclass(frozen=True)
class _Plan:
    """A frame or a folio before it has a place: its gap to the one before, its order, what it holds."""

    gap: int
    order: int
    device: bool
    frame: Frame


def _plans(shape: Shape) -> st.SearchStrategy[list[_Plan]]:
    hidden = st.sampled_from([0, 0, 0, 0, 1, 2, 7, -1])
    frame = st.builds(
        Frame,
        pfn=st.just(0),
        kind=st.sampled_from(
            [Kind.ANON, Kind.ANON, Kind.ANON, Kind.FILE, Kind.FILE, Kind.SHMEM, Kind.SHMEM, Kind.ZERO, Kind.SPECIAL]
        ),
        flag_dirty=st.booleans(),
        swapcache=st.booleans(),
        lazyfree=st.booleans(),
        ksm=st.booleans(),
        hidden=hidden,
        memcg=st.sampled_from([1, 77, 2**40 + 5]),
        noise=st.sampled_from(NOISE_FLAGS),
    )
    folio = st.builds(
        Frame,
        pfn=st.just(0),
        kind=st.sampled_from([Kind.ANON, Kind.FILE, Kind.SHMEM, Kind.HUGETLB, Kind.ZERO]),
        flag_dirty=st.booleans(),
        swapcache=st.booleans(),
        private_hugetlb=st.booleans(),
        file_bit_of_zero=st.booleans(),
        hidden=hidden,
    )
    gaps = [0, 0, 0, 1, 2, 4, 5, 63, 64, 511, 5000, shape.far_frame]
    gap = st.sampled_from([gap for gap in gaps if gap <= shape.far_frame])
    single = st.builds(_Plan, gap, st.just(0), st.just(False), frame)
    # A device's memory, beyond the kpage files: pagemap alone says what it is.
    device = st.builds(_Plan, gap, st.just(0), st.just(True), st.sampled_from([Frame(0, Kind.FILE), SPECIAL]))
    large = st.builds(_Plan, gap, st.integers(1, shape.folio_order), st.just(False), folio)
    return st.lists(st.one_of(single, single, single, single, large, large, device), min_size=1, max_size=14)


SPECIAL = Frame(0, Kind.SPECIAL)


def _tidy(frame: Frame) -> Frame:
    """Only what can be true of its kind: a KSM frame is anonymous, an uncounted one has no hidden mapping."""
    anon = frame.kind is Kind.ANON
    counted = frame.kind not in (Kind.ZERO, Kind.SPECIAL)
    plain = not counted or frame.kind is Kind.HUGETLB
    return replace(
        frame,
        ksm=frame.ksm and anon and not frame.large,
        lazyfree=frame.lazyfree and anon,
        swapcache=frame.swapcache and frame.kind in (Kind.ANON, Kind.SHMEM) and not frame.lazyfree,
        flag_dirty=frame.flag_dirty and not plain,
        private_hugetlb=frame.private_hugetlb and frame.kind is Kind.HUGETLB,
        file_bit_of_zero=frame.file_bit_of_zero and frame.kind is Kind.ZERO and frame.large,
        hidden=frame.hidden if counted else 0,
        noise=frame.noise if counted and not frame.large else 0,
    )


def _place(plans: Sequence[_Plan], slack: int) -> tuple[list[range], dict[int, Frame], int]:
    """Lay the plans out over the frame numbers: the folios (one frame is a folio of one), the frames, the limit."""
    cursor, limit = 1, 1 + slack
    folios: list[range] = []
    frames: dict[int, Frame] = {}
    for plan in sorted(plans, key=lambda plan: plan.device):
        size = 1 << plan.order
        first = -(-(max(cursor, limit if plan.device else 0) + plan.gap) // size) * size
        folio = range(first, first + size)
        cursor = folio.stop
        for pfn in folio:
            frames[pfn] = _tidy(replace(plan.frame, pfn=pfn, head=first if plan.order else None))
        folios.append(folio)
        if not plan.device:
            limit = cursor + slack
    return folios, frames, limit


# Address spaces

others: st.SearchStrategy[Entry] = st.one_of(
    st.sampled_from([GUARD, UFFD_MARKER, POISON_MARKER, SOFT_DIRTY_HOLE]),
    st.builds(Swapped, st.sampled_from([0, 1, 21]), st.sampled_from([0, 1, 2, 16385, 2**20]), pm_noise),
    st.builds(Swapped, st.just(0), st.integers(0, 3), st.just(0)),
    # A poisoned page (24) and a device-private one (28 to 30): in no swap file.
    st.builds(lambda kind, pfn: Marker(1 << 62 | pfn << 5 | kind), st.sampled_from([24, 28, 30]), st.integers(0, 9)),
)


@st.composite
def _pages(draw: st.DrawFn, folios: Sequence[range], frames: dict[int, Frame]) -> list[Entry]:
    """A few pages side by side: frames, a folio or a part of one, swap, or one of the rest."""
    what = draw(st.integers(0, 9))
    noise = draw(pm_noise)
    if what == 2:
        return [draw(others)]
    if what >= 4:
        # A run of folios: two address spaces with overlapping runs share some frames and not others.
        low = draw(st.integers(0, len(folios) - 1))
        return [Present(pfn, noise) for folio in folios[low : low + draw(st.integers(1, 5))] for pfn in folio]
    folio = draw(st.sampled_from(folios))
    if what == 3:
        fits = frames[folio[0]].kind in (Kind.ANON, Kind.FILE, Kind.SHMEM)
        return [Migrating(draw(st.integers(25, 27)), folio[0]) if fits else GUARD]
    if len(folio) > 1 and draw(st.booleans()):
        low = draw(st.integers(0, len(folio) - 1))
        folio = folio[low : draw(st.integers(low + 1, len(folio)))]
    return [Present(pfn, noise) for pfn in folio]


@st.composite
def _entries(draw: st.DrawFn, folios: Sequence[range], frames: dict[int, Frame], shape: Shape) -> dict[int, Entry]:
    """Pages of a VMA, with holes between."""
    placed: dict[int, Entry] = {}
    cursor = 0
    gaps = st.sampled_from([0, 0, 0, 0, 0, 0, 1, 2, 7, 255, 600, shape.sparse_pages])
    for _ in range(draw(st.sampled_from([0, 1, 2, 3, 5, 8]))):
        cursor += draw(gaps)
        for entry in draw(_pages(folios, frames)):
            placed[cursor] = entry
            cursor += 1
    return placed


@st.composite
def _huge_entries(draw: st.DrawFn, folios: Sequence[range]) -> dict[int, Entry]:
    """Pages of a hugetlb VMA: whole huge pages and nothing else."""
    pages = [Present(pfn) for folio in draw(st.lists(st.sampled_from(folios), max_size=3)) for pfn in folio]
    return dict(enumerate(pages))


@st.composite
def _spaces(draw: st.DrawFn, folios: Sequence[range], frames: dict[int, Frame], shape: Shape) -> Space:
    """An address space: VMAs side by side or far apart."""
    huge = [folio for folio in folios if frames[folio[0]].kind is Kind.HUGETLB]
    small = [folio for folio in folios if folio not in huge]
    vmas: list[Vma] = []
    first = draw(st.sampled_from([16, 0x400, 0x555555554]))
    for _ in range(draw(st.sampled_from([1, 2, 2, 3, 4]))):
        if huge and (not small or draw(st.booleans())):
            entries, name = draw(_huge_entries(huge)), b"/anon_hugepage (deleted)"
        else:
            entries, name = draw(_entries(small, frames, shape)), draw(st.sampled_from(NAMES))
        pages = max(entries, default=0) + 1 + draw(st.sampled_from([0, 0, 1, 300]))
        if name.startswith(b"[vvar"):
            entries = {at: e for at, e in entries.items() if isinstance(e, Present) and _is_special(frames, e)}
        named = name[:1] == b"/"
        vmas.append(
            Vma(
                first,
                pages,
                perms=draw(st.sampled_from(["rw-p", "r--p", "r-xp", "rw-s", "---p"])),
                offset=draw(st.sampled_from([0, 0x1000, 0x123456789000])) if named else 0,
                device=draw(st.sampled_from([(0, 1), (0xFE, 0), (0x103, 0xFFFFF)])) if named else (0, 0),
                inode=draw(st.sampled_from([7, 260131, 2**64 - 1])) if named else 0,
                name=name,
                entries=entries,
            )
        )
        first += pages + draw(st.sampled_from([0, 0, 1, 255, 256, 257, 3000, 1 << 30]))
    if draw(st.booleans()):
        vmas.append(Vma(VSYSCALL_PAGE, 1, perms="--xp", name=b"[vsyscall]"))
    return Space(tuple(vmas), layout=draw(st.integers(0, 2)))


def _is_special(frames: dict[int, Frame], entry: Present) -> bool:
    return frames[entry.pfn].kind is Kind.SPECIAL


@st.composite
def _fork(draw: st.DrawFn, parent: Space, folios: Sequence[range], frames: dict[int, Frame]) -> Space:
    """A child: the parent's pages, some of them copied or dropped since."""
    small = [folio[0] for folio in folios if frames[folio[0]].kind is not Kind.HUGETLB]
    fresh = st.one_of(st.none(), st.sampled_from(small)) if small else st.none()
    vmas: list[Vma] = []
    for vma in parent.vmas:
        entries = dict(vma.entries)
        if entries and not vma.skipped and not vma.hugetlb:
            for at in draw(st.lists(st.sampled_from(sorted(entries)), max_size=2, unique=True)):
                pfn = draw(fresh)
                if pfn is None:
                    del entries[at]
                else:
                    entries[at] = Present(pfn)
        vmas.append(replace(vma, entries=entries))
    return Space(tuple(vmas), layout=parent.layout)


# Machines


@st.composite
def machines(draw: st.DrawFn, shape: Shape | None = None) -> Machine:
    """A whole machine.

    Parameters
    ----------
    shape : Shape, optional
        Its limits.
    """
    shape = shape or Shape()
    folios, frames, limit = _place(draw(_plans(shape)), draw(st.sampled_from([0, 0, 1, 513])))
    spaces: list[Space] = []
    for _ in range(draw(st.sampled_from([1, 2, 3, 4, 4, 5, 6]))):
        if len(spaces) > 0 and draw(st.booleans()):
            spaces.append(draw(_fork(draw(st.sampled_from(spaces)), folios, frames)))
        else:
            spaces.append(draw(_spaces(folios, frames, shape)))
    return Machine(
        frames=frames,
        spaces=tuple(spaces),
        processes=tuple(draw(_processes(len(spaces), shape))),
        limit=limit,
        old_tails=draw(st.booleans()),
        cgroup_version=draw(st.sampled_from([2, 1])),
    )


@st.composite
def _processes(draw: st.DrawFn, spaces: int, shape: Shape) -> list[Process]:
    """One process or more for each address space, and some that have none, under pids in no order."""
    fates = st.sampled_from([Fate.READ] * 9 + [Fate.REFUSED, *(fate for fate in Fate if fate.gone)])
    homes: list[tuple[int | None, Fate]] = []
    for space in range(spaces):
        twins = draw(st.sampled_from([1, 1, 1, 1, 2, 3]))
        drawn = [draw(fates) if shape.fates else Fate.READ for _ in range(twins)]
        # An address space does not go while somebody has it.
        homes += [(space, Fate.GONE_PAGEMAP if fate is Fate.GONE_READING and twins > 1 else fate) for fate in drawn]
    if shape.fates:
        homes += [(None, fate) for fate in draw(st.lists(st.sampled_from([Fate.KTHREAD, Fate.ZOMBIE]), max_size=2))]
    count = len(homes)
    a_pid = st.one_of(st.integers(1, 99), st.integers(1, 1 << 22))
    pids = draw(st.lists(a_pid, unique=True, min_size=count, max_size=count))
    return [
        Process(
            pid,
            space,
            comm=draw(st.sampled_from(COMMS)),
            cmdline=b"" if space is None else draw(st.sampled_from(CMDLINES)),
            uid=draw(st.sampled_from(UIDS)),
            cgroup=draw(st.sampled_from(CGROUPS)),
            fate=fate,
            starttime=draw(st.integers(1, 3)),
        )
        for pid, (space, fate) in zip(pids, homes, strict=True)
    ]


def orders(machine: Machine) -> st.SearchStrategy[list[int]]:
    """Orders in which a machine's processes may be listed."""
    return st.permutations([process.pid for process in machine.processes])
