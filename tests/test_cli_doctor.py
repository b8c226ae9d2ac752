"""doctor."""

from __future__ import annotations

import json
from typing import Any

import pytest

import pagewalk.diagnosis
import pagewalk.frames
import pagewalk.probe
from pagewalk.cli import main
from pagewalk.cli.doctor import exit_code
from pagewalk.cli.exits import Exit
from pagewalk.diagnosis import Finding
from pagewalk.errors import PermissionRequired
from pagewalk.probe import Probe

Captured = pytest.CaptureFixture[str]
GOOD = Finding("pagemap", "readable, with frame numbers")
HIDDEN = Finding("pagemap", "hidden", "no", "run it as root", "privilege")
ABSENT = Finding("kpagecount", "not there", "no", "no CONFIG_PROC_PAGE_MONITOR", "kernel")
LIMITED = Finding("processes", "1 of 2 readable", "warn", "refused: 1")


class Files:
    def __init__(self, _procfs: Any) -> None:
        pass

    def __enter__(self) -> Files:
        return self

    def __exit__(self, *_error: object) -> None:
        pass


def found(monkeypatch: pytest.MonkeyPatch, findings: list[Finding], answers: Probe | None) -> None:
    def refuse(_procfs: Any) -> Files:
        raise PermissionRequired("root's alone")

    monkeypatch.setattr(pagewalk.diagnosis, "diagnose", lambda _procfs: findings)
    monkeypatch.setattr(pagewalk.framefiles, "FrameFiles", Files if answers else refuse)
    monkeypatch.setattr(pagewalk.probe, "probe", lambda _procfs, _files: answers)


@pytest.mark.parametrize(
    ("findings", "code"),
    [
        ([GOOD], Exit.OK),
        ([GOOD, LIMITED], Exit.OK),
        ([HIDDEN, LIMITED], Exit.PRIVILEGE),
        ([ABSENT], Exit.UNSUPPORTED),
        ([HIDDEN, ABSENT], Exit.UNSUPPORTED),
    ],
)
def test_exit_code(findings: list[Finding], code: Exit, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, findings, Probe())
    assert exit_code(findings) == code
    assert main(["doctor"]) == code
    out, err = capsys.readouterr()
    out = " ".join(out.split())
    assert ("pagewalk can run here." in out) == (code == Exit.OK)
    # Whoever cannot run it can still look at a snapshot.
    assert ("pagewalk report host.pwz" in out) == ("pagewalk demo" in out) == (code != Exit.OK)
    assert err == ""


@pytest.mark.parametrize(
    ("answers", "mapcount", "ksm"),
    [
        (Probe(), ("page", "ok"), ("reliable", "ok")),
        (Probe(ksm_known=False), ("page", "ok"), ("unreliable", "warn")),
        (Probe(mapcount="folio-average"), ("folio-average", "warn"), ("reliable", "ok")),
        (None, ("unknown", "warn"), ("unknown", "warn")),
        (Probe(frames_visible=False), ("unknown", "warn"), ("unknown", "warn")),
    ],
)
def test_what_only_a_try_can_tell(
    answers: Probe | None,
    mapcount: tuple[str, str],
    ksm: tuple[str, str],
    capsys: Captured,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found(monkeypatch, [GOOD], answers)
    monkeypatch.setattr(pagewalk.diagnosis, "mapcount_kind", lambda _procfs: "unknown")
    assert main(["doctor", "-f", "json"]) == Exit.OK
    value = json.loads(capsys.readouterr().out)
    assert list(value) == ["schema", "host", "doctor"]
    rows = {row["what"]: (row["value"], row["verdict"]) for row in value["doctor"]}
    assert (rows["mapcount"], rows["KSM flag"]) == (mapcount, ksm)


@pytest.mark.parametrize("style", ["text", "plain", "ndjson", "csv"])
def test_every_format(style: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, [GOOD, LIMITED], Probe())
    assert main(["doctor", "-f", style]) == Exit.OK
    out = capsys.readouterr().out
    assert "1 of 2" in out.replace("\\x20", " ")


def test_wrong_usage(capsys: Captured) -> None:
    assert main(["doctor", "--by", "process"]) == Exit.USAGE
    assert capsys.readouterr().err == "pagewalk: unrecognized arguments: --by process (see `pagewalk help doctor`)\n"


def test_this_machine(capsys: Captured) -> None:
    assert main(["doctor"]) in {Exit.OK, Exit.PRIVILEGE, Exit.UNSUPPORTED}
    assert "page size" in capsys.readouterr().out
