"""Marks on and beside a made file: watermark, credentials, record, entry in the registry.

There is no way to leave all marks out. Builds of data sets may leave out the watermark in the
pixels, because a detector must not learn it.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from counterface.errors import ProvenanceError
from counterface.files import file_sha256, replacing
from counterface.media.image import IMAGE_SUFFIXES, write_image
from counterface.provenance.credentials import sidecar_path, sign
from counterface.provenance.fingerprint import KnownFakes, hash_copies
from counterface.provenance.home import home_dir
from counterface.provenance.record import (
    MadeMarks,
    MadeOutput,
    MadeRecord,
    record_path,
    write_record,
)
from counterface.provenance.signer import Signer, describe_signer, open_signer
from counterface.provenance.watermark import Watermark, fits, load_or_make_key
from counterface.types import Image


class Marker:
    """The marks of one making job; use the same object for all frames of an output."""

    def __init__(
        self, *, watermark: bool = True, signer: Signer | None = None, home: Path | None = None
    ) -> None:
        """Open the signer and the watermark key, made on first use.

        Args:
            watermark: False only for builds of data sets: no mark in the pixels.
            signer: by default the configured one, else the local identity.
            home: the folder of identity, key and registry; `home_dir()` by default.

        Raises:
            ProvenanceError: the identity or the key cannot be made, read or used.
        """
        self.home = home or home_dir()
        self.signer = signer or open_signer(self.home)
        identity = describe_signer(self.signer)
        self.fingerprint = identity.fingerprint
        payload = identity.payload  # names the signer, so that a find says whose mark it is
        self.watermark = Watermark(load_or_make_key(self.home), payload) if watermark else None

    def mark_frame(self, image: Image) -> Image:
        """The picture with the watermark in its pixels; encode this one.

        Args:
            image: RGB uint8 (H, W, 3). A picture with a side below 96 pixels is too small to hold
                the mark and comes back as it is.
        """
        if self.watermark is None:
            return image
        return self.watermark.mark(image)

    def finish(
        self,
        unsigned: Path,
        out: Path,
        record: MadeRecord,
        target: Path | None,
        keyframes: Sequence[Image],
        times: Sequence[Fraction] = (),
    ) -> MadeRecord:
        """The completed record, once `out` is signed, its record written, its pictures registered.

        `out` appears last and in one step: whenever it is there, so is everything else.

        Args:
            unsigned: the encoded file; stays where it is.
            out: the output; its suffix decides where the credentials go.
            record: the record as far as it is known before signing.
            target: the footage whose face was replaced; None unless that is a single file.
            keyframes: pictures of the output, RGB uint8 (H, W, 3), as marked: for the registry of
                known fakes.
            times: times of the keyframes in seconds, if known.

        Raises:
            ProvenanceError: a file cannot be read, signed or written.
        """
        with replacing(out, ProvenanceError) as signed:
            return self._finish(unsigned, signed, out, record, target, keyframes, times)

    def finish_image(
        self,
        image: Image,
        out: Path,
        record: MadeRecord,
        target: Path | None = None,
        *,
        quality: int = 95,
        register: bool = True,
    ) -> MadeRecord:
        """The completed record of a picture, encoded by the suffix of `out`; see `finish`.

        Args:
            image: RGB uint8 (H, W, 3), as marked.
            out: the output.
            record: the record as far as it is known before signing.
            target: the picture whose face was replaced; None unless that is a single file.
            quality: quality of JPEG.
            register: False leaves it out of the known fakes, for a near copy of one that is there.

        Raises:
            MediaError: the picture cannot be encoded.
            ProvenanceError: a file cannot be signed or written.
        """
        with replacing(out, ProvenanceError) as signed:
            # In the folder of `signed`, which is gone before `out` is there: a kill leaves nothing.
            unsigned = signed.with_name(f"unsigned{out.suffix}")
            write_image(unsigned, image, quality)
            return self._finish(unsigned, signed, out, record, target, [image], (), register)

    def _finish(
        self,
        unsigned: Path,
        signed: Path,
        out: Path,
        record: MadeRecord,
        target: Path | None,
        keyframes: Sequence[Image],
        times: Sequence[Fraction],
        register: bool = True,
    ) -> MadeRecord:
        """The record of `signed`, which is then ready to be moved to `out`."""
        record = record.model_copy(update={"output": MadeOutput(name=out.name), "marks": None})
        payload = self._payload_left(keyframes)
        place = sign(
            unsigned,
            signed,
            self.signer,
            name=out.name,
            record_sha256=record.facts_sha256(),
            target=target,
            watermarked=payload is not None,
        )
        marks = MadeMarks(
            credentials=place,
            signer=self.fingerprint,
            watermark=payload,
            known_fakes=len(keyframes) if register else 0,
        )
        done = MadeOutput(name=out.name, sha256=file_sha256(signed), bytes=signed.stat().st_size)
        record = record.model_copy(update={"output": done, "marks": marks})
        if register:
            self._register(record, out, keyframes, times)
        write_record(record, record_path(out))
        if place == "sidecar":
            sidecar_path(signed).replace(sidecar_path(out))
        else:  # of an earlier output of the same name
            sidecar_path(out).unlink(missing_ok=True)
        return record

    def _payload_left(self, keyframes: Sequence[Image]) -> int | None:
        """The payload in the pixels; None without a watermark, or if no picture can hold one."""
        if self.watermark is None or not (not keyframes or any(map(fits, keyframes))):
            return None
        return self.watermark.payload

    def _register(
        self, record: MadeRecord, out: Path, keyframes: Sequence[Image], times: Sequence[Fraction]
    ) -> None:
        """Add the pictures' hashes to the local registry of known fakes."""
        still = out.suffix.lower() in IMAGE_SUFFIXES
        hashes = [
            (one, times[i] if i < len(times) and not still else None)
            for i, image in enumerate(keyframes)
            for one in hash_copies(image)
        ]
        KnownFakes(self.home).add(
            str(record.output.sha256),
            out.name,
            hashes,
            kind="image" if still else "video",
            when=record.created,
            record=record_path(out).absolute(),
        )
