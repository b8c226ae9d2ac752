"""``pagewalk who`` asked by a test, in its own process."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pagewalk.cli import main
from workloads import Agent

__all__ = ["Command", "at"]


class Command:
    """The command."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *words: object) -> tuple[int, str, str]:
        code = main(["who", *map(str, words)])
        out, err = self.capsys.readouterr()
        return code, out, err

    def json(self, *words: object) -> dict[str, Any]:
        code, out, err = self(*words, "-f", "json")
        assert (code, err) == (0, "")
        answer: dict[str, Any] = json.loads(out)
        return answer


def at(agent: Agent, address: int) -> str:
    return f"{agent.pid}:{address:x}"
