"""What to do without the privilege: one message, with a command that works as it stands."""

from __future__ import annotations

import json
import os
import re
import shlex
import site
import sys
from importlib.util import find_spec

__all__ = ["own_command", "refusal"]


def refusal(reason: str, arguments: list[str]) -> str:
    """Return the message for a user whom the kernel hides frame numbers from.

    Parameters
    ----------
    reason : str
        What was refused.
    arguments : list of str
        The arguments given, for the command to repeat.
    """
    if os.geteuid() != 0:
        # Whichever file was refused first, this is what is the matter.
        reason = f"the kernel hides physical page numbers from uid {os.geteuid()} (needs CAP_SYS_ADMIN)"
    lines = [reason]
    if os.geteuid() != 0:
        lines.append(f"  run:        {as_root(shlex.join([*own_command(), *(arguments or ['report'])]))}")
    lines.append("  container:  needs --privileged and the host's pid namespace")
    typed = as_typed()
    lines.append(f"  no root:    {typed} report host.pwz       reads a saved snapshot")
    lines.append(f"              {typed} report --kernel-pss   the kernel's own estimate")
    lines.append(f"              {typed} demo                  a snapshot that comes with pagewalk, to try it")
    lines.append(f"  more:       {typed} doctor                what this machine, kernel and user allow")
    return "\n".join(lines)


def as_root(command: str) -> str:
    """Return a command line that runs `command` as root with what this machine has for it."""
    for program in ("sudo", "doas"):
        if in_path(program):
            return f"{program} {command}"
    escaped = re.sub(r'(["\\$`])', r"\\\1", command)
    return f'su -c "{escaped}"'


def in_path(program: str) -> bool:
    """Whether the shell finds `program`; shutil.which, without the cost of importing shutil."""
    return any(os.access(os.path.join(folder, program), os.X_OK) for folder in os.get_exec_path())


def as_typed() -> str:
    """Return the words that start this pagewalk again from here, as the user."""
    script = sys.argv[0]
    if os.path.basename(script) != "pagewalk" or not is_program(script):
        return f"{shlex.quote(sys.executable or 'python3')} -m pagewalk"
    return "pagewalk" if in_path("pagewalk") else shlex.quote(script)


def own_command() -> list[str]:
    """Return the words that start this pagewalk from any directory and under the clean environment of sudo.

    ``sudo pagewalk`` would not find a virtual environment's command (secure_path), ``sudo python -m pagewalk`` would
    make the working directory importable as root, and what pip installed for one user alone is not on root's path.
    """
    python = sys.executable or "python3"
    script = os.path.abspath(sys.argv[0])
    beside = os.path.join(os.path.dirname(python), "pagewalk")
    elsewhere = folders_root_lacks()
    # A link to the environment's own script (pipx), or a script of a Python that root shares.
    is_shared = os.path.realpath(script) == os.path.realpath(beside) or not elsewhere
    if is_shared and os.path.basename(script) == "pagewalk" and is_program(script):
        return [script]
    if is_program(beside):
        return [beside]
    if not elsewhere:
        return [python, "-I", "-m", "pagewalk"]
    return [
        *(python, "-I", "-c"),
        f"import sys; sys.path += {json.dumps(elsewhere)}; from pagewalk.cli import main; sys.exit(main())",
    ]


def is_program(path: str) -> bool:
    """Whether `path` is a file that may be run."""
    return os.path.isfile(path) and os.access(path, os.X_OK)


def folders_root_lacks() -> list[str]:
    """Return the folders that pagewalk and what it needs were found in, and that an isolated Python does not search."""
    searched = {os.path.realpath(path) for path in site.getsitepackages()}
    folders = []
    for package in ("pagewalk", "numpy", "rich"):
        spec = find_spec(package)
        if spec is not None and spec.origin is not None:
            folders.append(os.path.dirname(os.path.dirname(os.path.realpath(spec.origin))))
    return [folder for folder in dict.fromkeys(folders) if folder not in searched]
