"""``pagewalk doctor``: what this machine, kernel and user allow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pagewalk.cli.exits import Exit
from pagewalk.cli.options import Parser
from pagewalk.cli.output import FORMATS, MACHINE, colors_of, destination, renderer, screen_size
from pagewalk.errors import PermissionRequired, Unsupported
from pagewalk.render.screen import Screen, Section, Style

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pagewalk.diagnosis import Finding
    from pagewalk.procfs import ProcFS
    from pagewalk.table import Table

__all__ = ["help", "run"]

# What works for everybody.
WITHOUT_A_WALK = "`pagewalk report host.pwz` a saved snapshot, `pagewalk demo` one that comes with pagewalk"

EXAMPLES = """\
pagewalk doctor: what this machine, kernel and user allow

examples:
  pagewalk doctor              whether a report can run, and how exact it is
  sudo pagewalk doctor         the same for root
  pagewalk doctor -f json      for a bug report or a program

exit codes: 0 the report can run, 69 the kernel lacks the interface,
77 no privilege
"""


def options() -> Parser:
    """Return the parser of doctor's options."""
    parser = Parser("doctor", EXAMPLES)
    formats = tuple(FORMATS)
    parser.mirror(parser.add_argument("-f", "--format", choices=formats, metavar="FORMAT", help=", ".join(formats)))
    colors = ("auto", "always", "never")
    parser.mirror(parser.add_argument("--color", choices=colors, default="auto", help="colours of text"))
    parser.add_argument("-h", "--help", action="help", help="this text")
    return parser


def help() -> str:  # noqa: A001 - the name every verb has
    """Return the examples and options of doctor."""
    return options().format_help()


def run(arguments: list[str]) -> int:
    """Look, and show what was found."""
    from pagewalk.diagnosis import diagnose
    from pagewalk.procfs import ProcFS

    args = options().parse(arguments)
    procfs = ProcFS()
    findings = [*diagnose(procfs), *tried(procfs)]
    code = exit_code(findings)
    table = table_of(findings)
    section = Section("doctor", table, shown=("verdict", "what", "value", "advice"))
    screen = Screen((section,), remarks=(conclusion(code),), facts={"host": procfs.host()})
    with destination(None, False, args.format in MACHINE) as out:
        style = Style(width=screen_size(out)[0], colors=colors_of(out, args.color))
        # People read a list with advice below each check, whether it is on a terminal or in a pipe.
        renderer("checklist" if args.format in (None, "text") else args.format)(screen, style, out)
    return code


def tried(procfs: ProcFS) -> list[Finding]:
    """Return what only a try on pages of our own can tell, or the kernel's configuration where that is not allowed."""
    from pagewalk.diagnosis import Finding, mapcount_kind
    from pagewalk.framefiles import FrameFiles
    from pagewalk.probe import probe

    try:
        with FrameFiles(procfs) as files:
            answers = probe(procfs, files)
        mapcount, ksm = (answers.mapcount, answers.ksm_known) if answers.frames_visible else ("", None)
    except (PermissionRequired, Unsupported, OSError):
        mapcount, ksm = "", None
    mapcount = mapcount or mapcount_kind(procfs)
    advice = {
        "folio-average": "the kernel's own Pss is an estimate for large folios; so are hidden owners here",
        "unknown": "could not be tried, and the kernel's configuration cannot be read",
    }.get(mapcount, "")
    findings = [Finding("mapcount", mapcount, "warn" if advice else "ok", advice)]
    if ksm is None:
        findings.append(Finding("KSM flag", "unknown", "warn", "could not be tried"))
    elif ksm:
        findings.append(Finding("KSM flag", "reliable"))
    else:
        # Set since dee3d0bef2b0 ("proc: rewrite stable_page_flags()"), 6.12 to 6.18, on every anonymous page.
        advice = "this kernel sets KPF_KSM on every anonymous page: ksm is shown as unknown"
        findings.append(Finding("KSM flag", "unreliable", "warn", advice))
    return findings


def exit_code(findings: Sequence[Finding]) -> Exit:
    """Return 0 if the report can run; what the kernel lacks weighs more than what the user may not."""
    lacks = {finding.lacks for finding in findings if finding.verdict == "no"}
    return Exit.UNSUPPORTED if "kernel" in lacks else Exit.PRIVILEGE if lacks else Exit.OK


def conclusion(code: Exit) -> str:
    """Return the last line."""
    match code:
        case Exit.OK:
            return "pagewalk can run here."
        case Exit.UNSUPPORTED:
            return (
                "pagewalk cannot run on this kernel; `pagewalk report --kernel-pss` shows the kernel's own estimate,"
                f" {WITHOUT_A_WALK}."
            )
        case _:
            return (
                "pagewalk cannot run as this user; `pagewalk report` prints the command to use,"
                f" `pagewalk report --kernel-pss` shows the kernel's own estimate, {WITHOUT_A_WALK}."
            )


def table_of(findings: Sequence[Finding]) -> Table:
    """Return the findings as a table."""
    from pagewalk.table import Column, Table, objects

    columns = (
        Column("what", "text", "what was looked at"),
        Column("value", "text", "what it is"),
        Column("verdict", "text", "ok, warn (the report runs, with a limit) or no (it cannot run)"),
        Column("advice", "text", "what to do, or what follows"),
    )
    data = {column.name: objects([getattr(finding, column.name) for finding in findings]) for column in columns}
    return Table(columns, data)
