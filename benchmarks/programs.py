"""The C programs of the benchmarks, compiled when they are first needed, into a folder that goes when it is left."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path
from types import TracebackType

__all__ = ["FOLDER", "Failure", "Programs", "last_line"]

FOLDER = Path(__file__).resolve().parent


class Failure(Exception):
    """The benchmark cannot go on: one line that says why."""


class Programs:
    """A temporary folder of compiled programs."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="pagewalk-benchmark-")
        self._compiled: dict[str, Path] = {}

    def __enter__(self) -> Programs:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()

    @property
    def folder(self) -> Path:
        """Where files may be put that go with it."""
        return Path(self._folder.name)

    def path(self, name: str, static: bool = False) -> Path:
        """Compile ``name.c``; returns the program.

        Parameters
        ----------
        name : str
            Which source.
        static : bool
            Whether it must share no library with other processes; where there is no static C library, it does.
        """
        key = f"{name}-static" if static else name
        if key not in self._compiled:
            program = Path(self._folder.name) / key
            command = [_compiler(), "-std=c11", "-O2", "-o", str(program), str(FOLDER / f"{name}.c")]
            said = _compile([*command, "-static"], self._folder.name) if static else "not tried"
            if said and (said := _compile(command, self._folder.name)):
                raise Failure(f"{name}.c does not compile: {said}")
            self._compiled[key] = program
        return self._compiled[key]


def _compile(command: list[str], folder: str) -> str:
    """Run the compiler; returns what it says when it fails, else nothing."""
    # Its own files belong where they go with ours, and it is waited for, whatever ends this process meanwhile.
    environment = {**os.environ, "TMPDIR": folder}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment) as cc:
        _, said = cc.communicate()
    return (said.strip() or "it does not say why") if cc.returncode else ""


def _compiler() -> str:
    asked = str(sysconfig.get_config_var("CC") or "cc").split()[:1]
    for name in (*asked, "cc", "gcc", "clang"):
        if found := shutil.which(name):
            return found
    raise Failure("a C compiler is needed: the floor and the workloads are small C programs")


def last_line(text: str) -> str:
    """What a program that failed said last."""
    return (text.strip().splitlines() or ["it said nothing"])[-1]
