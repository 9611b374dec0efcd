"""The pictures of faces in a report's page, read back: the page holds what its JSON leaves out."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Literal

from pydantic import Field

from counterface.config import Record

_JPEG = re.compile(r"data:image/jpeg;base64,[A-Za-z0-9+/]+={0,2}")


class ShownFace(Record):
    """A face that a page shows, and the same face with its heat map."""

    track: int = Field(description="id of the person's track")
    rank: Literal["most", "least"] = Field(
        description="whether it is among the person's most or least suspicious faces"
    )
    time: str = Field(description="when it is seen, as m:ss.t")
    score: str = Field(description="its score, percent in words")
    crop: str = Field(description="aligned face, JPEG as a data address")
    heat: str | None = Field(
        None, description="the same with its heat map; null: there is too little to be seen"
    )


def read_faces(page: Path) -> tuple[ShownFace, ...]:
    """The faces of a page that `write_html` wrote, in their order; none where it shows none.

    Raises:
        OSError: the page cannot be read.
    """
    reader = _Reader()
    reader.feed(page.read_text(encoding="utf-8"))
    return tuple(reader.faces)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.faces: list[ShownFace] = []
        self._figure: dict[str, str | None] | None = None
        self._pictures: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "figure":
            self._figure = found if "data-face" in found else None
            self._pictures = []
        elif tag == "img" and self._figure is not None and _JPEG.fullmatch(found.get("src") or ""):
            self._pictures.append(str(found["src"]))

    def handle_endtag(self, tag: str) -> None:
        if tag != "figure" or self._figure is None:
            return
        figure, self._figure = self._figure, None
        if self._pictures:
            self.faces.append(
                ShownFace(
                    track=int(figure["data-face"] or 0),
                    rank="least" if figure.get("data-rank") == "least" else "most",
                    time=figure.get("data-time") or "",
                    score=figure.get("data-score") or "",
                    crop=self._pictures[0],
                    heat=self._pictures[1] if len(self._pictures) > 1 else None,
                )
            )
