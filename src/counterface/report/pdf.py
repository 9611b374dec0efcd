"""Reports as PDF: the content of the page on A4, everything unfolded, nothing loaded.

WeasyPrint (BSD-3-Clause) sets the pages. It comes with the `pdf` extra, needs the system's Pango,
and is imported on use. It may load what stands in the page itself (`data:`) and nothing else: a
hostile file name could not reach out even if it slipped through the escaping.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from counterface.errors import ConfigError
from counterface.files import write_bytes

if TYPE_CHECKING:  # who only asks whether PDFs can be made loads neither this nor the page
    from counterface.detect.findings import Report

MOST_FILES = 100  # of one PDF: one to two minutes and about 1 GB of memory


def require_weasyprint() -> None:
    """Refuse to go on where a PDF could not be made.

    Raises:
        ConfigError: WeasyPrint or Pango is not installed.
    """
    try:
        import weasyprint  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            "a PDF needs WeasyPrint; install it with: pip install 'counterface[pdf]'"
        ) from error
    except OSError as error:  # it is there, and a library of the system is not
        raise ConfigError(
            "a PDF needs the library Pango, which belongs to the system; install it (Debian and "
            "Ubuntu: apt install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0; macOS: "
            f"brew install pango): {str(error).splitlines()[0]}"
        ) from error


def require_few(count: int) -> None:
    """Refuse more files than one PDF takes.

    Raises:
        ConfigError: there are more than `MOST_FILES`.
    """
    if count > MOST_FILES:
        raise ConfigError(
            f"{count} files in one PDF: at most {MOST_FILES} are set; scan them in parts, or write "
            "the page (--html)"
        )


def write_pdf(reports: Sequence[Report], path: str | Path) -> None:
    """Write one PDF for one or many reports, in place at once.

    The same reports give the same bytes where WeasyPrint, Pango and the fonts are the same.

    Args:
        reports: in the order shown; at most `MOST_FILES`.
        path: path of the PDF; its folder must exist.

    Raises:
        ConfigError: WeasyPrint or Pango is not installed, or there are too many reports.
        MediaError: the PDF cannot be written there.
    """
    path = Path(path)
    require_weasyprint()
    require_few(len(reports))
    import weasyprint

    from counterface.report.html import render_html

    page = weasyprint.HTML(
        string=render_html(reports, printed=True),
        base_url=None,
        url_fetcher=_fetcher(),
        media_type="print",
    )
    write_bytes(path, page.write_pdf())


def _fetcher() -> Any:
    """What WeasyPrint loads by: the page's own `data:` addresses; it leaves out all others."""
    from weasyprint.urls import URLFetcher

    return URLFetcher(allowed_protocols=("data",), allow_redirects=False)
