"""How all plots look: legible on a light and on a dark page, and the same bytes each time."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.programs import Failure

__all__ = ["COLOURS", "GREY", "WALKS", "end_labels", "figure", "grown_line", "legend", "panel", "save"]

# What ways of walking are called in pictures.
WALKS = {"columns": "asked for figures that owners decide", "default": "all figures"}

# Middle tones: text has a contrast of more than 4 to 1 on white and on the darkest page.
GREY = "#787878"
COLOURS = ("#3b82d8", "#d4691c", "#2e9e6b", "#b35cc4", "#c8543f", "#8a8a2b")
SETTINGS: Mapping[str, Any] = {
    "axes.edgecolor": GREY,
    "axes.labelcolor": GREY,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": GREY,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "font.family": "DejaVu Sans",  # it comes with matplotlib: every machine draws the same
    "font.size": 10,
    "legend.frameon": False,
    "legend.labelcolor": GREY,
    "svg.fonttype": "path",
    "svg.hashsalt": "pagewalk",
    "text.color": GREY,
    "xtick.color": GREY,
    "ytick.color": GREY,
}
# No date and no version: a picture changes only with what it shows.
METADATA = {"Date": None, "Creator": None}


def _matplotlib() -> Any:
    try:
        import matplotlib as mpl
    except ModuleNotFoundError as missing:
        raise Failure("plots need matplotlib: pip install 'pagewalk[bench]'") from missing
    return mpl


@contextmanager
def figure(panels: int, size: tuple[float, float]) -> Iterator[tuple[Any, list[Any]]]:
    """A figure with its axes side by side, in our style, without any window.

    Parameters
    ----------
    panels : int
        How many.
    size : tuple of float
        Inches of the whole.
    """
    mpl = _matplotlib()
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    with mpl.rc_context(SETTINGS):
        drawn = Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.12))
        FigureCanvasSVG(drawn)
        yield drawn, list(drawn.subplots(1, panels, squeeze=False)[0])


def panel(axes: Any, title: str, x: str, y: str) -> None:
    """Name an axes and what it shows, and give it a grid that does not come to the fore."""
    axes.set_title(title)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(axis="y", color=GREY, alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.locator_params(steps=(1, 2, 4, 5, 10))
    axes.margins(0.04)
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)


def grown_line(axes: Any, points: Sequence[tuple[float, float]], line: tuple[float, float], colour: str) -> None:
    """Draw measurements and the line through them.

    Parameters
    ----------
    axes : Axes
        Where.
    points : sequence of tuple
        x and y of each.
    line : tuple of float
        y of the line at 0 and at the last x.
    colour : str
        Of both.
    """
    xs, ys = zip(*points, strict=True)
    axes.plot(xs, ys, "o", color=colour, markersize=4.5)
    axes.plot((0, xs[-1]), line, color=colour, linewidth=1.3)


def end_labels(axes: Any, labels: Sequence[tuple[float, str, str]], apart: float = 0.08) -> None:
    """Name lines at their ends, beside the axes, moved apart where they would overlap.

    Parameters
    ----------
    axes : Axes
        With its limits set.
    labels : sequence of tuple
        y at the end, text and colour of each line.
    apart : float
        The least distance of two, as a part of the height.
    """
    height = axes.get_ylim()[1]
    places, at = list[float](), float("-inf")
    for y, _, _ in sorted(labels):
        at = max(y / height, at + apart)
        places.append(at)
    # Those that were moved beyond the top come down again, and move what is below them.
    for k in reversed(range(len(places))):
        places[k] = min(places[k], places[k + 1] - apart if k + 1 < len(places) else 1.0)
    for place, (_, text, colour) in zip(places, sorted(labels), strict=True):
        axes.annotate(text, (1.02, place), xycoords="axes fraction", color=colour, va="center", fontsize=9)


def legend(drawn: Any, names: Sequence[str]) -> None:
    """Name the colours once, below all axes."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=colour, marker="o", markersize=4.5, linewidth=1.3, label=name)
        for name, colour in zip(names, COLOURS, strict=False)
    ]
    drawn.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=9.5)


def save(drawn: Any, path: Path) -> None:
    """Write a figure, as the ending of its name says; at once, so that no part of one is left."""
    written = io.BytesIO()
    metadata = METADATA if path.suffix == ".svg" else None
    drawn.savefig(written, format=path.suffix[1:], transparent=True, metadata=metadata)
    path.write_bytes(written.getvalue())
