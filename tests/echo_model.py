"""A swap model that gives back what it sees: conversion must then change next to nothing."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from counterface.provenance.rights import Rights
from counterface.swap.swap_model import (
    FacesetUsed,
    Generated,
    IdentityAbout,
    SwapAbout,
    SwapConfig,
    SwapModel,
    TrainedModel,
)

DRAWN = Rights(shown="drawn actors", basis="synthetic", reference="tests/actors.py")


class Echo(SwapModel):
    """RGB in, the same RGB out, optionally brighter, with a mask of ones."""

    Config = SwapConfig

    def __init__(self, size: int = 256, gain: float = 1.0, template: str = "whole_face") -> None:
        super().__init__(
            SwapConfig(template=template), in_size=size, out_size=size, code_shape=(3, size, size)
        )
        self.encoder = nn.Conv2d(3, 3, 1, bias=False)
        with torch.no_grad():
            self.encoder.weight.copy_(gain * torch.eye(3)[:, :, None, None])
        self.requires_grad_(False)

    def code(self, images: Tensor, identity: int | Tensor) -> Tensor:
        return self.encoder(images)

    def decode(self, code: Tensor, identity: int | Tensor) -> Generated:
        image = code.clamp(0, 1)
        return Generated(image, torch.ones_like(image[:, :1]))


def echo_model(
    size: int = 256, gain: float = 1.0, template: str = "whole_face", folder: str = "drawn"
) -> TrainedModel:
    """The echo as a trained model, its people with rights records."""
    model = Echo(size, gain, template).eval()
    people = tuple(
        IdentityAbout(name=name, facesets=(FacesetUsed(folder=folder, crops=1, rights=DRAWN),))
        for name in ("source", "target")
    )
    about = SwapAbout(model="echo", options={"gain": gain}, identities=people)
    return TrainedModel(model, about, 7, f"{size:064x}", Path("echo.safetensors"))
