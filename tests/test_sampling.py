"""When a tree is walked, at what cost, and what is kept: by a made tree, a made clock and a made walk."""

from __future__ import annotations

import os

import pytest

from pagewalk import departed, sampling
from pagewalk.errors import PagewalkError, PermissionRequired
from pagewalk.procfs import ProcFS
from pagewalk.sampling import AHEAD, BUSY, FASTEST, QUIET, Account, Sampler
from pagewalk.tree import Poll, Tree
from samplingstage import MIB, Stage
from smallhost import counted, host, walked


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    made_stage = Stage()
    monkeypatch.setattr(sampling, "walk", made_stage.walk)
    monkeypatch.setattr(sampling, "group_by", lambda spaces, keys: None)
    return made_stage


# The account


def test_time_earns_a_share_up_to_a_limit() -> None:
    account = Account(0.1, credit=0.0)
    account.pass_time(2.0, 0.05)
    assert account.credit == pytest.approx(0.15)
    account.pass_time(1000, 0)
    assert account.credit == AHEAD
    account.pass_time(0, 3)
    assert account.credit == pytest.approx(AHEAD - 3)


def test_the_limit_grows_with_what_a_walk_costs() -> None:
    account = Account()
    account.allow_for(0.1)
    assert account.limit == AHEAD
    account.allow_for(10)
    assert (account.limit, account.reserve) == (40, 20)


def test_the_less_there_is_the_more_a_rise_must_be() -> None:
    needs = [Account(credit=credit).need() for credit in (1.0, 0.5, 0.25, 0.001, 0.0, -3.0)]
    assert needs[0] == needs[1] == pytest.approx(0.01)
    assert needs == sorted(needs)
    assert needs[2] == pytest.approx(0.13)
    assert needs[3] == pytest.approx(0.25, abs=0.001)
    assert needs[4:] == [float("inf")] * 2


# When it walks


def test_the_first_walk_is_at_once(stage: Stage) -> None:
    sampler = stage.sampler()
    assert (sampler.peak, sampler.last, sampler.samples) == (None, None, 0)
    pause = sampler.step()
    assert sampler.samples == 1
    assert sampler.peak is sampler.last
    assert sampler.peak is not None
    assert sampler.peak.seconds == 0
    assert sampler.peak.walk_seconds == pytest.approx(stage.cost)
    assert sampler.peak.figures["rss"] == 10 * MIB
    assert pause == FASTEST


def test_nobody_to_walk(stage: Stage) -> None:
    stage.processes = 0
    sampler = stage.sampler()
    stage.run(sampler, 5)
    assert (stage.walks, sampler.samples, sampler.peak) == ([], 0, None)


def test_what_is_quiet_is_left_alone(stage: Stage) -> None:
    sampler = stage.sampler()
    stage.run(sampler, 100)
    assert 9 <= sampler.samples <= 11
    assert 4500 < sampler.polls < 5500
    gaps = [after - before for before, after in zip(stage.walks, stage.walks[1:], strict=False)]
    assert min(gaps) >= QUIET


def test_what_stirs_is_walked_as_the_budget_allows(stage: Stage) -> None:
    stage.cost = 0.05
    sampler = stage.sampler(share=0.1)

    def copied(_: float) -> None:
        stage.stirred += MIB

    stage.run(sampler, 100, copied)
    # Half of what is ahead, and a tenth of the time.
    assert stage.used - 7 == pytest.approx(0.5 + 10, abs=0.2)
    stage.walks.clear()
    stage.cost = 0.001
    stage.run(sampler, 10, copied)
    assert 80 <= len(stage.walks) <= 10 / BUSY


def test_a_rise_that_stops_is_walked_at_its_height(stage: Stage) -> None:
    sampler = stage.sampler()

    def rise(seconds: float) -> None:
        # 1 GiB within 200 ms, there for 100 ms.
        stage.become(int((10 + 1024 * min(max(seconds - 5, 0) / 0.2, 1)) * MIB) if seconds < 5.3 else 10 * MIB)

    stage.cost = 0.05
    stage.run(sampler, 8, rise)
    assert sampler.peak is not None
    assert sampler.peak.figures["rss"] == 1034 * MIB
    assert 5.2 <= sampler.peak.seconds <= 5.3
    assert sampler.last is not None
    assert sampler.last.figures["rss"] == 10 * MIB
    # Of what doubles there are few steps, not one a poll.
    assert sum(5 < at < 5.35 for at in stage.walks) <= 6


@pytest.mark.parametrize(("busy", "seconds"), [(0, 0.1), (1, 0.25)])
def test_the_end_of_a_long_rise_is_walked(stage: Stage, busy: int, seconds: float) -> None:
    """One GiB within ten seconds, as on a machine whose memory is slow, and there no longer than for one walk."""
    sampler = stage.sampler()
    stage.busy, stage.cost = busy, 0.1

    def rise(now: float) -> None:
        stage.become(int((10 + 1024 * min(now / 10, 1)) * MIB) if now < 10 + seconds else 10 * MIB)

    stage.run(sampler, 12, rise)
    assert sampler.peak is not None
    assert sampler.peak.figures["rss"] >= 1034 * MIB * 0.995
    # As it rises it is walked once a second, and where it has doubled.
    assert sum(at < 10 for at in stage.walks) <= 20


def test_what_is_busy_may_only_be_kept_from_rising_on(stage: Stage) -> None:
    """Ten steps of a rise with 50 ms between them: a sleeper has stopped at each, one that waits for a core has not."""
    taken = []
    for busy in (0, 1):
        stage.become(100 * MIB)
        sampler = stage.sampler()
        stage.busy = busy
        stage.walks.clear()
        stage.run(sampler, 0.6, lambda now: stage.become(int(100 + 7 * (now // 0.05)) * MIB))
        taken.append(len(stage.walks))
    assert taken[0] >= 10
    assert taken[1] <= 2


def test_a_tree_that_has_let_go_of_nearly_all_is_walked_for_its_last(stage: Stage) -> None:
    stage.become(1000 * MIB)
    stage.cost = 0.1
    sampler = stage.sampler()
    sampler.step()
    sampler.account.credit = 0.2
    stage.become(999 * MIB)
    stage.run(sampler, 1, lambda _: setattr(stage, "stirred", 500 * MIB))
    assert sampler.samples == 1
    stage.become(20 * MIB)
    stage.cost = 0.01
    stage.run(sampler, 0.2)
    # What the cheapest walk so far took is the least that is expected of any.
    assert sampler.samples == 1
    sampler._least_cost = 0.01
    stage.run(sampler, 0.2)
    assert sampler.last is not None
    assert sampler.last.figures["rss"] == 20 * MIB


def test_a_rise_of_a_dear_tree_is_paid_ahead(stage: Stage) -> None:
    stage.cost = 3.0
    sampler = stage.sampler()
    sampler.step()
    stage.run(sampler, 200)
    assert sampler.account.credit > 0
    before = len(stage.walks)
    stage.become(20 * MIB)
    stage.run(sampler, 1)
    assert len(stage.walks) == before + 1
    assert sampler.peak is not None
    assert sampler.peak.figures["rss"] == 20 * MIB


def test_slow_growth_does_not_use_up_what_a_sudden_peak_needs(stage: Stage) -> None:
    stage.cost = 0.3
    sampler = stage.sampler()
    stage.run(sampler, 600, lambda seconds: stage.become(int(1024 * (1 + seconds / 100)) * MIB))
    used = stage.used - 7
    assert used <= 0.05 * 600 + AHEAD + stage.cost
    assert sampler.account.credit > 0
    stage.become(20_000 * MIB)
    stage.run(sampler, 0.5)
    assert sampler.peak is not None
    assert sampler.peak.figures["rss"] == 20_000 * MIB


def test_noise_of_the_counters_is_no_rise(stage: Stage) -> None:
    stage.become(MIB)
    sampler = stage.sampler()
    stage.run(sampler, 5, lambda seconds: setattr(stage, "rss", MIB + (int(seconds * 100) % 2) * MIB // 2))
    assert sampler.samples == 1


def test_a_lower_hill_is_no_peak(stage: Stage) -> None:
    stage.become(1000 * MIB)
    sampler = stage.sampler()
    sampler.step()
    stage.become(100 * MIB)
    stage.run(sampler, 1)
    stage.become(200 * MIB)
    stage.run(sampler, 1)
    assert sampler.peak is not None
    assert sampler.last is not None
    assert (sampler.peak.figures["rss"], sampler.last.figures["rss"]) == (1000 * MIB, 200 * MIB)
    assert sampler.highest == (1000 * MIB, 0.0)


def test_an_interval_is_kept_whatever_it_costs(stage: Stage) -> None:
    stage.cost = 0.4
    sampler = stage.sampler(interval=0.5, share=0.01)
    stage.run(sampler, 10)
    assert sampler.samples == pytest.approx(20, abs=1)


def test_polls_keep_to_their_part_of_the_budget(stage: Stage) -> None:
    sampler = stage.sampler(share=0.05)
    poll = stage.poll

    def dear() -> Poll:
        stage.used += 0.002
        return poll()

    stage.poll = dear  # type: ignore[method-assign]
    assert sampler.step() == pytest.approx(0.002 / 0.02)


def test_an_interval_is_kept_where_polls_are_dear(stage: Stage) -> None:
    sampler = stage.sampler(share=0.01, interval=0.1)
    poll = stage.poll

    def dear() -> Poll:
        stage.used += 0.005
        return poll()

    stage.poll = dear  # type: ignore[method-assign]
    stage.run(sampler, 2)
    assert sampler.samples == pytest.approx(20, abs=1)


def test_the_machine_is_listed_now_and_then(stage: Stage) -> None:
    sampler = stage.sampler(listing=0.5)
    stage.run(sampler, 10)
    assert 15 <= stage.listings <= 20
    stage.listings = 0

    def dear() -> None:
        stage.listings += 1
        stage.used += 0.1

    stage.refresh = dear  # type: ignore[method-assign]
    stage.run(sampler, 100)
    assert stage.listings <= 11


# What is kept


def test_samples_are_told_as_they_are_taken(stage: Stage) -> None:
    told: list[float] = []
    sampler = stage.sampler(told=lambda sample: told.append(sample.figures["rss"] / MIB), interval=1.0)
    stage.run(sampler, 3, lambda seconds: stage.become(int(10 + 10 * (seconds // 1)) * MIB))
    assert told[0] == 10
    assert sorted(set(told)) == [10, 20, 30]
    assert sampler.samples == len(told)
    assert sampler.longest_hold == 1000 * len(told)
    assert sampler.longest_walk == pytest.approx(stage.cost)
    assert sampler.cpu_seconds == pytest.approx(stage.used - 7)


def test_a_rest_of_what_has_ended_is_left_out(stage: Stage) -> None:
    over = False
    sampler = stage.sampler(has_ended=lambda: over, interval=0.05)
    sampler.step()
    stage.now += 0.1
    stage.vanished = 1
    sampler.step()
    assert sampler.samples == 2
    stage.now += 0.1
    over = True
    sampler.step()
    assert (sampler.samples, len(stage.walks)) == (2, 3)
    # All of it was read before it ended.
    stage.now += 0.1
    stage.vanished = 0
    sampler.step()
    assert sampler.samples == 3


def test_a_walk_that_fails_is_tried_again_ever_less_often(stage: Stage) -> None:
    stage.error = PagewalkError("two\nlines")
    sampler = stage.sampler()
    stage.run(sampler, 60)
    assert sampler.samples == 0
    assert sampler.trouble == "two lines"
    assert 8 <= len(stage.walks) <= 15
    stage.error = None
    stage.run(sampler, QUIET + 1)
    assert sampler.samples >= 1


def test_processes_that_may_not_be_read_are_not_tried_all_the_time(stage: Stage) -> None:
    stage.refused = "pagemap: denied"
    sampler = stage.sampler()
    stage.run(sampler, 60)
    assert (sampler.samples, sampler.trouble) == (0, "process 7: pagemap: denied")
    assert len(stage.walks) <= 15


def test_all_that_there_is_calls_exec_in_mid_walk(stage: Stage) -> None:
    """As a shell does at the start of a command, where the machine is busy: no trouble, and walked at the next step."""
    stage.refused = departed.REPLACED
    sampler = stage.sampler()
    sampler.step()
    stage.refused = ""
    stage.now += 0.01
    sampler.step()
    assert (sampler.samples, sampler.trouble) == (1, "")


def test_after_hours_of_failing_it_still_tries(stage: Stage) -> None:
    stage.error = PagewalkError("no")
    sampler = stage.sampler()
    for _ in range(2000):
        sampler.step()
        stage.now += QUIET
    stage.error = None
    sampler.step()
    assert sampler.samples == 1


def test_the_peak_is_when_it_came(stage: Stage) -> None:
    sampler = stage.sampler(interval=1.0)
    stage.run(sampler, 5)
    assert sampler.samples > 3
    assert sampler.peak is not None
    assert sampler.peak.seconds == 0


def test_what_refuses_is_not_tried_again(stage: Stage) -> None:
    stage.error = PermissionRequired("hidden")
    with pytest.raises(PermissionRequired):
        stage.sampler().step()


# Real walks of a made machine


def test_figures_count_a_frame_once() -> None:
    with host() as procfs, Tree(procfs, [10, 11, 20], loners=[10, 11, 20]) as tree:
        sampler = Sampler(tree)
        sampler.step()
    assert sampler.trouble == ""
    assert sampler.last is not None
    figures = {name: pages // os.sysconf("SC_PAGESIZE") for name, pages in sampler.last.figures.items()}
    # All of the machine but pid 12, which has the address space of 11: nothing but the two mappings is hidden.
    by_hand = counted("rss=12 anon=6 file=4 shmem=2 uss=11 hugetlb=2")
    assert {name: figures[name] for name in by_hand} == by_hand
    assert sampler.last.processes == 3


def test_a_rehearsal_walks_ourselves(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, object] = {}

    def walk(**how: object) -> object:
        asked.update(how)
        return walked()

    monkeypatch.setattr(sampling, "walk", walk)
    procfs = ProcFS("/elsewhere")
    sampling.rehearse(procfs)
    assert asked == {"pids": [os.getpid()], "procfs": procfs}
