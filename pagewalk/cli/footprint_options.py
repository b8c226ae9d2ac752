"""The options of run and watch: how often, at what cost, and how it is written."""

from __future__ import annotations

from argparse import ArgumentTypeError

from pagewalk.cli.options import Parser
from pagewalk.cli.output import FORMATS

__all__ = ["add_sampling", "seconds", "share"]


def add_sampling(parser: Parser, where: str) -> None:
    """Add the options that run and watch have in common.

    Parameters
    ----------
    parser : Parser
        Of the verb.
    where : str
        Where the report goes without ``-o``.
    """
    often = parser.add_argument_group("how often")
    mirrored = [
        often.add_argument(
            "--interval",
            metavar="SECONDS",
            type=seconds,
            help="walk this often at least, whatever it costs (default: as the budget allows)",
        ),
        often.add_argument(
            "--budget",
            metavar="SHARE",
            type=share,
            default=0.05,
            help="what sampling may cost, as a share of one core: 5%% or 0.05 (the default)",
        ),
    ]
    how = parser.add_argument_group("how it is written")
    mirrored += [
        how.add_argument(
            "-f",
            "--format",
            choices=tuple(FORMATS),
            metavar="FORMAT",
            help="text (the default on a terminal), plain (the default elsewhere), json; csv and ndjson: a row a"
            " sample, as it is taken",
        ),
        how.add_argument("-b", "--bytes", action="store_true", help="bytes as integers, not KiB, MiB, GiB"),
        how.add_argument("-H", "--no-header", action="store_true", help="no header"),
    ]
    how.add_argument("-o", "--output", metavar="FILE", help=f"write a new file instead of {where}")
    how.add_argument("--force", action="store_true", help="let -o replace a file")
    mirrored += [
        how.add_argument("--color", choices=("auto", "always", "never"), default="auto", help="colours of text"),
        how.add_argument("-q", "--quiet", action="store_true", help="no remarks"),
    ]
    how.add_argument("-h", "--help", action="help", help="this text")
    for action in mirrored:
        parser.mirror(action)


def seconds(text: str) -> float:
    """Read a time in seconds, above 0 and at most a year."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= 366 * 86400:
        raise ArgumentTypeError(f"{text!r} is no time: give seconds, such as 0.5 or 60")
    return value


def share(text: str) -> float:
    """Read a share of one core: ``5%`` or ``0.05``."""
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = -1.0
    if not 0.0001 <= value <= 1:
        raise ArgumentTypeError(f"{text!r} is no share of one core: give 0.01% to 100%, or 0.0001 to 1")
    return value
