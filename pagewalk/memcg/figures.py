"""What the kernel says is charged to a cgroup."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping

from pagewalk.errors import ParseError
from pagewalk.memcg.hierarchy import GONE, STAT, Hierarchy
from pagewalk.procfs import ProcFS

__all__ = ["cgroup_figures", "kernel_figures", "own_figures", "parse_stat"]

# What else is read, by our name of it.
V1_FILES = {"usage": "memory.usage_in_bytes", "kernel": "memory.kmem.usage_in_bytes"}
V2_FILES = {"usage": "memory.current", "swap": "memory.swap.current"}


def parse_stat(text: str, path: str = STAT) -> dict[str, int]:
    """Take memory.stat apart (mm/memcontrol.c:memcg_stat_format, mm/memcontrol-v1.c:memcg1_stat_format).

    Parameters
    ----------
    text : str
        The file.
    path : str
        Its name, for errors.

    Returns
    -------
    dict
        Figures by the kernel's names: memory in bytes, events as counts.

    Raises
    ------
    ParseError
        A line is not a name and a number.
    """
    figures: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        match line.split():
            case []:
                continue
            case [name, value] if value.isdecimal():
                figures[name] = int(value)
            case words:
                raise ParseError(path, number, words[0])
    return figures


# Our name of a figure, and what memory.stat calls it under version 2 and under version 1.
NAMES: Mapping[str, tuple[str | None, str | None]] = {
    "anon": ("anon", "rss"),
    "shmem": ("shmem", "shmem"),
    "mapped": ("file_mapped", "mapped_file"),
    "dirty": ("file_dirty", "dirty"),
    "writeback": ("file_writeback", "writeback"),
    "unevictable": ("unevictable", "unevictable"),
    "swapcached": ("swapcached", "swapcached"),
    "thp": ("anon_thp", "rss_huge"),
    "kernel": ("kernel", None),
    "slab": ("slab", None),
    "kernel_stack": ("kernel_stack", None),
    "pagetables": ("pagetables", None),
    "sec_pagetables": ("sec_pagetables", None),
    "percpu": ("percpu", None),
    "vmalloc": ("vmalloc", None),
    "sock": ("sock", None),
    "zswap": ("zswap", None),
    "hugetlb": ("hugetlb", None),
    "swap": (None, "swap"),
}
# All page cache with shared memory in it, of version 2 and 1. Swap cache is not in it: the cgroup's NR_FILE_PAGES
# counts folios of files only, unlike the node's (mm/swap_state.c adds to the node's alone).
CACHE = ("file", "cache")


def kernel_figures(stat: Mapping[str, int], recursive: bool = True) -> dict[str, int | None]:
    """Return what memory.stat says under names common to version 1 and 2.

    Parameters
    ----------
    stat : mapping of str to int
        As `parse_stat` made it.
    recursive : bool
        With the cgroups below. Version 2 knows no others (`own_figures` takes those below away); version 1 has the
        cgroup's own as well.

    Returns
    -------
    dict
        Bytes by ``anon``, ``file`` (without shared memory), ``shmem``, ``mapped``, ``dirty``, ``writeback``,
        ``unevictable``, ``swapcached``, ``thp``, ``kernel`` (all of slab, kernel_stack, pagetables, sec_pagetables,
        percpu, vmalloc and more), each of these, ``sock``, ``zswap``, ``hugetlb``, ``swap``. None where it does not
        say.
    """
    version = 1 if CACHE[1] in stat else 2
    prefix = "total_" if version == 1 and recursive else ""
    column = 0 if version == 2 else 1
    figures = {
        name: stat.get(prefix + kernel_name) if (kernel_name := names[column]) is not None else None
        for name, names in NAMES.items()
    }
    cache, shmem = stat.get(prefix + CACHE[column]), figures["shmem"]
    # The two are summed over CPUs one after the other, and may be off by what changed between.
    figures["file"] = None if cache is None or shmem is None else max(cache - shmem, 0)
    return figures


def own_figures(
    figures: Mapping[str, int | None], children: Iterable[Mapping[str, int | None]]
) -> dict[str, int | None]:
    """Return the figures of a cgroup alone, from those with all below and those of its children with all below.

    Children that were removed with pages still charged to them stay counted with their parent, as in kpagecgroup.
    """
    own: dict[str, int | None] = dict(figures)
    for child in children:
        for name, figure in own.items():
            part = child.get(name)
            own[name] = None if figure is None or part is None else max(figure - part, 0)
    return own


def cgroup_figures(procfs: ProcFS, hierarchy: Hierarchy, path: str) -> dict[str, int | None] | None:
    """Read what the kernel says is charged to a cgroup and all below it.

    Parameters
    ----------
    procfs : ProcFS
        The machine.
    hierarchy : Hierarchy
        As `find_hierarchy` found it.
    path : str
        The cgroup's path, as `Cgroup.path` has it.

    Returns
    -------
    dict or None
        `kernel_figures`, and ``usage``: everything charged, of whatever kind. None where the cgroup is gone or has
        no accounts of its own.
    """
    inner = path.removeprefix(hierarchy.root.rstrip("/"))
    directory = f"{hierarchy.directory}{inner}".rstrip("/")
    try:
        stat_path = f"{directory}/{STAT}"
        figures = kernel_figures(parse_stat(procfs.read_file(stat_path), stat_path))
    except OSError as error:
        if error.errno in GONE:
            return None
        raise
    names = V1_FILES if hierarchy.version == 1 else V2_FILES
    return figures | {name: _figure(procfs, f"{directory}/{file}") for name, file in names.items()}


def _figure(procfs: ProcFS, path: str) -> int | None:
    """Read a file of one number; None where it is not there, as at the root of version 2."""
    try:
        text = procfs.read_file(path).strip()
    except OSError as error:
        if error.errno in (*GONE, errno.EOPNOTSUPP):
            return None
        raise
    if not text.isdecimal():
        raise ParseError(path, 1, "a number of bytes")
    return int(text)
