"""Twins as files: a manifest of both, alike in all but the mask, continued after a kill."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from actors import draw_actor
from drawn_people import DRAWN, write_people

from counterface.builds import write_pair as module
from counterface.builds.twins import TwinsConfig, build_twins
from counterface.config import read_config
from counterface.datasets.decoders.architectures import DecoderNet
from counterface.datasets.decoders.autoencoder import FaceAutoencoder, export_autoencoder
from counterface.datasets.manifest import read_manifest
from counterface.errors import ConfigError, RightsError
from counterface.media.image import read_image, write_image
from counterface.provenance.credentials import carries_credentials
from counterface.provenance.record import read_record, record_path
from counterface.types import Pose

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stills of two people, a clip of a third, and a bank of one decoder that was never trained."""
    folder = tmp_path_factory.mktemp("footage")
    for identity, name in enumerate(("ann", "bob"), start=1):
        (folder / "stills" / name).mkdir(parents=True)
        write_image(
            folder / "stills" / name / "0.png", draw_actor(identity, Pose(5, 0, 0), size=280).image
        )
    write_people(folder, {"cy": 3})
    (folder / "bank").mkdir()
    torch.manual_seed(0)
    net = FaceAutoencoder(DecoderNet(up="nearest", halvings=1, code=8, side=32))
    export_autoencoder(net, folder / "bank" / "tiny.onnx")
    return folder


def twins_config(footage: Path, out: Path, **given: object) -> TwinsConfig:
    people = {
        "stills": {"clips": footage / "stills", "person": "folder", "rights": DRAWN},
        "clips": {"clips": footage / "clips", "rights": DRAWN},
    }
    extract = {"template": "head", "size": 128, "faces": 1, "every": 3, "max_outside": 0.9}
    values = {"out": out, "people": people, "decoders": footage / "bank", "extract": extract}
    families = {"self_blended": 1.0, "mouth": 1.0}
    return TwinsConfig.model_validate({**values, "pairs": 6, "families": families, **given})


@pytest.mark.slow
def test_a_manifest_of_twins_and_a_build_that_goes_on(
    footage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    config = twins_config(footage, tmp_path / "twins")
    with monkeypatch.context() as patch:
        calls = iter(range(100))

        def killed(mask: np.ndarray) -> bytes:
            if next(calls) == 2:
                raise MemoryError
            return original(mask)

        original = module.encode_mask
        patch.setattr(module, "encode_mask", killed)
        with pytest.raises(MemoryError):
            build_twins(config)
    summary = build_twins(config)
    assert summary.made >= 1
    assert summary.failed == ()
    assert build_twins(config).made == 0
    entries = read_manifest(Path(summary.manifest))
    assert len(entries) == 2 * summary.pairs >= 2
    for real, fake in zip(entries[::2], entries[1::2], strict=True):
        assert (real.label, fake.label) == (0, 1)
        assert (real.source, real.identities, real.compression) == (
            fake.source, fake.identities, fake.compression
        )  # fmt: skip
        assert fake.method in ("self_blended", "mouth")
        assert fake.generator in ("blend", "warp", "tiny")
        assert fake.mask is not None
        assert read_image(real.path).shape == read_image(fake.path).shape
        assert read_image(fake.mask).shape == read_image(fake.path).shape
        assert carries_credentials(fake.path)
        assert not carries_credentials(real.path)
        record = read_record(record_path(fake.path))
        assert record.settings["family"] == fake.method
        assert np.array(record.settings["landmarks"]).shape == (68, 2)
        assert record.rights[0].rights == DRAWN
    assert len({entry.source for entry in entries}) == summary.pairs  # each its own footage
    assert {entry.origin for entry in entries} <= {"stills", "clips"}
    people = {entry.identities for entry in entries}
    assert people <= {("stills/ann",), ("stills/bob",), ("clips/cy/talk.mp4",)}


def test_what_is_missing_is_told(footage: Path, tmp_path: Path):
    with pytest.raises(ConfigError, match="counterface dataset decoders RECIPE"):
        build_twins(twins_config(footage, tmp_path / "out", decoders=tmp_path))
    people = {"stills": {"clips": footage / "stills"}}
    with pytest.raises(RightsError, match="no rights record for stills"):
        build_twins(twins_config(footage, tmp_path / "out", people=people))
    with pytest.raises(ValueError, match="one at least is above 0"):
        twins_config(footage, tmp_path / "out", families={"pasted": 0})
    with pytest.raises(ValueError, match="least and most"):
        twins_config(footage, tmp_path / "out", quality=[90, 60])


def test_the_shipped_recipe_is_valid():
    assert read_config(TwinsConfig, ROOT / "recipes" / "twins.toml").pairs == 4000
