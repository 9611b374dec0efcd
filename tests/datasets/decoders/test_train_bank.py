"""A bank trained on drawn faces: one file a decoder, and what is done is left alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_samples import head_sample, write_heads

from counterface.config import read_config
from counterface.datasets.decoders.architectures import ARCHITECTURES, DecoderNet
from counterface.datasets.decoders.bank import open_bank
from counterface.datasets.decoders.train_bank import DecodersConfig, train_decoders

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.slow
def test_a_bank_is_trained_once_and_redraws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    tiny = DecoderNet(up="nearest", halvings=2, code=4, side=32)
    monkeypatch.setitem(ARCHITECTURES, "tiny", tiny)
    write_heads(tmp_path / "heads", {"clip": (1, 2)}, side=96)
    config = DecodersConfig.model_validate(
        {
            "out": tmp_path / "bank",
            "facesets": [tmp_path / "heads"],
            "decoders": ["tiny"],
            "steps": 2,
            "batch": 2,
            "loop": {"device": "cpu", "tensorboard": False, "log_every": 1, "winograd": False},
        }
    )
    told: list[str] = []
    summary = train_decoders(config, progress=lambda name, step, values: told.append(name))
    assert (summary.decoders, summary.trained) == (("tiny",), ("tiny",))
    assert set(told) == {"tiny"}
    assert train_decoders(config).trained == ()
    (decoder,) = open_bank(tmp_path / "bank")
    image = head_sample(1, 40).image
    assert decoder.redraw(image, np.random.default_rng(0)).shape == image.shape


def test_the_shipped_recipe_is_valid():
    config = read_config(DecodersConfig, ROOT / "recipes" / "decoders.toml")
    assert set(config.decoders) == set(ARCHITECTURES)
