"""A genuine picture and its fake as files: signed, recorded, masked, and alike in all else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counterface.builds.genuine import pad_like
from counterface.datasets.manifest import Entry
from counterface.faceset.extract import ExtractConfig, extract
from counterface.faceset.row import Row
from counterface.faceset.store import Faceset
from counterface.files import file_sha256, make_folder, write_bytes
from counterface.media.image import encode_image, encode_mask
from counterface.provenance.mark import Marker
from counterface.provenance.record import MadeInput, MadeOutput, MadeRecord, MadeRights
from counterface.provenance.rights import Rights
from counterface.types import Image, Mask, Progress

FORMATS = {"jpg": "JPEG", "png": "PNG"}  # by suffix


@dataclass(frozen=True, slots=True)
class PairFiles:
    """One pair of pictures on disk."""

    out: Path
    person: str
    number: int
    suffix: str

    @property
    def real(self) -> Path:
        """The path of the genuine picture."""
        return self._file("real", self.suffix)

    @property
    def fake(self) -> Path:
        """The path of the fake."""
        return self._file("fake", self.suffix)

    @property
    def mask(self) -> Path:
        """The path of the mask, white where all is foreign."""
        return self._file("masks", "png")

    def _file(self, kind: str, suffix: str) -> Path:
        return self.out / kind / self.person / f"{self.number:06d}.{suffix}"


def find_faces(
    out: Path,
    name: str,
    files: Sequence[Path],
    config: ExtractConfig,
    rights: Rights,
    progress: Progress,
) -> tuple[Faceset, list[str]]:
    """The faceset of a person or set, kept below `out`, and the files that gave nothing."""
    folder = out / "work" / "faces" / name
    settings = config.model_copy(update={"rights": rights})
    summary = extract(files, folder, settings, progress=progress)
    failed = [f"{source.path}: {source.error}" for source in summary.failed]
    return Faceset.open(folder), failed


def pair_record(
    place: PairFiles, row: Row, settings: Mapping[str, Any], rights: Rights
) -> MadeRecord:
    """What is recorded of a fake: the file that its face is of, and how it was made."""
    return MadeRecord(
        output=MadeOutput(name=place.fake.name),
        inputs=(MadeInput(role="target", name=row.source, sha256=row.source_sha256),),
        settings=dict(settings),
        rights=(MadeRights(of="target", rights=rights),),
    )


def licence_of(rights: Rights) -> str:
    """What a manifest says of a rights record: its basis and reference."""
    return f"{rights.basis}: {rights.reference}"


def pair_entries(
    place: PairFiles, method: str, generator: str, rights: Rights, **common: Any
) -> tuple[Entry, Entry]:
    """The genuine picture and the fake of a manifest.

    Args:
        place: where both are.
        method: method of the fake.
        generator: generator of the fake.
        rights: give the licence of both.
        common: further fields of both.
    """
    common["licence"] = licence_of(rights)
    real = Entry(place.real, 0, "genuine", sha256=file_sha256(place.real), **common)
    made = common | {"generator": generator, "mask": place.mask}
    fake = Entry(place.fake, 1, method, sha256=file_sha256(place.fake), **made)
    return real, fake


def write_pair(
    place: PairFiles,
    real: Image,
    fake: Image,
    mask: Mask,
    record: MadeRecord,
    quality: int,
    marker: Marker,
) -> None:
    """Write both pictures, the mask and the record; the real picture comes last.

    Args:
        place: where; folders are made.
        real: RGB uint8 (H, W, 3).
        fake: picture of the same shape.
        mask: float32 (H, W) in [0, 1].
        record: all that is known of the fake before signing.
        quality: quality of JPEG, 1 to 100.
        marker: what signs.

    Raises:
        MediaError: a file cannot be written.
        ProvenanceError: the fake cannot be signed.
    """
    for path in (place.real, place.fake, place.mask):
        make_folder(path.parent)
    marker.finish_image(fake, place.fake, record, quality=quality)
    write_bytes(place.mask, encode_mask(mask))
    plain = encode_image(real, FORMATS[place.suffix], quality)
    write_bytes(place.real, pad_like(plain, place.fake.read_bytes()))
