"""Clips of drawn people and recipes of tiny models, for builds that take seconds."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

from actors import draw_clip
from swap_targets import write_target

from counterface.builds.plan import BuildConfig
from counterface.provenance.rights import Rights
from counterface.types import Image

DRAWN = Rights(shown="a drawn actor", basis="synthetic", reference="tests/actors.py")
DRAWN_FRAMES, FRAMES = 8, 5  # drawn of a person; of them in the clip of a build
RECIPES = {
    "tiny_df": 'model = "df"\n[options]\nresolution = 64\nae_dims = 32\ne_dims = 16\n'
    "d_dims = 16\nd_mask_dims = 16\n",
    "tiny_light": 'model = "lightweight"\n[options]\nwidth = 8\ncode = 16\n',
}
LOOP = (
    '[loop]\nsteps = 2\nbatch_size = 2\nlog_every = 1\ncheckpoint_every = 1\ndevice = "cpu"\n'
    "tensorboard = false\n[optimizer]\nlr = 2e-3\n"
)


@lru_cache(maxsize=8)
def draw_person(identity: int) -> tuple[Image, ...]:
    """Frames of one actor alone."""
    return tuple(item.frame.image for item in draw_clip([identity], DRAWN_FRAMES, 192, 160))


def write_people(folder: Path, identities: dict[str, int]) -> dict[str, Path]:
    """A folder with one clip for each name, sound included."""
    folders = {}
    for name, identity in identities.items():
        folders[name] = folder / "clips" / name
        folders[name].mkdir(parents=True)
        times = [Fraction(i, 25) for i in range(FRAMES)]
        images = draw_person(identity)[:FRAMES]
        write_target(folders[name] / "talk.mp4", images, times, sound_s=0.2)
    return folders


def write_recipes(folder: Path) -> dict[str, Path]:
    """Recipes of tiny models by name; two steps each."""
    for name, text in RECIPES.items():
        (folder / f"{name}.toml").write_text("preview_every = 0\n" + text + LOOP)
    return {name: folder / f"{name}.toml" for name in RECIPES}


def build_config(
    out: Path, people: dict[str, Path], methods: list[Path], **given: Any
) -> BuildConfig:
    """Settings of a small build; every person has a rights record."""
    values = {
        "out": out,
        "people": {name: {"clips": path, "rights": DRAWN} for name, path in people.items()},
        "methods": methods,
        "extract": {"size": 128},
        "convert": {"segment_s": 0.5, "threads": 1},
        **given,
    }
    return BuildConfig.model_validate(values)
