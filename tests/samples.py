"""Made samples, and a sampler that has taken them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from pagewalk.sampling import Sample, Sampler
from pagewalk.snapshot import Snapshot
from smallhost import walked

MIB = 1 << 20


def sample(seconds: float, rss: int = 8 * MIB, kernel_rss: int = 9 * MIB, snapshot: Snapshot | None = None) -> Sample:
    figures = dict.fromkeys(("pss", "swap", "anon", "file", "shmem", "hugetlb", "thp", "swap_pss", "swap_uss"), 7)
    figures |= {"rss": rss, "uss": rss // 2}
    return Sample(seconds, 0.1, 3, figures, kernel_rss, 0.0123456789, walked() if snapshot is None else snapshot)


def sampler(peak: Sample | None = None, last: Sample | None = None, **how: Any) -> Sampler:
    """As it is after two seconds of which it used a tenth."""
    made = SimpleNamespace(
        peak=peak, last=last, samples=0 if peak is None else 2, polls=100, longest_hold=1_250_000, longest_walk=0.12,
        highest=(9 * MIB, 0.5), trouble="", seconds=2.0, cpu_seconds=0.2,
    )  # fmt: skip
    vars(made).update(how)
    return cast(Sampler, made)
