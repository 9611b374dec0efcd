"""Frames of a judged file for the player: small JPEGs in one file, with their exact times.

A pack is made when somebody first looks, in the background and one at a time; it can be shown as it
grows. The file is decoded in the sandbox, and only pictures that were encoded here go out.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from counterface.apps.studio.store import StudioError
from counterface.config import Record
from counterface.errors import CounterfaceError, MediaError, reason_of
from counterface.files import file_sha256, write_bytes
from counterface.media import sandbox
from counterface.media.image import encode_image, shrink_image
from counterface.media.probe import MediaInfo
from counterface.media.sample_frames import square
from counterface.types import Frame, Image

MOST_FRAMES = 1500
MOST_SCORED = 500  # frames with a score that are kept whatever the step is; beyond, it alone counts
MOST_PX, MOST_STILL_PX = 640, 1280  # longer side of a video's frame and of a picture
QUALITY = 80
TELL_EVERY = 24  # frames
SAME_MOMENT_S = 1e-4  # a report has times rounded to a float
MOST_KNOWN = 16  # packs whose index stays in memory
INDEX, PICTURES = ".frames.json", ".frames"
log = logging.getLogger("counterface.studio")

PackState = Literal["waiting", "making", "done", "failed"]


class PackedFrame(Record):
    """One frame of a pack."""

    number: int = Field(description="number of its picture; stays the same as the pack grows")
    pts_s: float = Field(description="presentation time, seconds")
    start: int = Field(description="first byte of the JPEG in the file of the pack")
    bytes: int = Field(description="size of the JPEG")


class FramePack(Record):
    """Which frames of a file there are."""

    state: PackState
    error: str = Field("", description="why it could not be made")
    width: int = Field(0, description="width of the full frame, pixels; boxes are in these")
    height: int = Field(0, description="height of the full frame, pixels")
    shown_width: int = Field(0, description="width of the pictures of the pack, pixels")
    shown_height: int = Field(0, description="height of the pictures of the pack, pixels")
    read: int = Field(0, description="number of frames that were decoded so far")
    expected: int | None = Field(None, description="number of frames of the file; null: not known")
    frames: tuple[PackedFrame, ...] = Field((), description="frames that are there, by time")


class PackMaker:
    """Makes packs in the background, one at a time, and knows how far each is."""

    def __init__(self) -> None:
        """Begin without packs."""
        self._packs: dict[Path, FramePack] = {}
        self._unwanted: set[Path] = set()  # packs that were forgotten while they were made
        self._lock = threading.Lock()
        self._one_at_a_time = threading.Lock()

    def pack(
        self, stem: Path, file: Path, sha256: str | None, scored_s: Sequence[float]
    ) -> FramePack:
        """The pack as far as it is there; one that nobody has asked for is begun.

        Args:
            stem: path of the pack without its suffix.
            file: the picture or video.
            sha256: of the file that was judged; one that has changed since is not shown.
            scored_s: times of the frames that have a score, seconds; kept as `make_pack` does.

        Returns:
            What is there; its state is "failed", with the reason, where it cannot be made.
        """
        found = self._find(stem)
        if found is not None:
            return found
        with self._lock:
            if stem not in self._packs:
                self._packs[stem] = FramePack(state="waiting")
                given = (stem, file, sha256, list(scored_s))
                threading.Thread(target=self._make, args=given, daemon=True).start()
            return self._packs[stem]

    def picture(self, stem: Path, number: int) -> bytes:
        """The JPEG of a frame.

        Raises:
            StudioError: there is no such pack or frame.
        """
        pack = self._find(stem) or FramePack(state="waiting")
        frame = next((one for one in pack.frames if one.number == number), None)
        if frame is None:
            raise StudioError(f"no frame {number}")
        with _beside(stem, PICTURES).open("rb") as pictures:
            pictures.seek(frame.start)
            return pictures.read(frame.bytes)

    def forget(self, stem: Path) -> None:
        """Delete a pack; one that is being made is given up."""
        with self._lock:
            if stem in self._packs and self._packs[stem].state in ("waiting", "making"):
                self._unwanted.add(stem)
                return
            self._packs.pop(stem, None)
        _delete(stem)

    def _find(self, stem: Path) -> FramePack | None:
        with self._lock:
            index = _beside(stem, INDEX)
            if stem not in self._packs and index.is_file():
                text = index.read_text(encoding="utf-8")
                self._packs[stem] = FramePack.model_validate_json(text)
                self._drop_oldest()
            return self._packs.get(stem)

    def _drop_oldest(self) -> None:
        done = [stem for stem, pack in self._packs.items() if pack.state == "done"]
        for stem in done[:-MOST_KNOWN]:
            del self._packs[stem]

    def _set(self, stem: Path, pack: FramePack) -> None:
        with self._lock:
            self._packs[stem] = pack
            self._drop_oldest()

    def _make(self, stem: Path, file: Path, sha256: str | None, scored_s: list[float]) -> None:
        with self._one_at_a_time:
            try:
                if sha256 is not None and file_sha256(file, MediaError) != sha256:
                    raise MediaError(f"{file}: has changed since it was judged; scan it again")
                stem.parent.mkdir(parents=True, exist_ok=True)
                for pack in make_pack(_beside(stem, PICTURES), file, scored_s):
                    if stem in self._unwanted:
                        break
                    if pack.state == "done":
                        write_bytes(_beside(stem, INDEX), pack.model_dump_json().encode())
                    self._set(stem, pack)
            except (CounterfaceError, OSError) as error:
                self._set(stem, FramePack(state="failed", error=reason_of(error)))
            except Exception:
                log.exception("frames of %s", file)
                self._set(stem, FramePack(state="failed", error="an error that nobody expected"))
        if stem in self._unwanted:
            self._unwanted.discard(stem)
            with self._lock:
                self._packs.pop(stem, None)
            _delete(stem)


def make_pack(target: Path, file: Path, scored_s: Sequence[float] = ()) -> Iterator[FramePack]:
    """The pack of a file as it grows; the last one is whole and has the state "done".

    Frames are chosen at an even step, which doubles where there are more than `MOST_FRAMES`; those
    with a score are kept besides, as long as they are at most `MOST_SCORED`.

    Args:
        target: file that the JPEGs are written to, one behind the other.
        file: the picture or video; decoded in the sandbox.
        scored_s: times of frames that have a score, seconds.

    Yields:
        What is there so far, now and then.

    Raises:
        MediaError: the file cannot be read.
        OSError: the pictures cannot be written.
    """
    media = sandbox.probe(file)
    still = media.kind == "image"
    expected = 1 if still else media.frame_count
    times = np.unique(np.array(scored_s, np.float64))
    choice = _Choice(expected, times if len(times) <= MOST_SCORED else times[:0])
    pack = FramePack(state="making", expected=expected)
    start = count = read = 0
    with target.open("wb") as out:
        for frame in _frames(file, media):
            if choice.wants(read, frame):
                whole = square(frame, media).image
                shown = shrink_image(whole, MOST_STILL_PX if still else MOST_PX)
                jpeg = encode_image(shown, quality=QUALITY)
                out.write(jpeg)
                choice.keep(read, frame, start, len(jpeg), count)
                start, count = start + len(jpeg), count + 1
                if count == 1:
                    pack = pack.model_copy(update=_sizes(whole, shown))
            read += 1
            if read % TELL_EVERY == 0:
                out.flush()
                yield pack.model_copy(update={"read": read, "frames": choice.frames()})
    if not count:
        raise MediaError(f"{file}: no frame could be read")
    done = {"state": "done", "read": read, "expected": read, "frames": choice.frames()}
    yield pack.model_copy(update=done)


class _Kept(NamedTuple):
    scored: bool
    place: int  # in the file
    frame: PackedFrame


class _Choice:
    """Which frames of a stream are kept, when nobody knows how many will come."""

    def __init__(self, expected: int | None, scored: NDArray[np.float64]) -> None:
        self._scored, self._kept = scored, list[_Kept]()
        self._most = MOST_FRAMES - len(scored)
        self._even = 0  # frames that are kept for the step alone
        self._step = max(1, -(-(expected or 1) // self._most))

    def wants(self, place: int, frame: Frame) -> bool:
        return place % self._step == 0 or self._has_score(frame)

    def keep(self, place: int, frame: Frame, start: int, count: int, number: int) -> None:
        packed = PackedFrame(number=number, pts_s=float(frame.pts), start=start, bytes=count)
        self._kept.append(_Kept(self._has_score(frame), place, packed))
        self._even += not self._kept[-1].scored
        if self._even > self._most:
            self._step *= 2
            self._kept = [k for k in self._kept if k.scored or k.place % self._step == 0]
            self._even = sum(not k.scored for k in self._kept)

    def frames(self) -> tuple[PackedFrame, ...]:
        return tuple(kept.frame for kept in self._kept)

    def _has_score(self, frame: Frame) -> bool:
        at = np.searchsorted(self._scored, float(frame.pts) - SAME_MOMENT_S)
        return bool(at < len(self._scored) and self._scored[at] <= frame.pts + SAME_MOMENT_S)


def _frames(file: Path, media: MediaInfo) -> Iterator[Frame]:
    if media.kind == "image":
        yield Frame(sandbox.read_image(file), 0, Fraction(0))
    else:
        yield from sandbox.read_video(file)


def _sizes(whole: Image, shown: Image) -> dict[str, int]:
    return {
        "height": whole.shape[0],
        "width": whole.shape[1],
        "shown_height": shown.shape[0],
        "shown_width": shown.shape[1],
    }


def _delete(stem: Path) -> None:
    for suffix in (INDEX, PICTURES):
        _beside(stem, suffix).unlink(missing_ok=True)


def _beside(stem: Path, suffix: str) -> Path:
    return stem.with_name(stem.name + suffix)
