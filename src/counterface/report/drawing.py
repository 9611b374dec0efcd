"""Matplotlib figures as pictures for a page: SVG in a `data:` address, and PNG.

Matplotlib comes with the `train` extra and is imported on use. A browser neither loads nor runs
anything for an SVG that is the source of an `<img>`; on dark paper the style sheet turns its
lightness around.
"""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from counterface.errors import ConfigError
from counterface.files import make_folder, write_bytes
from counterface.weights import cache_dir

COLOURS = {  # name -> as in the page's style sheet on light paper
    "ink": "#1a1c1f",
    "soft": "#565a61",
    "line": "#dcd9d0",
    "card": "#fefefe",
    "real": "#2c6cab",
    "fake": "#c2561a",
    "third": "#1b6351",
    "fourth": "#8a5a9e",
    "fifth": "#7f5601",
    "sixth": "#b3261f",
}
SERIES = tuple(COLOURS[name] for name in ("real", "fake", "third", "fourth", "fifth", "sixth"))
PNG_DPI = 144
# the page's own, in front of the one that the layout is measured in
_FONTS = ("Inter", "Segoe UI", "Helvetica Neue", "Liberation Sans", "Arial")
_MEASURED = "DejaVu Sans"


def require_matplotlib() -> None:
    """Check that charts can be drawn.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    # else it makes folders in the user's own configuration and cache
    os.environ.setdefault("MPLCONFIGDIR", str(cache_dir().parent / "matplotlib"))
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            "charts need matplotlib; install counterface[train] (in a clone: make full)"
        ) from error


@contextmanager
def chart_style() -> Iterator[Any]:
    """The class of figures, while the settings of all charts hold.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    require_matplotlib()
    import matplotlib
    from matplotlib.figure import Figure

    soft, line, ink = COLOURS["soft"], COLOURS["line"], COLOURS["ink"]
    settings = {
        "text.parse_math": False,  # a method may be called "$x$"
        "font.sans-serif": [_MEASURED, *_FONTS],
        "font.size": 9.5,
        "text.color": ink,
        "axes.edgecolor": line,
        "axes.labelcolor": soft,
        "axes.titlecolor": ink,
        "axes.titlesize": 10.5,
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": line,
        "grid.linewidth": 0.7,
        "xtick.color": soft,
        "ytick.color": soft,
        "axes.facecolor": "none",
        "figure.facecolor": "none",
        "figure.constrained_layout.use": True,
        "legend.frameon": False,
        "legend.fontsize": 9,
        "lines.linewidth": 1.8,
    }
    with matplotlib.rc_context(settings):
        yield Figure


@contextmanager
def new_chart(width: float, height: float, **options: Any) -> Iterator[tuple[Any, Any]]:
    """A figure in inches and its one drawing area, while the settings of all charts hold.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    with chart_style() as figure_class:
        figure = figure_class(figsize=(width, height))
        yield figure, figure.add_subplot(**options)


def figure_uri(figure: Any, name: str) -> str:
    """The figure as the `data:` address of an SVG picture, in which nothing loads or runs.

    Args:
        figure: matplotlib's.
        name: name of the drawing; its ids come from it.
    """
    import matplotlib

    _settle(figure)
    sink = io.StringIO()
    none = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(sink, format="svg", metadata=none, facecolor="none")
    svg = sink.getvalue().replace(f"'{_MEASURED}', ", "")
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode("ascii")


def figure_png(figure: Any) -> bytes:
    """The figure as a PNG on white paper."""
    _settle(figure)
    sink = io.BytesIO()
    figure.savefig(sink, format="png", dpi=PNG_DPI, facecolor="white", metadata={"Software": None})
    return sink.getvalue()


def write_pngs(figures: dict[str, Any], folder: Path) -> list[Path]:
    """The files written, `<name>.png` each; the folder is made if absent.

    Raises:
        MediaError: they cannot be written there.
    """
    make_folder(folder)
    paths = []
    for name, figure in figures.items():
        paths.append(folder / f"{name}.png")
        write_bytes(paths[-1], figure_png(figure))
    return paths


def _settle(figure: Any) -> None:
    """Lay the figure out once; drawing it would do so again, with the same result."""
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
