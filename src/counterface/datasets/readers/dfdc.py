"""The Deepfake Detection Challenge: its training parts, its test set, and the preview before it.

Dolhansky et al. 2020, https://arxiv.org/abs/2006.07397. The lists name neither the people nor the
method of a fake; people are held together only where clips share their original. The preview
(Dolhansky et al. 2019, https://arxiv.org/abs/1910.08854) names both.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from counterface.datasets.manifest import Entry, read_label, read_rows
from counterface.datasets.readers.layout import FACE_SWAP, DatasetReader
from counterface.errors import ConfigError
from counterface.media.find_media import find_media

METHOD = "mixed"  # several swaps, talking heads and voice alone; the lists do not say which
_LABELS = {"REAL": 0, "FAKE": 1}
_SPLITS = {"train": "train", "validation": "val", "val": "val", "test": "test"}


class Dfdc(DatasetReader):
    """Reads one part, or a folder of parts."""

    expected: ClassVar[str] = """\
DFDC/
  dfdc_train_part_0/          (any number of parts, or one part's files right here)
    metadata.json             {"a.mp4": {"label": "FAKE", "split": "train", "original": "b.mp4"},
    a.mp4                      "b.mp4": {"label": "REAL", "split": "train"}}
    b.mp4
"""

    def entries(self, folder: Path) -> Iterator[Entry]:
        """An entry for each line of each part's metadata."""
        lists = [folder / "metadata.json"] if (folder / "metadata.json").is_file() else []
        lists += sorted(folder.glob("*/metadata.json"))
        if not lists:
            raise self.wrong(folder, "no metadata.json here or in a folder below")
        if lists[0].parent != folder:
            self.beside_lists(folder, {path.parent for path in lists}, "metadata.json")
        for path in lists:
            for name, fact in _read_facts(self, path).items():
                yield self._entry(path, name, fact)

    def _entry(self, path: Path, name: str, fact: dict[str, Any]) -> Entry:
        label = _LABELS.get(fact.get("label", ""))
        if label is None:
            raise self.wrong(path.parent, f"{path.name}: {name!r} has no label REAL or FAKE")
        original = fact.get("original") or name
        return Entry(
            path.parent / name,
            label,
            method=METHOD if label else "actors",
            source=f"dfdc:{Path(original).stem}",
            generator="dfdc" if label else "",
            split=_SPLITS.get(fact.get("split", ""), ""),
        )


class DfdcTest(DatasetReader):
    """Reads the challenge's test set, whose labels were given out after it."""

    expected: ClassVar[str] = """\
DFDC_test/
  labels.csv                  filename,label with label 0 or REAL, 1 or FAKE
  aa.mp4                      the clips, beside it or below
"""

    def entries(self, folder: Path) -> Iterator[Entry]:
        """An entry for each line of the list; the test set tells neither people nor originals."""
        below = {path.name: path for path in find_media([folder])}
        for number, row in enumerate(self._rows(folder / "labels.csv"), start=2):
            name = (row.get("filename") or "").strip()
            label = read_label(row.get("label") or "")
            if not name or label is None:
                text = f"labels.csv, line {number}: {name!r} has label {row.get('label')!r}"
                raise self.wrong(folder, f"{text}; REAL, FAKE, 0 or 1 = fake is needed")
            yield Entry(
                below.get(name, folder / name),
                label,
                method=METHOD if label else "actors",
                source=f"dfdc:{Path(name).stem}",
                generator="dfdc" if label else "",
                split="test",
            )

    def _rows(self, path: Path) -> list[dict[str, str]]:
        try:
            rows = read_rows(path)
        except ConfigError as error:
            raise self.wrong(path.parent, str(error)) from error
        if rows and not {"filename", "label"} <= rows[0].keys():
            raise self.wrong(path.parent, f"{path.name} has the columns {list(rows[0])}")
        return rows


class DfdcPreview(DatasetReader):
    """Reads the preview of the challenge (DFDCP): two methods, paid actors by number."""

    expected: ClassVar[str] = """\
DFDCP/
  dataset.json                {"method_A/12/34/12_34_A_001.mp4": {"label": "fake", "set": "train",
  original_videos/12/...        "target_id": 12, "swapped_id": 34}, ...}
  method_A/..., method_B/...
"""

    def entries(self, folder: Path) -> Iterator[Entry]:
        """An entry for each line of the list."""
        for name, fact in _read_facts(self, folder / "dataset.json").items():
            label = read_label(str(fact.get("label", "")))
            split = _SPLITS.get(str(fact.get("set", "")))
            if label is None or split is None:
                raise self.wrong(
                    folder, f"dataset.json: {name!r} lacks a label real or fake or a set"
                )
            people = [fact.get(key) for key in ("target_id", "swapped_id")]
            method = PurePosixPath(name).parts[0]
            yield Entry(
                folder / PurePosixPath(name),
                label,
                method=FACE_SWAP if label else "actors",
                source=f"dfdcp:{PurePosixPath(name).with_suffix('')}",
                identities=tuple(f"dfdcp:{who}" for who in people if who not in (None, "")),
                generator=f"dfdcp:{method}" if label else "",
                split=split,
            )


def _read_facts(reader: DatasetReader, path: Path) -> dict[str, dict[str, Any]]:
    """What a list says of each file name; nothing where that is no table."""
    facts = reader.read_json(path)
    if not isinstance(facts, dict):
        raise reader.wrong(path.parent, f"{path.name} holds no table of file names")
    return {name: fact if isinstance(fact, dict) else {} for name, fact in facts.items()}
