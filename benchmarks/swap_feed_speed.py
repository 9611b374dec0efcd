"""What feeding a swap model costs: a warp, a whole example, a colour transfer; processor time.

Bars: random grid warp and affine of a 128 px crop under 1 ms; a side of an example at 64 px under
3 ms. Colour transfers stand next to the published milliseconds for a 256 px face.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from drawn import draw_actor, write_person
from timing import cpu_ms

from counterface.faces.align import compose
from counterface.faceset.store import Faceset
from counterface.registry import COLOR_TRANSFERS
from counterface.swap.training.examples import ExamplesConfig, SwapExamples
from counterface.swap.training.warp import (
    cell_warp,
    grid_warp,
    invert,
    landmark_warp,
    random_move,
    sample_input,
    sample_target,
)

WARP_BAR, SIDE_BAR = 1.0, 3.0  # ms
PUBLISHED = {"rct": 4.5, "lct": 4.5, "mkl": 7, "idt": 230, "mix": 580, "sot": 1650}
CROPS = 24  # a person
ROUNDS = 5  # of which the best counts


def measure_warps() -> float:
    """Print input and target of a 128 px crop by each warp; the cost of the grid warp, ms."""
    rng = np.random.default_rng(0)
    image = draw_actor(1, size=256).image
    frame = np.array([[150.0, 0, 50], [0, 150, 50]])  # the crop's place in the picture
    points = [draw_actor(person, size=256).landmarks / 256 for person in (1, 2)]
    kinds = {
        "grid": lambda: grid_warp(rng),
        "cell": lambda: cell_warp(rng),
        "landmarks": lambda: landmark_warp(*points),
    }

    def make(kind: str) -> None:
        move, _ = random_move(rng, 10, 0.05, 0.05, 0.5)
        matrix, warp = compose(frame, invert(move)), kinds[kind]()
        sample_input(image, warp, matrix, 128)
        sample_target(image, warp, matrix, 128)

    costs = {kind: cpu_ms(lambda _, k=kind: make(k), 100, ROUNDS) for kind in kinds}  # type: ignore[misc]
    for kind, cost in costs.items():
        bar = f"   bar {WARP_BAR} ms" if kind == "grid" else ""
        print(f"affine + {kind:9s} warp, input and target, 128 px {cost:8.2f} ms{bar}")
    return costs["grid"]


def measure_examples(folder: Path) -> float:
    """Print the cost of a side under some settings; that of the defaults at 64 px, ms."""
    people = [[write_person(folder / str(p), p, CROPS, side=256)] for p in (1, 2)]
    everything = {"hsv_power": 0.1, "lightness_jitter": 0.3, "color_jitter": 0.08, "clahe": 0.5}
    cases: dict[str, tuple[dict[str, object], int, int]] = {
        "defaults": ({}, 64, 64),
        "defaults, 128 px": ({}, 128, 128),
        "nothing cached: decoding each time": ({"cache_mb": 0}, 64, 64),
        "cell warp": ({"warp": "cell"}, 64, 64),
        "cell warp, 128 px": ({"warp": "cell"}, 128, 128),
        "landmark warp, 64 to 128 px": ({"warp": "landmarks"}, 64, 128),
        "all colour augmentation": (everything, 64, 64),
        "colour transfer rct, at load": ({"color_transfer": "rct"}, 64, 64),
        "colour transfer rct, each time": (
            {"color_transfer": "rct", "color_transfer_at": "item"},
            64,
            64,
        ),
    }
    costs = {}
    for name, (options, in_size, out_size) in cases.items():
        costs[name] = measure_side(people, options, in_size, out_size)
        bar = f"   bar {SIDE_BAR} ms" if name == "defaults" else ""
        rate = 1000 / costs[name]
        print(f"one side, {name:36s} {costs[name]:7.2f} ms {rate:6.0f} images/s a core{bar}")
    return costs["defaults"]


def measure_side(
    people: list[list[Faceset]], options: dict[str, object], in_size: int, out_size: int
) -> float:
    """Milliseconds for one of the two sides of an example, crops as warm as the cache lets them."""
    config = ExamplesConfig(**options)  # type: ignore[arg-type]
    examples = SwapExamples(people, config, "face", in_size, out_size)
    for index in range(CROPS):
        examples[index]
    return cpu_ms(lambda index: examples[index], 2 * CROPS, ROUNDS) / 2


def measure_transfers() -> None:
    """Print what each colour transfer costs for a 256 px face."""
    face, like = draw_actor(1, size=256), draw_actor(4, size=256)
    for name in sorted(COLOR_TRANSFERS.built_in):
        transfer = COLOR_TRANSFERS.load(name)
        count = 2 if name in ("idt", "mix", "sot") else 20
        cost = cpu_ms(
            lambda _, f=transfer: f(face.image, like.image, face.mask, like.mask),  # type: ignore[misc]
            count,
            ROUNDS,
        )
        published = f"   published {PUBLISHED[name]} ms" if name in PUBLISHED else ""
        print(f"colour transfer {name:10s} 256 px {cost:8.2f} ms{published}")


def main() -> int:
    """Print all; 1 if a bar is missed."""
    cv2.setNumThreads(1)
    warp = measure_warps()
    with tempfile.TemporaryDirectory() as folder:
        side = measure_examples(Path(folder))
    measure_transfers()
    return int(warp >= WARP_BAR or side >= SIDE_BAR)


if __name__ == "__main__":
    sys.exit(main())
