"""A small, untrained swap model on disk, its people with rights records."""

from __future__ import annotations

from pathlib import Path

import torch

from counterface.learn.checkpoint import write_weights
from counterface.provenance.rights import Rights
from counterface.swap.models.df import DF
from counterface.swap.swap_model import FacesetUsed, IdentityAbout, SwapAbout, build_model


def write_df(path: Path, rights: Rights) -> Path:
    """The path, where a tiny `df` now lies."""
    torch.manual_seed(0)
    net = build_model("df", DF.TINY)
    people = tuple(
        IdentityAbout(name=name, facesets=(FacesetUsed(folder=name, crops=3, rights=rights),))
        for name in ("source", "target")
    )
    about = SwapAbout.of("df", net, people).model_dump(mode="json")
    write_weights(path, {"model": net}, {"step": 5, "about": about})
    return path
