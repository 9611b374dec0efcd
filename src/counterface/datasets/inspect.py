"""What a manifest holds: how much of each kind, what leaks, what is there twice, what is gone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from counterface.config import Record
from counterface.datasets.manifest import LABELS, Entry
from counterface.datasets.split import Leak, find_leaks, linked_groups
from counterface.errors import MediaError
from counterface.media import sandbox
from counterface.provenance.fingerprint import SAME_LOOK, hash_image
from counterface.provenance.verify import decode_some
from counterface.types import Progress


class Tally(Record):
    """How many of each label."""

    real: int = 0
    fake: int = 0


class Duplicate(Record):
    """Files of the same content."""

    files: tuple[str, ...]
    labels: tuple[str, ...]  # two: one of them is wrong
    splits: tuple[str, ...]


class LookAlike(Record):
    """Two files that the manifest does not link, with a picture that looks the same."""

    files: tuple[str, str]
    bits: int  # of 256 that differ, of the closest pictures
    labels: tuple[str, str]
    splits: tuple[str, str]


class Unread(Record):
    """A file that could not be decoded."""

    file: str
    reason: str


class DatasetInfo(Record):
    """A manifest in numbers. The empty name counts what is not said."""

    entries: int
    real: int
    fake: int
    drawn_real: int  # with repeats: what training draws
    drawn_fake: int
    methods: dict[str, Tally]
    generators: dict[str, Tally]
    compressions: dict[str, Tally]
    licences: dict[str, Tally]
    splits: dict[str, Tally]
    identities: dict[str, Tally]
    without_identity: int
    sources: int
    groups: int  # linked by people and footage
    largest_group: int  # entries
    leaks: tuple[Leak, ...]
    duplicates: tuple[Duplicate, ...]
    unhashed: int
    missing: tuple[str, ...]
    look_alikes: tuple[LookAlike, ...] | None = None  # None: not looked for
    unread: tuple[Unread, ...] = ()


def describe(
    entries: Sequence[Entry], *, look_alikes: bool = False, progress: Progress | None = None
) -> DatasetInfo:
    """What a manifest holds.

    Args:
        entries: at least one.
        look_alikes: decode some frames of every file and compare them by perceptual hash.
        progress: called with files done, their number, and a name.
    """
    reals = [entry for entry in entries if entry.label == 0]
    fakes = [entry for entry in entries if entry.label == 1]
    groups = Counter(linked_groups(entries))
    alike, unread = find_look_alikes(entries, progress) if look_alikes else (None, ())
    return DatasetInfo(
        entries=len(entries),
        real=len(reals),
        fake=len(fakes),
        drawn_real=sum(entry.repeat for entry in reals),
        drawn_fake=sum(entry.repeat for entry in fakes),
        methods=_tally((entry.method, entry) for entry in entries),
        generators=_tally((entry.generator, entry) for entry in entries),
        compressions=_tally((entry.compression, entry) for entry in entries),
        licences=_tally((entry.licence, entry) for entry in entries),
        splits=_tally((entry.split, entry) for entry in entries),
        identities=_tally((who, entry) for entry in entries for who in entry.identities),
        without_identity=sum(not entry.identities for entry in entries),
        sources=len({entry.source for entry in entries} - {""}),
        groups=len(groups),
        largest_group=max(groups.values(), default=0),
        leaks=find_leaks(entries),
        duplicates=find_duplicates(entries),
        unhashed=sum(not entry.sha256 for entry in entries),
        missing=tuple(str(entry.path) for entry in entries if not entry.path.is_file()),
        look_alikes=alike,
        unread=unread,
    )


def find_duplicates(entries: Iterable[Entry]) -> tuple[Duplicate, ...]:
    """The files whose content hash is that of another file."""
    same: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.sha256:
            same[entry.sha256].append(entry)
    return tuple(
        Duplicate(
            files=tuple(str(entry.path) for entry in found),
            labels=tuple(LABELS[label] for label in sorted({entry.label for entry in found})),
            splits=tuple(sorted({entry.split for entry in found})),
        )
        for found in same.values()
        if len(found) > 1
    )


def find_look_alikes(
    entries: Sequence[Entry], progress: Progress | None = None, limit: int = SAME_LOOK
) -> tuple[tuple[LookAlike, ...], tuple[Unread, ...]]:
    """The pairs of files with a picture that looks the same, and the files that were not read.

    Pairs that people or footage link are left out: a fake looks like the clip that it was made
    from. Pictures with too little in them to be told apart are not compared.

    Args:
        entries: their files are decoded: a picture whole, of a video twelve frames.
        progress: called with files done, their number, and a name.
        limit: bits of 256 that may differ.
    """
    bits: list[tuple[bytes, bytes]] = []  # of each picture and its mirror image
    owner: list[int] = []
    unread = []
    for index, entry in enumerate(entries):
        if progress:
            progress(index, len(entries), entry.path.name)
        try:
            hashes = [hash_image(image) for image in decode_some(entry.path, sandbox.Limits())]
        except MediaError as error:
            unread.append(Unread(file=str(entry.path), reason=str(error)))
            continue
        bits += [(one.bits, one.mirrored) for one in hashes if one.usable]
        owner += [index for one in hashes if one.usable]
    groups = linked_groups(entries)
    number = {name: at for at, name in enumerate(dict.fromkeys(groups))}
    group = np.array([number[name] for name in groups], dtype=np.int64)
    found = _nearest_of_others(bits, np.array(owner, dtype=np.int64), group, limit)
    alike = [_look_alike(entries[a], entries[b], least) for (a, b), least in sorted(found.items())]
    return tuple(alike), tuple(unread)


def _nearest_of_others(
    bits: list[tuple[bytes, bytes]],
    owner: NDArray[np.int64],
    group: NDArray[np.int64],
    limit: int,
) -> dict[tuple[int, int], int]:
    """Pairs of files within the limit, of different groups, with their least distance."""
    plain = np.frombuffer(b"".join(one for one, _ in bits), np.uint64).reshape(-1, 4)
    least: dict[tuple[int, int], int] = {}
    for row, both in enumerate(bits):
        later = slice(row + 1, None)
        for version in both:
            differ = np.bitwise_count(plain[later] ^ np.frombuffer(version, np.uint64)).sum(axis=1)
            near = np.flatnonzero((differ <= limit) & (group[owner[later]] != group[owner[row]]))
            for at in near:
                pair = (int(owner[row]), int(owner[row + 1 + at]))
                least[pair] = min(int(differ[at]), least.get(pair, limit))
    return least


def _look_alike(one: Entry, other: Entry, bits: int) -> LookAlike:
    return LookAlike(
        files=(str(one.path), str(other.path)),
        bits=bits,
        labels=(LABELS[one.label], LABELS[other.label]),
        splits=(one.split, other.split),
    )


def _tally(named: Iterable[tuple[str, Entry]]) -> dict[str, Tally]:
    """Counts by name, the most frequent first."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for name, entry in named:
        counts[name][entry.label] += 1
    ordered = sorted(counts.items(), key=lambda item: (-sum(item[1]), item[0]))
    return {name: Tally(real=real, fake=fake) for name, (real, fake) in ordered}
