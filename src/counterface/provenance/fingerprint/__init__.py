"""Perceptual hashes of pictures, and the registry of known fakes that is searched by them.

Traps: a swap changes a small part of a picture, so the untouched footage that it was made from
mostly matches too. A match says that a file looks like a registered one, never that it is a fake.
"""

from __future__ import annotations

from counterface.provenance.fingerprint.exchange import (
    ListImport,
    WrongRow,
    export_known_fakes,
    import_known_fakes,
)
from counterface.provenance.fingerprint.pdq import (
    HASH_BYTES,
    MIN_QUALITY,
    ImageHash,
    hash_copies,
    hash_image,
    hash_looks,
)
from counterface.provenance.fingerprint.registry import KnownFake, KnownFakeMatch, KnownFakes
from counterface.provenance.fingerprint.search import SAME_LOOK, Hashes, find_alike

__all__ = [
    "HASH_BYTES",
    "MIN_QUALITY",
    "SAME_LOOK",
    "Hashes",
    "ImageHash",
    "KnownFake",
    "KnownFakeMatch",
    "KnownFakes",
    "ListImport",
    "WrongRow",
    "export_known_fakes",
    "find_alike",
    "hash_copies",
    "hash_image",
    "hash_looks",
    "import_known_fakes",
]
