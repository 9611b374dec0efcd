"""Print what each decoder of a bank does to genuine faces: docs/results.md.

python benchmarks/decoder_bank.py runs/decoders faces/stills [faces/more ...]

PSNR and sharpness of head crops brought to 128 px, CPU time at 128 and 256 px, size of the file.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
from timing import cpu_ms

from counterface.datasets.decoders.bank import open_bank
from counterface.datasets.pairs.faceset_bank import FacesetBank, open_for_training
from counterface.datasets.twins.sharpness import log_sharpness
from counterface.faces.align import crop_matrix, warp_image
from counterface.types import Image

FACES = 6  # of each faceset, spread evenly
SIDE = 128


def read_faces(folders: list[Path]) -> list[Image]:
    """`whole_face` crops of 128 px."""
    found = []
    for folder in folders:
        bank = FacesetBank(open_for_training(folder))
        for index in np.linspace(0, len(bank) - 1, FACES).round().astype(int):
            face = bank[int(index)]
            matrix = crop_matrix(face.landmarks, "whole_face", SIDE)
            found.append(warp_image(face.image, matrix, SIDE))
    return found


def main() -> None:
    faces = read_faces([Path(text) for text in sys.argv[2:]])
    print(f"{len(faces)} faces of {SIDE} px")
    print("decoder          PSNR dB (least)   sharper (log)   ms at 128, 256 px   MB")
    everywhere = np.ones((SIDE, SIDE), np.float32)
    for decoder in open_bank(Path(sys.argv[1])):
        rng = np.random.default_rng(0)
        drawn = [decoder.redraw(face, rng) for face in faces]
        errors = [np.mean((a.astype(float) - b) ** 2) for a, b in zip(faces, drawn, strict=True)]
        psnr = 10 * np.log10(255**2 / np.maximum(errors, 1e-6))
        sharper = np.mean(
            [
                log_sharpness(b, everywhere) - log_sharpness(a, everywhere)
                for a, b in zip(faces, drawn, strict=True)
            ]
        )
        large = np.asarray(cv2.resize(faces[0], (256, 256)), np.uint8)
        times = [
            cpu_ms(lambda _, d=decoder, i=image, r=rng: d.redraw(i, r), 3)
            for image in (faces[0], large)
        ]
        size = decoder.path.stat().st_size / 1e6
        print(
            f"{decoder.name:16} {psnr.mean():6.1f} ({psnr.min():.1f}) {sharper:15.2f}"
            f" {times[0]:12.0f}, {times[1]:.0f} {size:10.1f}"
        )


if __name__ == "__main__":
    main()
