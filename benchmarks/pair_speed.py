"""Print the CPU time of training pairs, step by step, on drawn faces: docs/datasets.md.

python benchmarks/pair_speed.py [runs/NAME/autoencoder/autoencoder.onnx]
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from drawn import DrawnBank
from timing import cpu_ms

from counterface.datasets.pairs.degrade import degrade
from counterface.datasets.pairs.remake import AutoencoderRemake
from counterface.datasets.pairs.self_blended import FaceSample, Kind, make_pair
from counterface.datasets.pairs.training_pairs import CropView, PairConfig, Sources, TrainingPairs
from counterface.faces.align import crop_matrix

SIDE = 244  # about the middle of the sizes that `TrainingPairs` works at


def main() -> None:
    cv2.setNumThreads(1)
    bank = DrawnBank((1, 2), 384)
    face, donor = (_cut(sample) for sample in bank.samples)
    weights: dict[Kind, float] = {"self_blended": 0.4, "swapped_in": 0.15, "remade": 0.45}
    chance = np.random.default_rng
    pair = make_pair(face, chance(0), weights=weights)
    pairs = TrainingPairs(Sources([bank]), PairConfig())
    steps: dict[str, Callable[[int], object]] = {
        "pseudo-fake, default shares": lambda i: make_pair(
            face, chance(i), weights=weights, donor=lambda rng: donor
        ),
        "degradation of both": lambda i: degrade([pair.real, pair.fake], chance(i)),
        "pairs[i], whole": lambda i: pairs[i],
    }
    if len(sys.argv) > 1:
        remake = AutoencoderRemake(Path(sys.argv[1]), share=1.0)
        steps["pseudo-fake of the autoencoder"] = lambda i: make_pair(
            face, chance(i), weights={"remade": 1.0}, remake=remake
        )
    for name, step in steps.items():
        print(f"{name:32} {cpu_ms(step, 150):6.2f} ms a pair")


def _cut(sample: FaceSample) -> FaceSample:
    return CropView(crop_matrix(sample.landmarks, "whole_face", SIDE), SIDE).cut(sample)


if __name__ == "__main__":
    main()
