"""The machine's accounts: of every kernel, and held against each other and against what was made."""

from __future__ import annotations

import ctypes
import mmap
import os
import platform
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

import truth
from pagewalk import system
from pagewalk.errors import PagewalkError, PermissionRequired, Unsupported
from pagewalk.procfs import ProcFS
from pagewalk.system import FrameSpan, Zone
from workloads import PAGE, Region, until

PROCFS = ProcFS()
NOBODY = 65534
NODES = Path("/sys/devices/system/node")

# asm/unistd.h: ctypes has no names for system calls, and libc none for these.
MBIND, MOVE_PAGES = {"x86_64": (237, 279), "aarch64": (235, 239)}.get(platform.machine(), (0, 0))
MPOL_BIND = 2


def places() -> list[FrameSpan]:
    return system.frame_spans(system.ram_frames(PROCFS), system.zoneinfo(PROCFS), system.memory_blocks(PROCFS, PAGE))


def present_zones(zones: list[Zone]) -> dict[tuple[int, str], Zone]:
    return {(zone.node, zone.name): zone for zone in zones if zone.present and zone.name != "Device"}


def at_rest(compare: Callable[[], bool], what: str) -> None:
    """Try again while the machine moves between two readings."""
    until(compare, what, patience=15.0, pause=0.1)


def near(one: int, other: int, share: float, least: int) -> bool:
    return abs(one - other) <= max(share * max(one, other), least)


@pytest.mark.parametrize(
    "read",
    [
        system.meminfo,
        system.vmstat,
        system.zoneinfo,
        system.zones,
        system.buddyinfo,
        system.pagetypeinfo,
        system.swaps,
        system.vmallocinfo,
        system.ram_frames,
        system.huge_order,
    ],
)
def test_this_kernel_can_be_read(root: None, read: Callable[[ProcFS], object]) -> None:
    try:
        found = read(PROCFS)
    except Unsupported as reason:
        pytest.skip(str(reason))
    assert found is not None


class TestTotals:
    def test_ram(self) -> None:
        """sysinfo(2) has the same total."""
        at_rest(
            lambda: system.meminfo(PROCFS)["MemTotal"] == os.sysconf("SC_PHYS_PAGES") * PAGE, "MemTotal to stand still"
        )

    def test_ram_is_what_the_zones_manage(self) -> None:
        """But for memory not yet handed to them, which a kernel may count into MemTotal and MemFree alike."""

        def equal() -> bool:
            zones, figures = system.zoneinfo(PROCFS), system.meminfo(PROCFS)
            waiting = figures["MemTotal"] - sum(zone.managed for zone in zones) * PAGE
            free = figures["MemFree"] - sum(zone.free for zone in zones) * PAGE
            return waiting >= 0 and near(waiting, max(free, 0), 0, 8 << 20)

        at_rest(equal, "the zones to manage MemTotal, or to be short of free memory by the same")

    def test_pages_and_bytes(self) -> None:
        at_rest(
            lambda: near(
                system.vmstat(PROCFS)["nr_page_table_pages"] * PAGE, system.meminfo(PROCFS)["PageTables"], 0.01, 1 << 20
            ),
            "vmstat and meminfo to agree on page tables",
        )

    def test_huge_order(self) -> None:
        path = Path("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size")
        if not path.exists():
            pytest.skip("no transparent huge pages")
        order = system.huge_order(PROCFS)
        assert order is not None
        assert PAGE << order == int(path.read_text())


class TestZones:
    def test_nodes(self) -> None:
        """Each node's own meminfo has the memory that its zones manage."""
        nodes = {zone.node for zone in system.zoneinfo(PROCFS)}
        for node in nodes:
            path = NODES / f"node{node}" / "meminfo"
            if not path.exists():
                pytest.skip("a kernel without NUMA")

            def equal(node: int = node, path: Path = path) -> bool:
                total = next(int(line.split()[3]) for line in path.read_text().split("\n") if "MemTotal" in line)
                managed = sum(zone.managed for zone in system.zoneinfo(PROCFS) if zone.node == node)
                return managed * PAGE == total << 10

            at_rest(equal, f"node {node} to manage its MemTotal")
        assert system.node_stats(system.zoneinfo(PROCFS)).keys() <= nodes

    def test_per_cpu_lists(self) -> None:
        zones = system.zoneinfo(PROCFS)
        cpus = os.cpu_count()
        assert all(zone.cpus == cpus for zone in zones if zone.present)
        assert all(0 <= zone.per_cpu <= zone.managed for zone in zones)

    def test_table(self) -> None:
        table = system.zones(PROCFS)
        assert len(table) == len(system.zoneinfo(PROCFS))
        assert (table["present"] <= table["spanned"]).all()
        assert table.unknown("start_pfn").tolist() == [zone.start_pfn is None for zone in system.zoneinfo(PROCFS)]


class TestFreeBlocks:
    def test_free_memory(self) -> None:
        def equal() -> bool:
            table = system.buddyinfo(PROCFS)
            listed = dict(
                zip(
                    zip(table["node"].tolist(), table["zone"].tolist(), strict=True),
                    table["free"].tolist(),
                    strict=True,
                )
            )
            free = {place: zone.free * PAGE for place, zone in present_zones(system.zoneinfo(PROCFS)).items()}
            return listed.keys() == free.keys() and all(
                near(free[place], listed[place], 0.02, 8 << 20) for place in free
            )

        at_rest(equal, "buddyinfo and zoneinfo to agree")

    def test_fragmentation_is_the_kernels(self, root: None, debugfs: Path) -> None:
        unusable = debugfs / "extfrag/unusable_index"
        if not unusable.exists():
            pytest.skip(f"no {unusable.name} in debugfs: this kernel has no CONFIG_COMPACTION")
        order = system.huge_order(PROCFS)
        assert order is not None

        def equal() -> bool:
            table = system.buddyinfo(PROCFS)
            kernel = [float(line.split()[4 + order]) for line in unusable.read_text().splitlines()]
            pairs = zip(kernel, table["fragmentation"].tolist(), table.unknown("fragmentation").tolist(), strict=True)
            return all(unknown or abs(ours - theirs) < 0.02 for theirs, ours, unknown in pairs)

        at_rest(equal, "the kernel's unusable free space index and ours to agree")

    def test_types(self, root: None) -> None:
        try:
            system.pagetypeinfo(PROCFS)
        except Unsupported as reason:
            pytest.skip(str(reason))

        def equal() -> bool:
            types, zones = system.pagetypeinfo(PROCFS), system.buddyinfo(PROCFS)
            order = next(name for name in reversed(zones.names) if name.startswith("order"))
            if types.unknown(order).any():
                return True  # more than the kernel counts
            sums: Counter[tuple[int, str]] = Counter()
            for row in types:
                sums[row["node"], row["zone"]] += row[order]
            return all(near(sums[row["node"], row["zone"]], row[order], 0.02, 4) for row in zones)

        at_rest(equal, "the largest free blocks of all types to be those of the zones")


class TestAreas:
    def test_swap(self, swap: None) -> None:
        figures, table = system.meminfo(PROCFS), system.swaps(PROCFS)
        assert table.totals()["size"] == figures["SwapTotal"] > 0
        assert all(Path(path).exists() for path in table["path"].tolist())
        at_rest(
            lambda: near(
                system.swaps(PROCFS).totals()["used"] or 0,
                figures["SwapTotal"] - system.meminfo(PROCFS)["SwapFree"],
                0.01,
                1 << 20,
            ),
            "used and free swap to add up",
        )

    def test_vmalloc(self, root: None) -> None:
        def equal() -> bool:
            table = system.vmallocinfo(PROCFS)
            pages = int(table["pages"][table["kind"] == "vmalloc"].sum())
            return near(pages * PAGE, system.meminfo(PROCFS)["VmallocUsed"], 0.05, 1 << 20)

        at_rest(equal, "the areas of vmalloc to add up to VmallocUsed")
        table = system.vmallocinfo(PROCFS)
        assert (table["bytes"] % PAGE == 0).all()
        kinds = {"vmalloc", "vmap", "ioremap", "vm_map_ram", "unpurged vm_area", ""}
        assert set(table["kind"].tolist()) <= kinds
        assert {note for notes in table["notes"].tolist() for note in notes} <= {"user", "dma-coherent", "vpages"}


class TestRam:
    def test_every_frame_of_ram_is_in_a_zone(self, root: None) -> None:
        """The frames that iomem calls System RAM are those that the zones have present."""
        frames: Counter[tuple[int, str]] = Counter()
        for span in places():
            frames[span.node, span.zone] += span.stop - span.start
        assert frames == {place: zone.present for place, zone in present_zones(system.zoneinfo(PROCFS)).items()}

    def test_frames_in_use_are_ram(self, root: None) -> None:
        ram = system.ram_frames(PROCFS)
        stack = next(vma for vma in truth.vmas(os.getpid()) if vma.name == "[stack]")
        for pfn in truth.present(os.getpid(), Region(stack.start, stack.stop - stack.start)):
            assert any(start <= pfn < stop for start, stop in ram)

    def test_pages_put_on_each_node(self, root: None) -> None:
        if not MBIND:
            pytest.skip(f"the numbers of system calls on {platform.machine()} are not known here")
        spans = places()
        for node in sorted({span.node for span in spans}):
            with mmap.mmap(-1, 200 * PAGE) as memory:
                region = Region(ctypes.addressof(ctypes.c_char.from_buffer(memory)), len(memory))
                bind(region, node)
                for page in range(region.pages):
                    memory[page * PAGE] = 1
                for pfn, told in zip(truth.present(os.getpid(), region), nodes_of(region), strict=True):
                    (span,) = (span for span in spans if span.start <= pfn < span.stop)
                    assert span.node == told == node


libc = ctypes.CDLL(None, use_errno=True)


def bind(region: Region, node: int) -> None:
    mask = ctypes.c_ulong(1 << node)
    arguments = (region.start, region.length, MPOL_BIND, ctypes.addressof(mask), 64, 0)
    if libc.syscall(MBIND, *(ctypes.c_ulong(argument) for argument in arguments)) != 0:
        pytest.skip(f"mbind: {os.strerror(ctypes.get_errno())}")


def nodes_of(region: Region) -> list[int]:
    """The node of each page, as move_pages(2) says when no node is given to move to."""
    pages = (ctypes.c_void_p * region.pages)(*(region.page(index) for index in range(region.pages)))
    status = (ctypes.c_int * region.pages)()
    arguments = (0, region.pages, ctypes.addressof(pages), 0, ctypes.addressof(status), 0)
    assert libc.syscall(MOVE_PAGES, *(ctypes.c_ulong(argument) for argument in arguments)) == 0
    return list(status)


@pytest.mark.parametrize("read", [system.ram_frames, system.vmallocinfo, system.pagetypeinfo])
def test_without_privilege(root: None, read: Callable[[ProcFS], object]) -> None:
    """What only root may know is refused with a sentence, not with figures that are all zero."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            os.write(writing, refusal(read).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, encoding="utf-8") as pipe:
        said = pipe.read()
    os.waitpid(pid, 0)
    if said.startswith("Unsupported"):
        pytest.skip(said)
    assert said.startswith(PermissionRequired.__name__)
    assert "needs root" in said


def refusal(read: Callable[[ProcFS], object]) -> str:
    try:
        return repr(read(PROCFS))
    except PagewalkError as error:
        return f"{type(error).__name__}: {error}"
