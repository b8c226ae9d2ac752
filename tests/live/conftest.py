"""Live tests: known pages on the running kernel. They need root, and say so where there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import knobs
import truth
from workloads import PAGE, Region, Stage

if TYPE_CHECKING:
    from asking import Command
    from checks import Look

pytest.register_assert_rewrite("checks", "vmachecks")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.live)


@pytest.fixture(scope="session")
def root() -> None:
    """Skip unless the kernel tells this process what pages lie in which frames."""
    if os.geteuid() != 0:
        pytest.skip("needs root: /proc/kpagecount is root's alone")
    if not os.access("/proc/kpagecount", os.R_OK):
        pytest.skip("this kernel has no /proc/kpagecount (CONFIG_PROC_PAGE_MONITOR)")
    here = next(vma for vma in truth.vmas(os.getpid()) if vma.name == "[stack]")
    if not any(truth.present(os.getpid(), Region(here.start, here.stop - here.start))):
        pytest.skip("needs CAP_SYS_ADMIN in the first user namespace: frame numbers read as 0")


@pytest.fixture(scope="session")
def agent_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """agent.c, compiled: statically where that is possible, so that agents share no library with the machine."""
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    found = shutil.which(compiler) or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if found is None:
        pytest.skip("needs a C compiler: the known pages are made by a small C program")
    program = tmp_path_factory.mktemp("agent") / "agent"
    command = [found, "-std=c11", "-O2", "-o", str(program), str(Path(__file__).with_name("agent.c"))]
    if subprocess.run([*command, "-static"], capture_output=True).returncode != 0:
        subprocess.run(command, check=True)
    return program


@pytest.fixture
def stage(root: None, agent_program: Path) -> Iterator[Stage]:
    """Where agents are started, and all of them ended."""
    with Stage(agent_program) as stage:
        yield stage


@pytest.fixture
def look(root: None) -> Look:
    """Walk the machine; whatever was seen, the laws hold."""
    from checks import Look

    return Look()


@pytest.fixture
def who(root: None, capsys: pytest.CaptureFixture[str]) -> Command:
    """Ask ``pagewalk who``."""
    from asking import Command

    return Command(capsys)


def _switched(switch: Callable[..., object], *arguments: object) -> Iterator[object]:
    """A switch of the machine as a fixture: what it does not allow is skipped, with what was tried."""
    try:
        entered = switch(*arguments)
        value = entered.__enter__()  # type: ignore[attr-defined]
    except knobs.Unavailable as reason:
        pytest.skip(str(reason))
    try:
        yield value
    finally:
        entered.__exit__(None, None, None)  # type: ignore[attr-defined]


@pytest.fixture
def swap(root: None, tmp_path: Path) -> Iterator[object]:
    """Somewhere to swap to."""
    yield from _switched(knobs.swap, tmp_path)


@pytest.fixture
def swap_file(root: None, tmp_path: Path) -> Iterator[object]:
    """A file to swap to, which keeps a swap cache."""
    yield from _switched(knobs.swap_file, tmp_path)


@pytest.fixture
def debugfs(root: None, tmp_path: Path) -> Iterator[object]:
    """Where debugfs is mounted."""
    yield from _switched(knobs.debugfs, tmp_path)


@pytest.fixture
def ksm(root: None) -> Iterator[object]:
    """Like pages are merged."""
    yield from _switched(knobs.ksm)


@pytest.fixture
def hugetlb(root: None) -> Iterator[object]:
    """Eight free pages of hugetlbfs; their size."""
    yield from _switched(knobs.hugetlb, 8)


@pytest.fixture
def huge(root: None) -> Iterator[int]:
    """Transparent huge pages where a process asks for them; their size."""
    try:
        size = knobs.huge_page()
    except knobs.Unavailable as reason:
        pytest.skip(str(reason))
    for _ in _switched(knobs.knob, knobs.THP / "enabled", "madvise"):
        yield size


@pytest.fixture
def file(tmp_path: Path) -> Callable[[int], Path]:
    """Make a file of so many pages, every one of them different."""

    def make(pages: int, name: str | bytes = "file") -> Path:
        path = tmp_path / os.fsdecode(name)
        path.write_bytes(b"".join(os.urandom(8) + bytes(PAGE - 8) for _ in range(pages)))
        return path

    return make
