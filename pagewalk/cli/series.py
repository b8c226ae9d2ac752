"""Where samples and the report go: a time series is written as it is taken, a report when all is over."""

from __future__ import annotations

import io
from argparse import Namespace
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, TextIO, cast

from pagewalk.cli.exits import Stop
from pagewalk.cli.footprint import SERIES_COLUMNS, series_table, table_of
from pagewalk.cli.output import MACHINE, colors_of, destination, renderer, screen_size
from pagewalk.render.jsontext import dumps
from pagewalk.render.screen import Screen, Section, Style

if TYPE_CHECKING:
    from pagewalk.sampling import Sample

__all__ = ["SERIES", "Report"]

# Formats that have a row for each sample.
SERIES = frozenset({"csv", "ndjson"})
# Keys of JSON.
WHOLE = ("run", "watch")


class Report:
    """The stream that the report goes to, and how it is written there.

    A stream that cannot take it must not end the command that is being watched: the first error is kept, and nothing
    more is written.

    Parameters
    ----------
    args : Namespace
        With the options of `add_sampling`.
    stream : TextIO or None
        Where to without ``-o``; None where that is closed.
    """

    def __init__(self, args: Namespace, stream: TextIO | None) -> None:
        self.args = args
        self.stream = stream
        self.error: OSError | Stop | None = None
        self.has_header = args.no_header
        self.stack = ExitStack()

    def __enter__(self) -> Report:
        if self.args.output is not None:
            is_machine = self.args.format in MACHINE
            self.stream = self.stack.enter_context(destination(self.args.output, self.args.force, is_machine))
        elif self.stream is not None and isinstance(self.stream, io.TextIOWrapper):
            encoding = "utf-8" if self.args.format in MACHINE else None
            self.stream.reconfigure(encoding=encoding, errors="backslashreplace")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.stack.__exit__(kind, error, trace)
            return
        try:
            self.stack.close()
        except (OSError, Stop) as failed:
            self.error = self.error or failed

    def sample(self, sample: Sample) -> None:
        """Write a row at once, where the format has one for each sample."""
        if self.args.format not in SERIES:
            return
        table = series_table(sample)
        section = Section("sample", table, table.names)
        self.write(Screen((section,)), Style(header=not self.has_header))
        self.has_header = True

    def finish(self, screen: Screen) -> None:
        """Write what is said in the end: all of it, or of a CSV no more than its header where it had no row."""
        out = self.stream
        if out is None:
            return
        if self.args.format == "csv":
            if not self.has_header:
                table = table_of(SERIES_COLUMNS, [])
                self.write(Screen((Section("sample", table, table.names),)), Style())
            return
        columns, lines = screen_size(out)
        style = Style(
            width=columns,
            height=lines if out.isatty() else None,
            colors=colors_of(out, self.args.color),
            exact=self.args.bytes,
            header=not self.args.no_header,
        )
        self.write(screen, style)

    def write(self, screen: Screen, style: Style) -> None:
        """Write it, unless writing has failed before."""
        if self.stream is None or self.error is not None:
            return
        try:
            if self.args.format == "ndjson":
                facts = screen.facts
                # Only JSON has a place for what is of the run as a whole: here it is a row as well.
                rows = [{"view": key, **cast(dict[str, object], facts[key])} for key in WHOLE if key in facts]
                self.stream.writelines(dumps(row) + "\n" for row in rows)
            renderer(self.args.format)(screen, style, self.stream)
            self.stream.flush()
        except OSError as error:
            self.error = error
