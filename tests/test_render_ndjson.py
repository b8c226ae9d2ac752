"""One JSON object a line."""

from __future__ import annotations

import io
import json

from answers import HOSTILE, processes, screen, section
from pagewalk.render.ndjson import render
from pagewalk.render.screen import Style


def test_golden() -> None:
    out = io.StringIO()
    table = processes(["a", "b"], unknown=[0])
    render(screen(section(table, limit=1), section(table.select(["pid"]))), Style(), out)
    assert out.getvalue() == (
        '{"view": "process", "pid": 1, "pids": [1, 1001], "pss": 8192, "uss": null, "start": "0x7f0000000000",'
        ' "comm": "a"}\n'
        '{"view": "process", "pid": 1}\n'
        '{"view": "process", "pid": 2}\n'
    )


def test_a_line_each_whatever_the_name() -> None:
    out = io.StringIO()
    render(screen(section(processes(HOSTILE))), Style(), out)
    lines = out.getvalue().encode().splitlines()
    assert [json.loads(line)["pid"] for line in lines] == list(range(1, len(HOSTILE) + 1))
    assert len(out.getvalue().splitlines()) == len(HOSTILE)
