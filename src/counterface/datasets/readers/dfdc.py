"""The Deepfake Detection Challenge: folders of clips, each with its `metadata.json`.

Dolhansky et al. 2020, https://arxiv.org/abs/2006.07397. The lists name neither the people nor the
method of a fake; people are held together only where clips share their original.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from counterface.datasets.manifest import Entry
from counterface.datasets.readers.layout import DatasetReader

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
        """One for each line of each part's metadata."""
        lists = [folder / "metadata.json"] if (folder / "metadata.json").is_file() else []
        lists += sorted(folder.glob("*/metadata.json"))
        if not lists:
            raise self.wrong(folder, "no metadata.json here or in a folder below")
        for path in lists:
            facts = self.read_json(path)
            if not isinstance(facts, dict):
                raise self.wrong(path.parent, f"{path.name} holds no table of file names")
            for name, fact in facts.items():
                yield self._entry(path, name, fact)

    def _entry(self, path: Path, name: str, fact: Any) -> Entry:
        label = _LABELS.get(fact.get("label", "")) if isinstance(fact, dict) else None
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
