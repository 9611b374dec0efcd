"""Matplotlib figures as pictures for a page: SVG that is safe to put inline, and PNG.

Matplotlib comes with the `train` extra and is imported on use. Of its SVG only an allowed list of
elements and attributes is kept, so that nothing in a page can load or run anything; its colours
become the page's own, so that one drawing is readable on light and dark paper.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from counterface.errors import ConfigError
from counterface.files import make_folder, write_bytes
from counterface.weights import cache_dir

COLOURS = {  # name in the page's style sheet -> in matplotlib, and in PNG on white paper
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
_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
_ELEMENTS = {"svg", "g", "path", "defs", "clipPath", "rect", "use", "text", "tspan", "circle"}
_ATTRIBUTES = {
    "d", "x", "y", "width", "height", "cx", "cy", "r", "transform", "viewBox", "id", "clip-path",
}  # fmt: skip
_STYLES = {
    "fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray",
    "stroke-dashoffset", "stroke-linecap", "stroke-linejoin", "opacity", "font-size",
    "font-weight", "text-anchor",
}  # fmt: skip
_LOCAL = re.compile(r"^url\(#([\w-]+)\)$")
_VALUE = re.compile(r"^[\w.,#%+ -]*$")


def require_matplotlib() -> None:
    """Nothing, if charts can be drawn.

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
        "svg.fonttype": "none",
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


def figure_svg(figure: Any, name: str, label: str) -> str:
    """The figure as an inline `<svg>`: no scripts, styles or addresses, only local references.

    Args:
        figure: matplotlib's.
        name: of the drawing in its page, letters, digits and dashes: makes its ids unique there.
        label: what it shows, read out instead of it.
    """
    import matplotlib

    _settle(figure)
    sink = io.StringIO()
    none = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(sink, format="svg", metadata=none, facecolor="none")
    root = _clean(ElementTree.fromstring(sink.getvalue()), name)
    if root is None:
        raise ConfigError(f"chart {name!r} holds no drawing")
    for size in ("width", "height"):
        root.attrib.pop(size, None)
    root.attrib |= {"class": "chart", "role": "img", "aria-label": label, "focusable": "false"}
    return ElementTree.tostring(root, encoding="unicode")


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
    """Lays the figure out once; drawing it again would do so again, to the same end."""
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()
        figure.set_layout_engine("none")


def _clean(node: ElementTree.Element, name: str) -> ElementTree.Element | None:
    """A copy with what is allowed, or None for an element that is not."""
    space, _, tag = node.tag.rpartition("}")
    if space != "{" + _SVG or tag not in _ELEMENTS:
        return None
    kept = ElementTree.Element(tag)
    for key, value in node.attrib.items():
        if key in (f"{{{_XLINK}}}href", "href"):
            if value.startswith("#"):
                kept.set("href", f"#{name}-{value[1:]}")
        elif key == "id":
            kept.set("id", f"{name}-{value}")
        elif key == "clip-path":
            if match := _LOCAL.match(value):
                kept.set(key, f"url(#{name}-{match[1]})")
        elif key == "style":
            kept.set("style", _clean_style(value))
        elif key in _ATTRIBUTES:
            kept.set(key, value)
    if tag in ("text", "tspan"):
        kept.text = node.text
    for child in node:
        if (copy := _clean(child, name)) is not None:
            kept.append(copy)
    return kept


def _clean_style(style: str) -> str:
    """The declarations that are allowed, colours as the page's variables."""
    kept = []
    for part in style.split(";"):
        key, _, value = (piece.strip() for piece in part.partition(":"))
        if key == "font":  # "9.5px 'DejaVu Sans', ...": the size; the page sets the family
            size = re.search(r"([\d.]+)px", value)
            key, value = "font-size", f"{size[1]}px" if size else ""
        if key in _STYLES and value and _VALUE.match(value):
            kept.append(f"{key}:{_VARIABLES.get(value.lower(), value)}")
    return ";".join(kept)


_VARIABLES = {colour: f"var(--{name})" for name, colour in COLOURS.items()}
