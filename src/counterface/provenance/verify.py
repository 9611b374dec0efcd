"""Where a file comes from, as its marks tell: credentials, watermark, known fakes, record."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

from counterface.config import STRICT
from counterface.errors import MediaError, ProvenanceError
from counterface.media import sandbox
from counterface.media.open_file import check_file
from counterface.media.probe import file_sha256
from counterface.media.sandbox import Limits
from counterface.media.video_reader import sample_times
from counterface.provenance.credentials import SYNTHETIC, Credentials, read_credentials
from counterface.provenance.home import WATERMARK_FILE, home_dir
from counterface.provenance.record import read_record, record_path
from counterface.provenance.signer import trust_anchors
from counterface.types import Image

FRAMES = 12  # of a video, even over its time: more cost time and find little more


class WatermarkCheck(BaseModel):
    """Whether the pixels carry this user's watermark."""

    model_config = STRICT

    state: Literal["found", "not_found", "not_run"]
    reason: str
    payload: int | None = Field(None, description="32 bits, the first of the signer's fingerprint")
    checksum: Literal["right"] | None = Field(
        None, description="32 keyed bits; a find without them right is no find"
    )
    confidence: float | None = Field(
        None, ge=0, le=1, description="share of the mark's bits that agree"
    )
    frames: int = Field(0, description="pictures searched")


class KnownFakeCheck(BaseModel):
    """Whether the pictures look like those of a file made on this machine."""

    model_config = STRICT

    state: Literal["same_file", "match", "no_match", "not_run"]
    reason: str
    name: str | None = None
    sha256: str | None = Field(None, description="of the known file")
    distance: int | None = Field(None, description="of 256 bits; null for the same file")
    when: datetime | None = Field(None, description="when it was registered")


class RecordCheck(BaseModel):
    """Whether a record lies beside the file and fits it."""

    model_config = STRICT

    state: Literal["agrees", "differs", "unreadable", "none"]
    reason: str
    name: str | None = None


class Provenance(BaseModel):
    """All marks of one file."""

    model_config = STRICT

    credentials: Credentials
    watermark: WatermarkCheck
    known_fake: KnownFakeCheck
    record: RecordCheck
    mark: str | None = Field(
        None, description="why the file is surely machine-made: a mark that only its maker can set"
    )
    altered: bool = Field(description="credentials or record do not fit the file's bytes")

    @property
    def warnings(self) -> tuple[str, ...]:
        """What calls for care without being proof, in whole sentences."""
        found = []
        credentials = self.credentials
        if credentials.state == "invalid":
            found.append(credentials.reason)
        elif credentials.state == "valid_unknown_signer" and credentials.says_synthetic:
            found.append(
                "Its content credentials say that it was made or changed by a trained model. They "
                "are valid, but anybody can sign so: nobody you trust vouches for the signer."
            )
        if any(name in SYNTHETIC for name in credentials.earlier_source_types):
            found.append(
                "Its content credentials say that it was made from a file that a trained model "
                "made or changed."
            )
        if self.record.state in ("differs", "unreadable"):
            found.append(self.record.reason)
        if self.known_fake.state == "match":
            found.append(self.known_fake.reason)
        return tuple(found)


def verify_file(
    path: str | Path,
    home: Path | None = None,
    *,
    anchors: Sequence[str] = (),
    frames: Sequence[Image] | None = None,
    sha256: str | None = None,
    limits: Limits | None = None,
) -> Provenance:
    """All marks of a file; what is absent or cannot be looked at is said, never raised.

    Args:
        path: any file; damaged and hostile ones too.
        home: the folder of identity, watermark key and registry; `home_dir()` by default. Nothing
            is made in it.
        anchors: PEM texts of certificates to trust besides the user's own.
        frames: pictures of the file, RGB uint8 (H, W, 3), where they are at hand; else some are
            decoded.
        sha256: of the file, where it is at hand.
        limits: of the process that decodes.

    Raises:
        MediaError: the file does not exist or cannot be read at all.
    """
    file = check_file(path)
    home = home or home_dir()
    digest = sha256 or file_sha256(file)
    credentials = check_credentials(file, home, anchors)
    why = ""
    if frames is None:
        try:
            frames = decode_some(file, limits or Limits())
        except (MediaError, OSError) as error:
            frames, why = (), str(error)
    return gather(file, home, credentials, frames, digest, why)


def gather(
    file: Path,
    home: Path,
    credentials: Credentials,
    frames: Sequence[Image],
    sha256: str,
    why: str = "",
) -> Provenance:
    """All marks of a file whose credentials have been read and some pictures decoded.

    Args:
        file: it exists.
        home: the user's folder.
        credentials: of `check_credentials`.
        frames: RGB uint8 (H, W, 3).
        sha256: of the file.
        why: there are no pictures, in words.
    """
    try:
        watermark = find_watermark(home, frames, why)
    except ProvenanceError as error:
        watermark = _watermark_not_run(str(error))
    try:
        known = find_known_fake(home, frames, sha256, why)
    except ProvenanceError as error:
        known = _known_not_run(str(error))
    record = check_record(file, credentials, sha256)
    return Provenance(
        credentials=credentials,
        watermark=watermark,
        known_fake=known,
        record=record,
        mark=_surest_mark(credentials, watermark, known),
        altered=credentials.state == "invalid" or record.state == "differs",
    )


def check_credentials(file: Path, home: Path, anchors: Sequence[str] = ()) -> Credentials:
    """The content credentials of a file, judged by the user's own trust and `anchors`."""
    try:
        trusted = [*trust_anchors(home), *anchors]
    except ProvenanceError as error:
        return Credentials(state="not_run", reason=f"Content credentials were not read: {error}")
    return read_credentials(file, trusted)


def decode_some(file: Path, limits: Limits) -> list[Image]:
    """The picture in a file, or some frames even over a video's time.

    Raises:
        MediaError: it cannot be decoded.
    """
    info = sandbox.probe(file, limits)
    if info.kind == "image":
        return [sandbox.read_image(file, limits)]
    times = sample_times(info.duration_s or 0, FRAMES, info.start_s) or [Fraction(info.start_s)]
    return [frame.image for frame in sandbox.frames_at(file, times, limits)]


def find_watermark(home: Path, frames: Sequence[Image], why: str = "") -> WatermarkCheck:
    """Whether the pictures together carry the watermark of this user's key.

    Raises:
        ProvenanceError: the key cannot be read.
    """
    from counterface.provenance.watermark import Watermark, load_or_make_key

    if not (home / WATERMARK_FILE).exists():
        return _watermark_not_run("there is no watermark key on this machine")
    if not frames:
        return _watermark_not_run(why or "there are no pictures")
    read = Watermark(load_or_make_key(home)).find(frames)
    if not read.images_read:
        return _watermark_not_run("the pictures are too small to hold one")
    if not read.found or read.payload is None:
        return WatermarkCheck(
            state="not_found",
            reason="No watermark of this machine's key was found.",
            frames=read.images_read,
        )
    return WatermarkCheck(
        state="found",
        reason=f"The pixels carry the watermark of this machine's key, payload {read.payload:08x}, "
        f"checksum right, {100 * read.confidence:.0f}% of its bits as written.",
        payload=read.payload,
        checksum="right",
        confidence=round(read.confidence, 4),
        frames=read.images_read,
    )


def find_known_fake(
    home: Path, frames: Sequence[Image], sha256: str, why: str = ""
) -> KnownFakeCheck:
    """Whether the file, or what it looks like, stands in the local registry of known fakes.

    Raises:
        ProvenanceError: the registry cannot be read.
    """
    from counterface.provenance.fingerprint import KnownFakes

    registry = KnownFakes(home)
    if not registry.database.exists():
        return _known_not_run("no file has been made or registered on this machine")
    if same := registry.find_file(sha256):
        return KnownFakeCheck(
            state="same_file",
            reason=f"It is, byte for byte, {same.name!r}, registered on {same.when:%Y-%m-%d}.",
            name=same.name,
            sha256=same.sha256,
            when=same.when,
        )
    if not frames:
        return _known_not_run(why or "there are no pictures")
    match = registry.match(frames)
    if match is None:
        return KnownFakeCheck(state="no_match", reason="It looks like no file made here.")
    mirrored = " mirrored" if match.mirrored else ""
    return KnownFakeCheck(
        state="match",
        reason=f"It looks like {match.fake.name!r}{mirrored}, registered on "
        f"{match.fake.when:%Y-%m-%d} ({match.images_matched} of {match.images_compared} pictures, "
        f"nearest {match.distance} of 256 bits away): either a copy of it, or the footage that it "
        "was made from.",
        name=match.fake.name,
        sha256=match.fake.sha256,
        distance=match.distance,
        when=match.fake.when,
    )


def check_record(file: Path, credentials: Credentials, sha256: str) -> RecordCheck:
    """Whether the record beside the file is its own, and as it was when the file was signed."""
    path = record_path(file)
    if not path.is_file():
        return RecordCheck(state="none", reason="No record lies beside the file.")
    try:
        record = read_record(path)
        facts = record.facts_sha256()
    except (ProvenanceError, ValueError, RecursionError, MemoryError) as error:
        reason = f"The record beside the file cannot be read: {error}"
        return RecordCheck(state="unreadable", reason=reason, name=path.name)
    if record.output.sha256 != sha256:
        reason = "The record beside the file is of other bytes: the file was changed since, or the "
        return RecordCheck(state="differs", reason=reason + "record is not its.", name=path.name)
    if credentials.record_sha256 not in (None, facts):
        reason = "The record beside the file is not the one that was signed: it was changed since."
        return RecordCheck(state="differs", reason=reason, name=path.name)
    reason = "The record beside the file gives the file's own SHA-256."
    if credentials.record_sha256 is not None and credentials.state != "invalid":
        reason = "The record beside the file fits it, and is the one that was signed."
    return RecordCheck(state="agrees", reason=reason, name=path.name)


def _surest_mark(
    credentials: Credentials, watermark: WatermarkCheck, known: KnownFakeCheck
) -> str | None:
    """The reason why a file is surely machine-made, in a sentence.

    Credentials of an unknown signer do not count, because anybody can sign somebody's genuine
    footage as made by a machine. A likeness to a known fake does not count, because the footage
    that a fake was made from looks like it everywhere but in the face.
    """
    if credentials.state == "trusted" and credentials.says_synthetic:
        return (
            "The file says so itself: valid content credentials, signed by "
            f"{credentials.signer}, declare that a trained model made or changed it."
        )
    if watermark.state == "found":
        return (
            "Its pixels carry the watermark that Counterface hides in what it makes on this "
            f"machine (checksum right, {100 * (watermark.confidence or 0):.0f}% of its bits)."
        )
    if known.state == "same_file":
        return f"It is, byte for byte, a file that was made on this machine: {known.name}."
    return None


def _watermark_not_run(why: str) -> WatermarkCheck:
    return WatermarkCheck(state="not_run", reason=f"No watermark was looked for: {why}.")


def _known_not_run(why: str) -> KnownFakeCheck:
    return KnownFakeCheck(state="not_run", reason=f"Known fakes were not compared: {why}.")
