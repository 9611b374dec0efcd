"""The origin of a file by its marks: credentials, watermark, known fakes, record."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Literal

from pydantic import Field

from counterface.config import Record
from counterface.errors import MediaError, ProvenanceError, reason_of
from counterface.files import file_sha256
from counterface.media import sandbox
from counterface.media.open_file import check_file
from counterface.media.sandbox import Limits
from counterface.media.video_reader import sample_times
from counterface.provenance.credentials import (
    SYNTHETIC,
    Credentials,
    carries_credentials,
    read_credentials,
)
from counterface.provenance.fingerprint import (
    ImageHash,
    KnownFake,
    KnownFakeMatch,
    KnownFakes,
    hash_looks,
)
from counterface.provenance.home import WATERMARK_FILE, home_dir
from counterface.provenance.record import record_path
from counterface.provenance.record_check import check_facts
from counterface.provenance.watermark import (
    NOTHING,
    Watermark,
    WatermarkSearch,
    load_or_make_key,
)
from counterface.types import Image
from counterface.wording import counted

FRAMES = 12  # looked at in a video, spread evenly: more cost time and find little more


class WatermarkCheck(Record):
    """Whether the pixels carry this user's watermark."""

    state: Literal["found", "not_found", "not_run"]
    reason: str
    payload: int | None = Field(None, description="first 32 bits of the signer's fingerprint")
    checksum: Literal["right"] | None = Field(
        None, description="32 keyed bits; a watermark counts as found only if they are right"
    )
    confidence: float | None = Field(
        None, ge=0, le=1, description="share of the mark's bits that agree"
    )
    frames: int = Field(0, description="number of pictures searched")


class KnownFakeCheck(Record):
    """Whether the pictures look like those of a file made on this machine, or of a list."""

    state: Literal["same_file", "match", "no_match", "not_run"]
    reason: str
    name: str | None = None
    sha256: str | None = Field(None, description="SHA-256 of the known file")
    distance: int | None = Field(
        None, description="number of differing bits, of 256; null for the same file"
    )
    when: datetime | None = Field(None, description="time of its registration")
    frames_matched: int | None = Field(
        None, description="number of pictures that look like the known file; null without a match"
    )
    frames_compared: int | None = Field(
        None, description="number of pictures with enough detail to tell; null without a match"
    )
    mirrored: bool | None = Field(
        None, description="whether most of them look like its mirror image; null without a match"
    )
    listed: str | None = Field(
        None, description="imported list that names the known file; null: it was made here"
    )


class RecordCheck(Record):
    """Whether a record lies beside the file and fits it."""

    state: Literal["agrees", "differs", "unreadable", "none"]
    reason: str
    name: str | None = None


class Provenance(Record):
    """All marks of one file."""

    credentials: Credentials
    watermark: WatermarkCheck
    known_fake: KnownFakeCheck
    record: RecordCheck
    mark: str | None = Field(
        None, description="why the file is surely machine-made: a mark that only its maker can set"
    )
    doubt: str | None = Field(
        None,
        description="hint, short of proof, that the file is machine-made or a copy of one that is",
    )
    altered: bool = Field(description="whether credentials or record do not match the file's bytes")

    @property
    def nothing(self) -> bool:
        """Whether no mark of any kind was found, broken ones included."""
        return (
            self.credentials.state in ("none", "not_run")
            and self.watermark.state in ("not_found", "not_run")
            and self.known_fake.state in ("no_match", "not_run")
            and self.record.state == "none"
        )

    @property
    def in_a_line(self) -> str:
        """The marks in one sentence, a few words each.

        Watermark and known fakes are left out if there was nothing to look for.
        """
        words = [IN_WORDS["credentials", self.credentials.state]]
        for name in ("watermark", "known_fake", "record"):
            found = getattr(self, name)
            if found.state not in ("not_run", "none"):
                words.append(in_words(name, found))
        text = ", ".join(words)
        return f"{text[0].upper()}{text[1:]}."

    @property
    def warnings(self) -> tuple[str, ...]:
        """Hints that call for care without being proof, in whole sentences."""
        found = [self.doubt] if self.doubt and not self.mark else []
        if self.credentials.state == "invalid":
            found.append(self.credentials.reason)
        if self.record.state in ("differs", "unreadable"):
            found.append(self.record.reason)
        return tuple(found)


IN_WORDS = {  # block, state -> a few words
    ("credentials", "trusted"): "content credentials trusted",
    ("credentials", "valid_unknown_signer"): "content credentials valid, of an unknown signer",
    ("credentials", "invalid"): "content credentials that do not hold",
    ("credentials", "none"): "no content credentials",
    ("credentials", "not_run"): "content credentials not read",
    ("watermark", "found"): "watermark of this machine found",
    ("watermark", "not_found"): "no watermark of this machine",
    ("watermark", "not_run"): "no watermark looked for",
    ("known_fake", "same_file"): "a file made here",
    ("known_fake", "match"): "looks like a file made here",
    ("known_fake", "no_match"): "no likeness to known fakes",
    ("known_fake", "not_run"): "known fakes not compared",
    ("record", "agrees"): "a record that fits",
    ("record", "differs"): "a record that does not fit",
    ("record", "unreadable"): "a record that cannot be read",
}

_LISTED = {"same_file": "a file on an imported list", "match": "looks like one on an imported list"}


def in_words(block: str, found: Credentials | WatermarkCheck | KnownFakeCheck | RecordCheck) -> str:
    """The answer of a block in a few words."""
    if isinstance(found, KnownFakeCheck) and found.listed is not None:
        return _LISTED[found.state]
    return IN_WORDS[block, found.state]


def verify_file(
    path: str | Path,
    home: Path | None = None,
    *,
    anchors: Sequence[str] = (),
    limits: Limits | None = None,
) -> Provenance:
    """All marks of a file; marks that are absent or cannot be checked are reported as such.

    Args:
        path: any file; damaged and hostile ones too.
        home: the folder of identity, watermark key and registry; `home_dir()` by default. Nothing
            is made in it.
        anchors: PEM texts of certificates to trust besides the user's own.
        limits: limits of the process that decodes.

    Raises:
        MediaError: the file does not exist or cannot be read at all.
    """
    file = check_file(path)
    home = home or home_dir()
    sha256 = file_sha256(file)
    credentials = check_credentials(file, home, anchors)
    search, why = PixelSearch(home), ""
    try:
        for image in decode_some(file, limits or Limits()):
            search.add(image)
    except (MediaError, OSError) as error:
        why = reason_of(error)
    return gather(file, sha256, credentials, search, why)


def gather(
    file: Path, sha256: str, credentials: Credentials, search: PixelSearch, why: str = ""
) -> Provenance:
    """All marks of a file, from its credentials and a search through its pictures.

    Args:
        file: the file, which exists; the record is looked for beside it.
        sha256: SHA-256 of the file.
        credentials: result of `check_credentials`.
        search: a search that some pictures of the file have been added to.
        why: the reason why pictures are missing, in words.
    """
    watermark = search.watermark(why)
    known = search.known_fake(sha256, why)
    record = check_record(file, credentials, sha256)
    return Provenance(
        credentials=credentials,
        watermark=watermark,
        known_fake=known,
        record=record,
        mark=_surest_mark(credentials, watermark, known),
        doubt=_gravest_doubt(credentials, known, record),
        altered=credentials.state == "invalid" or record.state == "differs",
    )


def check_credentials(file: Path, home: Path, anchors: Sequence[str] = ()) -> Credentials:
    """The content credentials of a file, judged by the user's own trust and `anchors`."""
    try:
        trusted = list(anchors)
        if carries_credentials(file):
            from counterface.provenance.signer import trust_anchors  # slow, and seldom needed

            trusted += trust_anchors(home)
    except (ProvenanceError, OSError) as error:
        return Credentials(
            state="not_run", reason=f"Content credentials were not read: {reason_of(error)}"
        )
    return read_credentials(file, trusted)


def decode_some(file: Path, limits: Limits) -> Iterator[Image]:
    """The picture in a file, or some frames spread evenly over a video.

    Raises:
        MediaError: it cannot be decoded.
    """
    info = sandbox.probe(file, limits)
    if info.kind == "image":
        yield sandbox.read_image(file, limits)
        return
    times = sample_times(info.duration_s or 0, FRAMES, info.start_s) or [Fraction(info.start_s)]
    for frame in sandbox.frames_at(file, times, limits):
        yield frame.image


class PixelSearch:
    """A search for watermark and known fakes in pictures that come one at a time; keeps none.

    It costs nothing where the user has no key and no registry.
    """

    def __init__(self, home: Path) -> None:
        """Open the key, if there is one.

        Args:
            home: the user's folder; nothing is made in it.
        """
        self.registry = KnownFakes(home)
        self._hashes: list[list[ImageHash]] = []
        self._has_registry = self.registry.database.exists()
        self._marks: WatermarkSearch | None = None
        self._no_key = "there is no watermark key on this machine"
        try:
            if (home / WATERMARK_FILE).exists():
                self._marks = WatermarkSearch(Watermark(load_or_make_key(home), own_payload(home)))
        except ProvenanceError as error:
            self._no_key = str(error)

    @property
    def wants_pictures(self) -> bool:
        """Whether there is anything to look for."""
        return self._marks is not None or self._has_registry

    def add(self, image: Image) -> None:
        """Look at one more picture of the file, RGB uint8 (H, W, 3)."""
        if self._marks is not None:
            self._marks.add(image)
        if self._has_registry:
            self._hashes.append(hash_looks(image))

    def watermark(self, why: str = "") -> WatermarkCheck:
        """Whether the pictures together carry the watermark of this user's key.

        Args:
            why: the reason why there are no pictures, in words.
        """
        read = NOTHING if self._marks is None else self._marks.reading()
        if not read.images_read:
            if self._marks is None:
                why = self._no_key
            why = why or "no picture is large enough to hold one"
            return WatermarkCheck(state="not_run", reason=f"No watermark was looked for: {why}.")
        if not read.found or read.payload is None:
            return WatermarkCheck(
                state="not_found",
                reason="No watermark of this machine's key was found.",
                frames=read.images_read,
            )
        return WatermarkCheck(
            state="found",
            reason="The pixels carry the watermark of this machine's key, payload "
            f"{read.payload:08x}, checksum right, {100 * read.confidence:.0f}% of its bits as "
            "written.",
            payload=read.payload,
            checksum="right",
            confidence=round(read.confidence, 4),
            frames=read.images_read,
        )

    def known_fake(self, sha256: str, why: str = "") -> KnownFakeCheck:
        """Whether the local registry of known fakes holds the file, or one that looks like it.

        Args:
            sha256: SHA-256 of the file.
            why: the reason why there are no pictures, in words.
        """
        if not self._has_registry:
            return _known_not_run("no file has been made or registered on this machine")
        try:
            if same := self.registry.find_file(sha256):
                return _known("same_file", f"It is, byte for byte, {_entry(same)}.", same)
            if not self._hashes:
                return _known_not_run(why or "there are no pictures")
            match = self.registry.match_looks(self._hashes)
        except ProvenanceError as error:
            return _known_not_run(str(error))
        if match is None:
            return KnownFakeCheck(state="no_match", reason="It looks like no known fake.")
        noun = "picture" if match.images_compared == 1 else "frame"
        reason = (
            f"It looks like {_entry(match.fake, match.mirrored)} ({match.images_matched} of "
            f"{counted(match.images_compared, noun)}, nearest {match.distance} of 256 bits "
            "away): either a copy of it, or the footage that it was made from."
        )
        return _known("match", reason, match.fake, match)


def _entry(file: KnownFake, mirrored: bool = False) -> str:
    """A registered file in words: its name, since when it is known, and from which list."""
    listed = "" if file.list is None else f" from the list {file.list!r}, which nobody here made"
    turned = " mirrored" if mirrored else ""
    return f"{file.name!r}{turned}, registered on {file.when:%Y-%m-%d}{listed}"


def _known(
    state: Literal["same_file", "match"],
    reason: str,
    file: KnownFake,
    match: KnownFakeMatch | None = None,
) -> KnownFakeCheck:
    return KnownFakeCheck(
        state=state,
        reason=reason,
        name=file.name,
        sha256=file.sha256,
        distance=match and match.distance,
        when=file.when,
        frames_matched=match and match.images_matched,
        frames_compared=match and match.images_compared,
        mirrored=match and match.mirrored,
        listed=file.list,
    )


def _known_not_run(why: str) -> KnownFakeCheck:
    return KnownFakeCheck(state="not_run", reason=f"Known fakes were not compared: {why}.")


def check_record(file: Path, credentials: Credentials, sha256: str) -> RecordCheck:
    """Whether the record beside the file is its own, and as it was when the file was signed."""
    path = record_path(file)
    if not os.path.isfile(path):  # noqa: PTH113  (a name too long for a record has none)
        return RecordCheck(state="none", reason="No record lies beside the file.")

    def check(state: Literal["agrees", "differs", "unreadable"], words: str) -> RecordCheck:
        return RecordCheck(
            state=state, reason=f"The record beside the file {words}", name=path.name
        )

    try:
        facts = check_facts(path, sha256)
    except (ProvenanceError, ValueError, RecursionError, MemoryError) as error:
        return check("unreadable", f"cannot be read: {error}")
    if facts is None:
        words = "is of other bytes: the file was changed since, or the record is not its."
        return check("differs", words)
    if credentials.record_sha256 not in (None, facts):
        return check("differs", "is not the one that was signed: it was changed since.")
    if credentials.record_sha256 is not None and credentials.state != "invalid":
        return check("agrees", "fits it, and is the one that was signed.")
    return check("agrees", "gives the file's own SHA-256.")


def _surest_mark(
    credentials: Credentials, watermark: WatermarkCheck, known: KnownFakeCheck
) -> str | None:
    """The reason why a file is surely machine-made, in a sentence.

    Credentials of an unknown signer do not count, because anybody can sign somebody's genuine
    footage as made by a machine. A likeness to a known fake does not count, because the footage
    that a fake was made from looks like it everywhere but in the face. Nor does an imported list
    that names the file: nobody here saw it made.
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
    if known.state == "same_file" and known.listed is None:
        return f"It is, byte for byte, a file that was made on this machine: {known.name}."
    return None


def _gravest_doubt(
    credentials: Credentials, known: KnownFakeCheck, record: RecordCheck
) -> str | None:
    """The strongest hint, short of proof, that the file is machine-made, in a sentence or two.

    Anybody can leave such a hint on somebody's genuine footage, and anybody can take it off a made
    file. But a file with one must not pass as free of manipulation.
    """
    if credentials.state == "valid_unknown_signer" and credentials.says_synthetic:
        return (
            "Its content credentials say that it was made or changed by a trained model. They "
            "are valid, but anybody can sign so: nobody you trust vouches for the signer."
        )
    holds = credentials.state in ("trusted", "valid_unknown_signer")
    if holds and any(name in SYNTHETIC for name in credentials.earlier_source_types):
        return (
            "Its content credentials say that it was made from a file that a trained model made "
            "or changed."
        )
    if known.state == "match" or known.listed is not None:
        return known.reason
    if record.state == "agrees":
        return (
            "A record beside the file says that Counterface made it, and fits its bytes; but "
            "records alone are not signed."
        )
    return None


def own_payload(home: Path) -> int:
    """The payload of the signer in use, which is found even where an unknown one is too faint."""
    from counterface.provenance import signer as signers

    signer = None
    with suppress(ProvenanceError):  # a signer that cannot be used is no reason not to look
        signer = signers.configured_signer()
    if signer is None and signers.has_local_identity(home):
        signer = signers.local_signer(home)
    return signers.describe_signer(signer).payload if signer else 0
