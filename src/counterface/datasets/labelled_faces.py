"""Labelled crops and clips of a face store as training examples, each a pure function of its index.

The order is a shuffled round over the clips, then another; a run that starts again at step s sees
what an uninterrupted one would have seen. Balanced classes take turns, each with rounds of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from counterface.config import Record
from counterface.datasets.augment import AugmentConfig, augment, cut_mix
from counterface.datasets.face_store import place_in_clip, stored_hashes
from counterface.datasets.manifest import LABELS, Entry
from counterface.errors import TrainingError
from counterface.faceset.row import Row
from counterface.faceset.store import Faceset
from counterface.types import Image


class DrawConfig(Record):
    """The order in which clips come."""

    balance: Literal["even", "repeat"] = Field(
        "even", description="even: real and fake alternate; repeat: follow the manifest's `repeat`"
    )
    seed: int = Field(0, ge=0, description="seed for the order and the augmentation")


@dataclass(frozen=True, slots=True, eq=False)
class FaceClip:
    """What is judged at once: one crop, or those of one person at one moment."""

    entry: int  # place in the list of entries
    label: int
    rows: tuple[Row, ...]


class FacePool:
    """The clips of a manifest's entries, out of a face store."""

    def __init__(
        self,
        entries: Sequence[Entry],
        folder: Path,
        template: str,
        size: int,
        frames: int = 1,
        step: int = 1,
    ) -> None:
        """Look up the clips; no picture is read yet.

        Args:
            entries: entries of a manifest.
            folder: made by `counterface dataset faces`.
            template: that the detector wants.
            size: its crop side, pixels.
            frames: crops that it judges together; 1 takes every crop of the store by itself.
            step: frames of the video from one to the next; of clips.

        Raises:
            FacesetError: no store there.
            ShapeError: crops of another template or size.
            TrainingError: clips of another kind, or no face of any entry.
        """
        self.entries = tuple(entries)
        self.frames = frames
        self.store = Faceset.open(folder)
        self.store.require_template(template, size)
        if frames > 1:
            self._require_clips(frames, step)
        rows: dict[str, list[Row]] = defaultdict(list)
        for row in self.store:
            rows[row.source_sha256].append(row)
        self.clips: list[FaceClip] = []
        for number, sha256 in enumerate(stored_hashes(self.entries, folder)):
            label = self.entries[number].label
            for group in _clips(rows.get(sha256, []), frames):
                self.clips.append(FaceClip(number, label, group))
        if not self.clips:
            raise TrainingError(
                f"{folder}: holds no face of any of {len(self.entries)} files; cut them by "
                f"'counterface dataset faces MANIFEST {folder} --template {template} --size {size}"
                f"{f' --frames {frames} --step {step}' if frames > 1 else ''}'"
            )

    def of_entries(self, wanted: Sequence[Entry]) -> list[FaceClip]:
        """The clips of some of the entries, in order."""
        paths = {entry.path for entry in wanted}
        return [clip for clip in self.clips if self.entries[clip.entry].path in paths]

    def read(self, clip: FaceClip) -> list[Image]:
        """The crops of a clip, RGB uint8 (S, S, 3) each.

        Raises:
            MediaError: a file cannot be read.
        """
        return [self.store.read(row).image for row in clip.rows]

    def stack(self, frames: Sequence[Image]) -> Image:
        """The crops as one array: (S, S, 3), or (T, S, S, 3) for a detector of clips."""
        return frames[0] if self.frames == 1 else np.stack(frames)

    def _require_clips(self, frames: int, step: int) -> None:
        """Check that the store's clips are long enough and as far apart as wanted."""
        kinds = {
            (int(s.options.get("frames") or 1), int(s.options.get("step") or 1))
            for s in self.store.header.sources
        }
        if any(have < frames or apart != step for have, apart in kinds):
            raise TrainingError(
                f"{self.store.folder} holds clips of {sorted(kinds)} (frames, step), the detector "
                f"judges {frames} frames {step} apart; cut them by 'counterface dataset faces' "
                f"with --frames {frames} --step {step} into another folder"
            )


class LabelledFaces:
    """`faces[i]`: images uint8 (S, S, 3) or (T, S, S, 3), labels float32 (), 1 = fake."""

    def __init__(
        self,
        pool: FacePool,
        clips: Sequence[FaceClip],
        draw: DrawConfig | None = None,
        augment: AugmentConfig | None = None,
    ) -> None:
        """Settle the order.

        Args:
            pool: where the clips are from.
            clips: those that are trained on.
            draw: the order.
            augment: what each example goes through.

        Raises:
            TrainingError: a class has no clip.
        """
        self.pool, self.clips = pool, list(clips)
        self.draw, self.augment = draw or DrawConfig(), augment or AugmentConfig()
        of_label: list[list[int]] = [[], []]
        for number, clip in enumerate(self.clips):
            of_label[clip.label] += [number] * pool.entries[clip.entry].repeat
        for label, numbers in enumerate(of_label):
            if not numbers:
                raise TrainingError(
                    f"no {LABELS[label]} face among {len(self.clips)} clips to train on; a "
                    "detector needs both classes in the split 'train'"
                )
        even = self.draw.balance == "even"
        self._lists = of_label if even else [[*of_label[0], *of_label[1]]]
        self._rounds: dict[tuple[int, int], NDArray[np.intp]] = {}

    def __len__(self) -> int:
        """Examples until the larger class (or every clip) has come once."""
        return len(self._lists) * max(map(len, self._lists))

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The example of an index, whatever was asked for before."""
        rng = np.random.default_rng((self.draw.seed, index))
        clip = self.clips[self.clip_at(index)]
        frames, label = self.pool.read(clip), float(clip.label)
        frames = augment(frames, rng, self.augment)
        if rng.random() < self.augment.cutmix:
            donor = self.clips[int(rng.integers(len(self.clips)))]
            other = augment(self.pool.read(donor), rng, self.augment)
            frames, share = cut_mix(frames, other, rng)
            label = (1 - share) * label + share * donor.label
        return {"images": self.pool.stack(frames), "labels": np.float32(label)}

    def clip_at(self, index: int) -> int:
        """The number of the clip that an index shows."""
        turn, kind = divmod(index, len(self._lists))
        numbers = self._lists[kind]
        lap, place = divmod(turn, len(numbers))
        if (kind, lap) not in self._rounds:
            self._rounds = {k: v for k, v in self._rounds.items() if k[0] != kind}
            rng = np.random.default_rng((self.draw.seed, kind, lap, 1))
            self._rounds[kind, lap] = rng.permutation(len(numbers))
        return numbers[int(self._rounds[kind, lap][place])]


def _clips(rows: Sequence[Row], frames: int) -> list[tuple[Row, ...]]:
    """The rows of one file in clips; a moment that lacks a frame has none."""
    if frames == 1:
        return [(row,) for row in rows]
    moments: dict[int, dict[int, Row]] = defaultdict(dict)
    for row in rows:
        if (at := place_in_clip(row.file)) is not None:
            moments[at[0]][at[1]] = row
    wanted = range(frames)
    return [
        tuple(places[place] for place in wanted)
        for _, places in sorted(moments.items())
        if all(place in places for place in wanted)
    ]
