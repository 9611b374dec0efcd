"""Milliseconds a frame of merging a generated face into 720p, on one core.

    python benchmarks/merge_speed.py                  # 128 px crop over a face 250 px wide
    python benchmarks/merge_speed.py --size 224 --eyes 60 --runs 100

The default settings by phase, then every setting that costs time, on top of the default. The bar
is 10 ms for the default: conversion at 12 frames/s has 83 ms for everything. Fastest of all runs:
other work on the machine only ever adds time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import cv2
import numpy as np
from drawn import FRONTAL, NEUTRAL, add_actor

from counterface.faces.align import crop_matrix, warp_image
from counterface.faces.blend import clone_seamlessly, crop_region, mask_region, paste, shift_matrix
from counterface.registry import COLOR_TRANSFERS
from counterface.swap.merge import mask as masks
from counterface.swap.merge import merge_face as merging
from counterface.swap.merge.merge_face import Swapped, merge_face, warp_into
from counterface.swap.merge.settings import MergeSettings
from counterface.types import Image

WIDTH, HEIGHT, BAR = 1280, 720, 10.0  # ms


def draw(size: int, eyes: float, template: str) -> tuple[Image, Swapped]:
    """A drawn actor in a 720p frame, and another's face made for it."""
    room = np.random.default_rng(0).integers(90, 110, (HEIGHT, WIDTH, 3), np.uint8)
    centre = np.array([WIDTH * 0.45, HEIGHT * 0.42])
    target = add_actor(room, 2, FRONTAL, NEUTRAL, centre, eyes)
    source = add_actor(room, 1, FRONTAL, NEUTRAL, centre, eyes)
    face = warp_image(source.image, crop_matrix(source.landmarks, template, size), size)
    matrix = crop_matrix(target.landmarks, template, size)
    learned = masks.choose_mask(MergeSettings(), target.landmarks, matrix, size)
    learned = cv2.resize(learned, (size, size))
    return target.image, Swapped(face, learned, matrix, target.landmarks)


def fastest(call: Callable[[], object], runs: int) -> float:
    """Milliseconds."""
    best = float("inf")
    for _ in range(runs):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return 1000 * best


def phases(frame: Image, swapped: Swapped, runs: int) -> dict[str, float]:
    """Milliseconds of the parts of a default merge."""
    settings, size = MergeSettings(), swapped.image.shape[0]
    matrix = swapped.frame_to_crop
    region = crop_region(matrix, size, frame.shape[:2], 16)
    plain = merging._choose(swapped, settings, size)
    face = masks.face_size(swapped.landmarks, matrix) / size * masks.MASK_SIZE
    shaped = masks.shape_mask(plain, settings, face)
    to_crop = shift_matrix(matrix, region)
    mask = merging._warp_mask(shaped, to_crop, size, region)
    seen = mask_region(mask, 16)
    inner = seen.within(region)
    around = np.ascontiguousarray(frame[region.window])
    window, mask_window = np.ascontiguousarray(frame[inner.window]), mask[seen.window]
    layer = warp_into(swapped.image, shift_matrix(matrix, inner), inner.shape)
    return {
        "mask: draw, shrink, soften": fastest(
            lambda: masks.shape_mask(merging._choose(swapped, settings, size), settings, face), runs
        ),
        "mask: into the frame": fastest(
            lambda: mask_region(merging._warp_mask(shaped, to_crop, size, region), 16), runs
        ),
        "colour": fastest(
            lambda: merging._recolor(swapped.image, around, to_crop, plain, settings), runs
        ),
        "face: into the frame": fastest(
            lambda: warp_into(swapped.image, shift_matrix(matrix, inner), inner.shape), runs
        ),
        "blend": fastest(lambda: paste(layer, window, mask_window), runs),
        "new frame and mask": fastest(
            lambda: (frame.copy(), np.zeros(frame.shape[:2], np.float32)[inner.window].fill(0)),
            runs,
        ),
    } | {
        "(seamless in place of blend)": fastest(
            lambda: clone_seamlessly(layer, window, mask_window), min(runs, 10)
        )
    }


CHANGES: tuple[dict[str, object], ...] = (
    *({"color_transfer": name} for name in COLOR_TRANSFERS.names()),
    {"blend": "seamless"},
    {"blend": "raw"},
    {"mask": "learned_x_hull"},
    {"mask": "none"},
    {"resample": "linear"},
    {"resample": "lanczos"},
    *({"sharpen": kind} for kind in ("box", "gaussian", "unsharp")),
    {"denoise": 20.0},
    {"motion_blur": 50.0},
    {"resolution": 50.0},
    {"noise": 4.0},
    {"jpeg_quality": 60},
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=128, help="side of the crop, pixels")
    parser.add_argument("--eyes", type=float, default=75.0, help="eye distance in the frame, px")
    parser.add_argument("--template", default="whole_face")
    parser.add_argument("--runs", type=int, default=50)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    frame, swapped = draw(options.size, options.eyes, options.template)
    print(f"{options.size} px crop, {options.template}, eyes {options.eyes:g} px apart, 1 thread")
    for name, cost in phases(frame, swapped, options.runs).items():
        print(f"  {name:30s} {cost:7.2f} ms")
    base = fastest(lambda: merge_face(frame, swapped, MergeSettings()), options.runs)
    print(f"default merge: {base:.2f} ms, bar {BAR:g} ms: {'met' if base <= BAR else 'MISSED'}")
    motion = np.array([12.0, 4.0], np.float32)
    for change in CHANGES:
        settings = MergeSettings.model_validate(change)
        slow = change.get("color_transfer") in ("idt", "sot", "mix")
        cost = fastest(
            lambda s=settings: merge_face(frame, swapped, s, motion),
            min(options.runs, 3 if slow else 20),
        )
        name, value = next(iter(change.items()))
        print(f"  {name + ' = ' + str(value):30s} {cost:7.2f} ms")


if __name__ == "__main__":
    main()
