"""``pagewalk maps``: what one process maps, exactly, and who shares it."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import TYPE_CHECKING, Any

from pagewalk.cli.arrange import check_columns, column_list
from pagewalk.cli.exits import Exit, Stop
from pagewalk.cli.maps_options import options
from pagewalk.cli.maps_sections import folio_section, legend_section, maps_view, part_section
from pagewalk.cli.output import MACHINE
from pagewalk.cli.remarks import coverage_line, heading, snapshot_line
from pagewalk.cli.source import need_live, snapshot_of
from pagewalk.cli.stacks import read_stacks, stack_section
from pagewalk.cli.target import check_target, process_id, row_of
from pagewalk.cli.writing import finish, settle_format
from pagewalk.errors import PagewalkError, PermissionRequired, Unsupported
from pagewalk.render.screen import Screen, Section

if TYPE_CHECKING:
    from pagewalk.snapshot import Snapshot
    from pagewalk.table import Table

__all__ = ["help", "run"]


def help() -> str:  # noqa: A001 - the name every verb has
    """Return the examples and options of maps."""
    return options().format_help()


def run(arguments: list[str]) -> int:
    """Walk, and show what the process maps."""
    args = options().parse(arguments, mixed=True)
    if args.sort == "help" or args.columns == ["help"]:
        sys.stdout.write(column_list(maps_view(args.group), "mapping").replace("--by mapping", "maps", 1))
        return Exit.OK
    pid = process_id(args.pid)
    check(args)
    settle_format(args)
    check_format(args)
    snapshot = taken(args, pid)
    row = row_of(snapshot, pid, args.file or "")
    table = snapshot.maps(pid, group=args.group)
    host, coverage, gaps = snapshot.host, snapshot.coverage(), snapshot.gaps()
    remarks = [coverage_line(host, coverage)]
    if args.file is not None and args.format != "text":
        remarks.insert(0, snapshot_line(host, args.file))
    read = heading(host, coverage, args.alone, args.file)[1]
    screen = Screen(
        sections=tuple(sections_of(snapshot, pid, table, args)),
        heading=(title(snapshot, row, pid), read),
        remarks=tuple(remarks),
        facts={
            "host": host,
            "coverage": coverage,
            "gaps": gaps,
            "process": snapshot.processes(snapshot.select(pids=[pid])),
            "totals": totals(table),
        },
    )
    return finish(screen, gaps, args)


def check(args: Namespace) -> None:
    """Stop, before a walk that may last, if the question makes no sense."""
    view = maps_view(args.group)
    check_columns(view, [args.sort] if args.sort else [], "-s", "maps")
    check_columns(view, args.columns or [], "--columns", "maps")
    if (without := leaves_smaps_out(args)) is not None:
        if args.legend:
            raise Stop(Exit.USAGE, f"--legend explains VmFlags, which only smaps has: leave {without} out")
        for name in [*(args.columns or []), *([args.sort] if args.sort else [])]:
            if name.startswith("kernel_") or name == "vm_flags":
                raise Stop(Exit.USAGE, f"{name} is the kernel's own word, from smaps: leave {without} out")
    need_live(args, {"--stack": args.stack, "--alone": args.alone, "--no-smaps": args.no_smaps})


def leaves_smaps_out(args: Namespace) -> str | None:
    """Return the option for which smaps is not read, None if it is: it holds the process up for long."""
    if args.no_smaps:
        return "--no-smaps"
    return "--gentle" if args.gentle and args.file is None else None


def check_format(args: Namespace) -> None:
    """Stop if the format cannot hold the answer."""
    if args.totals and args.format in MACHINE:
        raise Stop(
            Exit.USAGE, f"-t is for people; a row of totals among the rows of {args.format} would be counted twice"
        )
    if args.format == "csv":
        for option, is_given in (("--stack", args.stack), ("--legend", args.legend)):
            if is_given:
                raise Stop(Exit.USAGE, f"-f csv holds one table: leave {option} out, or choose another format")


def taken(args: Namespace, pid: int) -> Snapshot:
    """Take the file; or walk all processes, since others may own what this one does; or, with --alone, this one."""
    if args.file is not None:
        return snapshot_of(args)
    from pagewalk.procfs import ProcFS

    check_target(ProcFS(), pid)
    how: dict[str, Any] = {
        "mappings": [pid],
        "vm_flags": leaves_smaps_out(args) is None,
        **({"pids": [pid]} if args.alone else {}),
    }
    try:
        return snapshot_of(args, **how)
    except (PermissionRequired, Unsupported):
        raise
    except PagewalkError as error:
        raise Stop(Exit.NOTHING, f"process {pid} ended before it was read") from error


def sections_of(snapshot: Snapshot, pid: int, table: Table, args: Namespace) -> list[Section]:
    """Return the tables: the mappings, the large folios, and what is asked for beside them."""
    sections = [part_section(table, maps_view(args.group), args)]
    if args.format != "csv":
        folios = snapshot.folios(pid, group=args.group)
        # Columns asked for by name are all that a person, or awk, wants to see.
        if args.format in MACHINE or (len(folios) and not args.columns):
            sections.append(folio_section(folios, args))
    if args.legend:
        sections.append(legend_section(snapshot, pid))
    if args.stack:
        from pagewalk.procfs import ProcFS

        sections.append(stack_section(read_stacks(ProcFS(), pid), args.format == "text"))
    return sections


def title(snapshot: Snapshot, row: int, pid: int) -> str:
    """Return whose memory it is: the program, the processes with this address space, their user, the machine."""
    spaces = snapshot.facts.spaces
    twins = [str(other) for other in spaces.pids[row] if other != pid]
    more = f" and {len(twins) - 2} more" if len(twins) > 2 else ""
    pids = f"pids {', '.join([str(pid), *twins[:2]])}{more}" if twins else f"pid {pid}"
    where = snapshot.host.get("hostname")
    return f"{spaces.comm[row]} ({pids}) of {spaces.user[row]}" + (f" on {where}" if where else "")


def totals(table: Table) -> dict[str, int | None]:
    """Return the sums of all mappings; None where one of them is not known."""
    from pagewalk.table import SUMMABLE

    sums = table.totals()
    return {column.name: sums[column.name] for column in table.columns if column.unit in SUMMABLE}
