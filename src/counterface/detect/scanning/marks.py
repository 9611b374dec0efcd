"""Marks of origin beside the scan: what a file says of itself, and what that does to its verdict.

Reading and searching run in threads of their own while faces are searched, so that they cost next
to no time. A mark that only its maker can leave decides, whatever the detector thinks; what
anybody could have left only keeps a file from passing as free of manipulation.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from counterface.detect.findings import Check, Notice
from counterface.media.tags.metadata import Metadata
from counterface.provenance.credentials import Credentials
from counterface.provenance.home import home_dir
from counterface.provenance.verify import (
    FRAMES,
    KnownFakeCheck,
    PixelSearch,
    Provenance,
    WatermarkCheck,
    check_credentials,
    gather,
    in_words,
)
from counterface.types import Image, Verdict

_Block = Credentials | WatermarkCheck | KnownFakeCheck

_ALONE = {
    Verdict.NO_MANIPULATION_FOUND: "The detector alone would have found no manipulation.",
    Verdict.INCONCLUSIVE: "The detector alone would have come to no verdict.",
    Verdict.NO_FACE: "There was no face for the detector to judge.",
}


class MarkJob:
    """The search for the marks of one file; made by `look_for_marks`."""

    def __init__(self, path: Path, pools: tuple[ThreadPoolExecutor, ThreadPoolExecutor]) -> None:
        """Start to read the credentials."""
        home = home_dir()
        self.path = path
        self._search = PixelSearch(home)
        self._credentials = pools[0].submit(check_credentials, path, home)
        self._pool = pools[1]  # one thread: pictures are looked at in turn
        self._looks: list[Future[None]] = []
        self._seen = 0

    def add(self, image: Image, expected: int) -> None:
        """Look at the picture, if it is one of those to be looked at.

        Args:
            image: RGB uint8 (H, W, 3), the next frame of the scan.
            expected: how many there will be, as far as is known.
        """
        taken = len(self._looks)
        # Even over the file; where there are more than expected, ever more rarely.
        step = max(1, -(-expected // FRAMES)) << (taken // (2 * FRAMES))
        if self._seen % step == 0 and self._search.wants_pictures:
            self._looks.append(self._pool.submit(self._search.add, image))
        self._seen += 1

    def finish(self, sha256: str) -> Provenance:
        """All marks of the file, once every frame has been added."""
        for look in self._looks:
            look.result()
        return gather(self.path, sha256, self._credentials.result(), self._search)


@contextmanager
def look_for_marks(path: Path, *, wanted: bool) -> Iterator[MarkJob | None]:
    """The search for the marks of a file; None where it is not wanted."""
    if not wanted:
        yield None
        return
    with ThreadPoolExecutor(1) as reading, ThreadPoolExecutor(1) as looking:
        yield MarkJob(path, (reading, looking))


def weigh_marks(
    verdict: Verdict, reasons: tuple[str, ...], marks: Provenance | None
) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict on a file and its reasons, once its marks count too.

    Args:
        verdict: verdict of the detector.
        reasons: reasons of that verdict.
        marks: None where they were not looked for.
    """
    if marks is None:
        return verdict, reasons
    alone = (_ALONE[verdict],) if verdict in _ALONE else ()
    if marks.mark:
        return Verdict.LIKELY_MANIPULATED, (marks.mark, *alone, *reasons)
    if marks.doubt and verdict in (Verdict.NO_MANIPULATION_FOUND, Verdict.NO_FACE):
        return Verdict.INCONCLUSIVE, (marks.doubt, *alone, *reasons)
    return verdict, reasons


def mark_notices(reasons: tuple[str, ...], marks: Provenance | None) -> tuple[Notice, ...]:
    """What the marks give reason for care with, as far as the reasons do not say it."""
    texts = () if marks is None else marks.warnings
    return tuple(
        Notice(code="origin", text=text, level="trust") for text in texts if text not in reasons
    )


def metadata_notices(metadata: Metadata) -> tuple[Notice, ...]:
    """A hint, never a proof: the file names a program that makes or swaps pictures."""
    if not metadata.makers:
        return ()
    text = (
        f"The file's metadata name what makes or swaps pictures: {', '.join(metadata.makers)}. "
        "Anybody can write or remove them."
    )
    return (Notice(code="metadata", text=text, level="trust"),)


def mark_checks(marks: Provenance | None) -> tuple[Check, ...]:
    """Which marks were looked for, with what was found."""
    rows = (
        ("content_credentials", "Content credentials (C2PA)", "credentials"),
        ("watermark", "Watermark of this machine", "watermark"),
        ("known_fakes", "Known fakes of this machine", "known_fake"),
    )
    if marks is None:
        off = "Not asked for."
        return tuple(
            Check(name=name, title=title, ran=False, note=off, detail=name != "content_credentials")
            for name, title, _ in rows
        )
    return tuple(_check(name, title, getattr(marks, block), block) for name, title, block in rows)


def _check(name: str, title: str, found: _Block, block: str) -> Check:
    if found.state == "not_run":
        own = name != "content_credentials"  # looks for what was made or registered here
        return Check(name=name, title=title, ran=False, note=found.reason, detail=own)
    words = in_words(block, found)
    return Check(name=name, title=title, ran=True, note=f"{words[0].upper()}{words[1:]}.")
