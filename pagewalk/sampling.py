"""Sampling a tree of processes: when to walk it, and what was found at its peak and last.

A walk says exactly what a tree has, and costs 0.1 s of CPU time a GiB. The kernel's own counters say in microseconds
a process that something has grown. So these are read every few milliseconds, and a walk is taken when they tell of a
new peak, and now and then. What all this may cost is a share of one core.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pagewalk.departed import REPLACED
from pagewalk.errors import PagewalkError, PermissionRequired, Unsupported
from pagewalk.groups import group_by
from pagewalk.procfs import ProcFS
from pagewalk.snapshot import Snapshot, walk
from pagewalk.tree import Poll, Tree, TreeView

__all__ = ["SHARE", "Account", "Sample", "Sampler", "rehearse"]

MIB = 1 << 20

# Of one core, over time.
SHARE = 0.05
# Of that share, what the polls and the listings may take: the rest is for walks.
POLLS = 0.4
LISTINGS = 0.2
# The part of the account that a walk may take of what is kept for rises.
CHEAP = 0.1
# Seconds between two polls where they cost little, so that what lasts for 50 ms is seen; and where nothing has grown
# for a second. A poll that has slept is ten times as dear as one after the other: its caches are cold.
FASTEST, CALM = 0.01, 0.02
# And until a walk at a given interval that is as good as due.
LEAST = 0.001
# Seconds of CPU time that are there at the beginning, and that a rise may use ahead of time: 10 GiB can be walked.
AHEAD = 1.0
# Seconds between two walks without a rise: of a tree that stirs, and of one that does nothing.
BUSY, QUIET = 0.1, 10.0
# And of one that is rising, whose peak a walk would keep us from seeing.
RISING = 1.0
# What is nothing: the counters of the kernel are behind by up to 64 pages a thread, or a batch a CPU since 6.2.
NOTHING = MIB
# The part of a tree by which it must have changed to be walked again; for a rise, from that up to this, the less of
# the account is left.
NOTABLE, GREAT = 0.01, 0.25
# A tree rises as long as it has grown by this part of it within so many seconds. One that is busy may only be waiting
# for a core, or for memory: it gets more time, since of a peak that is yet to come a walk says nothing.
LEVEL = 0.0005
STILL, STILL_BUSY = 0.025, 0.1


@dataclass(frozen=True, eq=False)
class Sample:
    """What a tree had at one time.

    Attributes
    ----------
    seconds : float
        When the walk began, since the start.
    walk_seconds : float
        How long it took.
    processes : int
        How many were walked.
    figures : mapping of str to int
        FIGURES of the tree in bytes, a frame counted once: ``rss`` its distinct frames, ``uss`` those that nobody
        outside of it maps, ``pss`` the sum of its members'.
    kernel_rss : int
        The rss of all processes added up by the kernel's counters just before: shared memory again and again.
    cpu : float
        CPU time in seconds that sampling had taken by then.
    snapshot : Snapshot
        The walk.
    """

    seconds: float
    walk_seconds: float
    processes: int
    figures: Mapping[str, int]
    kernel_rss: int
    cpu: float
    snapshot: Snapshot


@dataclass
class Account:
    """CPU time that may be used: a share of all time, saved up to a limit.

    Attributes
    ----------
    share : float
        Of one core.
    credit : float
        Seconds that may be used now; negative where they were used ahead.
    limit : float
        So many seconds are saved up at most.
    """

    share: float = SHARE
    credit: float = AHEAD
    limit: float = AHEAD

    @property
    def reserve(self) -> float:
        """Seconds that are kept for rises."""
        return self.limit / 2

    def pass_time(self, seconds: float, used: float) -> None:
        """Let time go by, of which some was used."""
        self.credit = min(self.credit + seconds * self.share, self.limit) - used

    def allow_for(self, cost: float) -> None:
        """Let as much be saved as some walks of this cost take."""
        self.limit = max(AHEAD, 4 * cost)

    def need(self) -> float:
        """Return the part by which a tree must have risen for a walk: the less is left, the more. None suffices at 0.

        A tree that grows slowly and for long would else use up the account, and a sudden peak find it empty.
        """
        if self.credit <= 0:
            return float("inf")
        return NOTABLE + (GREAT - NOTABLE) * max(1 - self.credit / self.reserve, 0)


def rehearse(procfs: ProcFS) -> Snapshot:
    """Walk ourselves: what refuses, refuses now; and what is slow the first time will not be.

    Parameters
    ----------
    procfs : ProcFS
        The machine.

    Raises
    ------
    PermissionRequired, Unsupported
        As `walk`.
    """
    return walk(pids=[os.getpid()], procfs=procfs)


@dataclass
class Sampler:
    """Samples a tree; `step` is to be called again after the seconds it returns.

    Parameters
    ----------
    tree : Tree
        The processes.
    share : float
        Of one core: what sampling may cost.
    interval : float, optional
        Walk this often at least, whatever it costs.
    told : callable, optional
        Called with each sample.
    has_ended : callable, optional
        ``has_ended() -> bool``: whether what is sampled is over. A walk during which it ended, and processes vanished,
        has seen a rest of it, and is left out.
    listing : float
        Seconds between two looks at all processes of the machine for members, at the least.
    clock, cpu : callable
        Seconds that go by, and seconds of CPU time that this process has used.

    Attributes
    ----------
    peak, last : Sample or None
        The first sample with the most distinct frames, and the one before the end; None where there was none.
    samples, polls : int
        How many there were.
    processes : int
        How many the tree had at the last poll.
    longest_hold : int
        Nanoseconds that the longest read of a pagemap held a lock of a process, at most.
    longest_walk : float
        Seconds.
    highest : (int, float)
        The highest sum of rss by the kernel's counters in bytes, and when.
    trouble : str
        Why the last walk that failed did; empty where none did.
    """

    tree: Tree
    share: float = SHARE
    interval: float | None = None
    told: Callable[[Sample], None] | None = None
    has_ended: Callable[[], bool] | None = None
    listing: float = 1.0
    clock: Callable[[], float] = time.monotonic
    cpu: Callable[[], float] = time.process_time
    peak: Sample | None = field(default=None, init=False)
    last: Sample | None = field(default=None, init=False)
    samples: int = field(default=0, init=False)
    polls: int = field(default=0, init=False)
    processes: int = field(default=0, init=False)
    longest_hold: int = field(default=0, init=False)
    longest_walk: float = field(default=0.0, init=False)
    highest: tuple[int, float] = field(default=(0, 0.0), init=False)
    trouble: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self.account = Account(self.share)
        self.view = TreeView(self.tree)
        self.start()

    def start(self) -> None:
        """Let the time begin."""
        self._zero = self._now = self.clock()
        self._cpu_zero = self._cpu_now = self.cpu()
        self._walked = self._refreshed = self._zero
        self._refresh_cost = self._poll_cost = 0.0
        self._level, self._moved = 0, self._zero
        self._failures = 0
        self._cost, self._least_cost = 0.0, float("inf")

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return self.clock() - self._zero

    @property
    def cpu_seconds(self) -> float:
        """CPU time that sampling has taken since the start."""
        return self.cpu() - self._cpu_zero

    def step(self) -> float:
        """Poll, and walk if that is due; returns the seconds until the next step.

        Raises
        ------
        PermissionRequired, Unsupported
            The kernel refuses, as it did not at the rehearsal.
        """
        now, cpu = self.clock(), self.cpu()
        self.account.pass_time(now - self._now, cpu - self._cpu_now)
        self._now, self._cpu_now = now, cpu
        if now - self._refreshed > max(self.listing, self._refresh_cost / (LISTINGS * self.share)):
            self._refresh()
        poll = self.tree.poll()
        self.polls += 1
        self.processes = poll.processes
        if poll.rss > self.highest[0]:
            self.highest = (poll.rss, now - self._zero)
        cost = self.cpu() - cpu
        self._poll_cost = cost if self.polls == 1 else 0.8 * self._poll_cost + 0.2 * cost
        if poll.processes and self._is_due(poll, now):
            self._walk(poll)
        pause = max(FASTEST if now - self._moved < 1 else CALM, self._poll_cost / (POLLS * self.share))
        if self.interval is not None:
            pause = min(pause, max(self._walked + self.interval - self.clock(), LEAST))
        return pause

    def _refresh(self) -> None:
        """Look at all processes of the machine, which costs what there are of them."""
        cpu = self.cpu()
        self.tree.refresh()
        self._refresh_cost, self._refreshed = self.cpu() - cpu, self.clock()

    def _is_due(self, poll: Poll, now: float) -> bool:
        """Whether to walk now."""
        since = now - self._walked
        if self._failures and since < min(BUSY * 2.0 ** min(self._failures - 1, 20), QUIET):
            return False
        if self.last is None or self.peak is None or (self.interval is not None and since >= self.interval):
            return True
        # It cannot have more distinct frames than this, but for copies of shared pages.
        most, peak = self.last.figures["rss"] + poll.growth, self.peak.figures["rss"]
        is_rising = self._is_rising(poll, most, now)
        # While it rises its peak is to come; but what doubles may vanish before it has stopped.
        least = 2 * peak if is_rising else peak * (1 + self.account.need())
        if self.account.credit > 0 and poll.growth > NOTHING and most > least + NOTHING * is_rising:
            return True
        if self.account.credit < self.account.reserve and not self._is_cheap(poll, self.last):
            return False
        stirs = poll.stir > max(NOTHING, NOTABLE * self.last.figures["rss"])
        return since >= (RISING if is_rising else BUSY if stirs else QUIET)

    def _is_rising(self, poll: Poll, most: int, now: float) -> bool:
        """Whether the tree has grown a moment ago."""
        if abs(poll.growth - self._level) > max(NOTHING / 8, most * LEVEL):
            self._level, self._moved = poll.growth, now
        return poll.growth > NOTHING and now - self._moved < (STILL_BUSY if poll.busy else STILL)

    def _is_cheap(self, poll: Poll, last: Sample) -> bool:
        """Whether a walk now takes little of what there is: of a tree that has let go of nearly all."""
        expected = max(self._least_cost, self._cost * poll.rss / max(last.kernel_rss, 1))
        return expected < CHEAP * self.account.credit

    def _walk(self, poll: Poll) -> None:
        began, cpu = self.clock(), self.cpu()
        self._walked, self._level = began, 0
        self.tree.mark()
        try:
            snapshot = walk(procfs=self.view)
        except (PermissionRequired, Unsupported):
            raise
        except (PagewalkError, OSError) as error:
            # Who ends, calls exec or forks in mid-walk makes it see less, not fail: this is something else.
            self._fail(str(error))
            return
        finally:
            self._cost = self.cpu() - cpu
            self._least_cost = min(self._least_cost, self._cost)
            self.account.allow_for(self._cost)
        if not len(snapshot.facts.spaces):
            gap = next((gap for gap in snapshot.facts.gaps if gap.pid), None)
            # All that there was has called exec in mid-walk: the next one finds what it has become.
            if gap is None or gap.reason != REPLACED:
                self._fail("" if gap is None else f"process {gap.pid}: {gap.reason}")
            return
        if snapshot.facts.vanished and self.has_ended is not None and self.has_ended():
            return
        self._failures = 0
        self._keep(snapshot, began - self._zero, self.clock() - began, poll.rss)

    def _fail(self, why: str) -> None:
        """Note that a walk came to nothing; the next ones take ever longer to come."""
        self._failures += 1
        self.trouble = " ".join(why.split()) or self.trouble

    def _keep(self, snapshot: Snapshot, seconds: float, walk_seconds: float, kernel_rss: int) -> None:
        facts = snapshot.facts
        group = group_by(facts.spaces, ["tree"] * len(facts.spaces))
        figures = {name: int(column[0]) for name, column in facts.group_figures(group).items()}
        sample = Sample(seconds, walk_seconds, facts.processes, figures, kernel_rss, self.cpu_seconds, snapshot)
        self.samples += 1
        self.longest_hold = max(self.longest_hold, int(snapshot.host["longest_lock_hold_ns"]))
        self.longest_walk = max(self.longest_walk, walk_seconds)
        self.last = sample
        if self.peak is None or figures["rss"] > self.peak.figures["rss"]:
            self.peak = sample
        if self.told is not None:
            self.told(sample)
