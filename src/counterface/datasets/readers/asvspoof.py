"""ASVspoof 2019 LA, and the evaluation parts of 2021 (LA and DF): real and synthetic speech.

Wang et al. 2020, https://arxiv.org/abs/1911.01601; Liu et al. 2023, https://arxiv.org/abs/2210.02437.
Protocols name each recording with its speaker and the system that made it. What a reader of faces
calls who is shown is here who speaks; what an attack was made from is not told, so recordings are
held together by their speaker alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from counterface.datasets.manifest import Entry
from counterface.datasets.readers.layout import DatasetReader

_SPLITS = {"train": "train", "trn": "train", "dev": "val", "eval": "test"}
_LABELS = {"bonafide": 0, "spoof": 1}
_NOTHING = ("-", "bonafide")  # in place of an attack
_KEYS = "trial_metadata.txt"


class AsvSpoof(DatasetReader):
    """Reads protocols and keys; recordings lie in the folder `flac` beside them."""

    expected: ClassVar[str] = """\
LA/                                                  (ASVspoof 2019)
  ASVspoof2019_LA_cm_protocols/
    ASVspoof2019.LA.cm.train.trn.txt                 LA_0079 LA_T_1138215 - A01 spoof
    ASVspoof2019.LA.cm.dev.trl.txt, ...eval.trl.txt  (any of the three)
  ASVspoof2019_LA_train/flac/LA_T_1138215.flac       (_dev, _eval alike)
or, of 2021:
  ASVspoof2021_LA_eval/flac/LA_E_9332881.flac        (or DF)
  keys/CM/trial_metadata.txt                         LA_0009 LA_E_9332881 alaw ita_tx A07 spoof ...
"""

    suffix: str = Field(".flac", description="how names of recordings end")

    def entries(self, folder: Path) -> Iterator[Entry]:
        """What each list says, list by list."""
        lists = sorted(folder.rglob("ASVspoof2019.*.cm.*.txt")) + sorted(folder.rglob(_KEYS))
        if not lists:
            raise self.wrong(folder, f"no list ASVspoof2019.*.cm.*.txt and no {_KEYS}")
        for path in lists:
            read = self._keys if path.name == _KEYS else self._protocol
            yield from read(folder, path)

    def _protocol(self, folder: Path, path: Path) -> Iterator[Entry]:
        """Speaker, recording, a column without use, attack, class."""
        parts = path.name.split(".")
        split = _SPLITS.get(parts[3]) if len(parts) > 4 else None
        if split is None:
            raise self.wrong(path.parent, f"{path.name!r} names neither train, dev nor eval")
        sounds = folder / f"ASVspoof2019_{parts[1]}_{parts[3]}" / "flac"
        for words in self._rows(path, 5):
            yield self._entry(path, sounds, words[0], words[1], words[3], words[4], split, "")

    def _keys(self, folder: Path, path: Path) -> Iterator[Entry]:
        """Speaker, recording, codec, transmission or source, attack, class, and columns on trials.

        The split is `test`: 2021 has no other part of its own.
        """
        for words in self._rows(path, 6):
            kind = words[1].partition("_")[0]
            sounds = folder / f"ASVspoof2021_{kind}_eval" / "flac"
            found = (words[0], words[1], words[4], words[5])
            yield self._entry(path, sounds, *found, "test", words[2])

    def _rows(self, path: Path, least: int) -> Iterator[list[str]]:
        for line in self.read_lines(path):
            words = line.split()
            if len(words) < least:
                raise self.wrong(path.parent, f"{path.name}: {line[:80]!r} has not {least} columns")
            yield words

    def _entry(
        self,
        path: Path,
        sounds: Path,
        speaker: str,
        name: str,
        attack: str,
        kind: str,
        split: str,
        compression: str,
    ) -> Entry:
        label = _LABELS.get(kind)
        if label is None or (attack not in _NOTHING) != bool(label):
            what = f"{name!r} is {kind[:40]!r} by {attack[:40]!r}"
            raise self.wrong(path.parent, f"{path.name}: {what}; use bonafide with -, or spoof")
        if Path(name).name != name:
            raise self.wrong(path.parent, f"{path.name}: {name[:80]!r} is no name of a recording")
        person = f"asvspoof:{speaker}"
        method = attack if label else "speech"
        made = attack if label else ""
        file = sounds / f"{name}{self.suffix}"
        return Entry(file, label, method, "", (person,), made, compression, split)
