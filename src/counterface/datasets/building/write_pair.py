"""A genuine picture and its fake as files: signed, recorded, masked, and alike in all else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from counterface.aside import make_folder, write_bytes
from counterface.datasets.building.genuine import pad_like
from counterface.media.image import encode_image, encode_mask
from counterface.provenance.mark import Marker
from counterface.provenance.record import MadeRecord
from counterface.types import Image, Mask

FORMATS = {"jpg": "JPEG", "png": "PNG"}  # by suffix


@dataclass(frozen=True, slots=True)
class Place:
    """One pair of pictures on disk."""

    out: Path
    person: str
    number: int
    suffix: str

    @property
    def real(self) -> Path:
        """Of the genuine picture."""
        return self.out / "real" / self.person / f"{self.number:06d}.{self.suffix}"

    @property
    def fake(self) -> Path:
        """Of the fake."""
        return self.out / "fake" / self.person / f"{self.number:06d}.{self.suffix}"

    @property
    def mask(self) -> Path:
        """Of the mask, white where all is foreign."""
        return self.out / "masks" / self.person / f"{self.number:06d}.png"


def write_pair(
    place: Place,
    real: Image,
    fake: Image,
    mask: Mask,
    record: MadeRecord,
    quality: int,
    marker: Marker,
) -> None:
    """Nothing; both pictures, the mask and the record are there, the real picture last.

    Args:
        place: where; folders are made.
        real: RGB uint8 (H, W, 3).
        fake: of the same shape.
        mask: float32 (H, W) in [0, 1].
        record: all that is known of the fake before signing.
        quality: of JPEG, 1 to 100.
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
