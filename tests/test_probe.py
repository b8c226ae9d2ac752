"""What this kernel does, tried on pages of our own: the running kernel's answers, and those of others played."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pagewalk import probe as module
from pagewalk.abi import KPF, PM
from pagewalk.framefiles import FrameFiles
from pagewalk.probe import Probe, probe
from pagewalk.procfs import ProcFS

PFN = 512
COUNT, FLAGS, PAGEMAP = 1001, 1002, 1003


class Files:
    """Descriptors that no file is behind."""

    count, flags, cgroup, frames = COUNT, FLAGS, -1, 4096


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> dict[int, object]:
    """What a reading of each file says: a number, or a function of the word asked for."""
    answers: dict[int, object] = {PAGEMAP: PM.PRESENT | PFN, FLAGS: KPF.ANON | KPF.LRU, COUNT: 1}

    def read_words(fd: int, first: int, out: NDArray[np.uint64]) -> int:
        answer = answers[fd]
        if answer is None:
            return 0
        out[0] = answer(first) if callable(answer) else answer
        return 1

    monkeypatch.setattr(module, "read_words", read_words)
    return answers


def asked() -> Probe:
    return module._probe(PAGEMAP, Files())  # type: ignore[arg-type]


def test_a_made_proc_is_sound(tmp_path: Path) -> None:
    assert probe(ProcFS(str(tmp_path)), Files()) == Probe()  # type: ignore[arg-type]
    assert Probe() == Probe(frames_visible=True, ksm_known=True, mapcount="page")


@pytest.mark.usefixtures("played")
def test_a_sound_kernel() -> None:
    assert asked() == Probe()


@pytest.mark.parametrize("entry", [int(PM.PRESENT), 0, None])
def test_frame_numbers_hidden(played: dict[int, object], entry: int | None) -> None:
    """Without CAP_SYS_ADMIN present pages read as frame 0 (pagemap_read: show_pfn)."""
    played[PAGEMAP] = entry
    assert not asked().frames_visible


def test_ksm_on_every_anonymous_page(played: dict[int, object]) -> None:
    """6.12 to 6.18 without the fix (dee3d0bef2b0)."""
    played[FLAGS] = KPF.ANON | KPF.KSM
    assert asked() == Probe(ksm_known=False)


@pytest.mark.parametrize(("unmapped", "kind"), [(0, "page"), (1, "folio-average")])
def test_mapcounts_of_a_folio(played: dict[int, object], unmapped: int, kind: str) -> None:
    """A page that was unmapped from a huge one counts 0 by itself, but an average is never 0."""
    played[FLAGS] = KPF.ANON | KPF.THP | KPF.COMPOUND_HEAD
    played[COUNT] = lambda pfn: unmapped if pfn == PFN + 1 else 1
    assert asked().mapcount == kind


def test_the_running_kernel() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root: /proc/kpageflags is root's alone")
    procfs = ProcFS()
    before = len(os.listdir("/proc/self/fd"))
    with FrameFiles(procfs) as files:
        found = probe(procfs, files)
    assert found.mapcount in ("page", "folio-average")
    assert len(os.listdir("/proc/self/fd")) == before
