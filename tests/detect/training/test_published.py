"""Published weights as a detector file: same scores, and a card that says whose they are."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from counterface.apps.cli.main import main
from counterface.detect.detector import Detector
from counterface.detect.models.detector_model import build_detector
from counterface.detect.models.parts.keras_file import read_keras_weights


@pytest.fixture
def published(footage: Path) -> Path:
    path = footage / "weights" / "mesonet" / "Meso4_DF.h5"
    if not path.exists():
        pytest.skip(f"no {path}")
    return path


@pytest.mark.footage
@torch.no_grad()
def test_the_command_writes_a_file_that_scores_as_the_net(
    published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "meso4.onnx"
    assert main(["detect", "import", "meso4", str(published), str(path), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    detector = Detector.load(path)
    assert detector.info.model_dump(mode="json") == said
    assert said["card"]["weights_sha256"] == hashlib.sha256(published.read_bytes()).hexdigest()
    assert "Apache-2.0" in said["card"]["weights_from"]
    assert "Not calibrated" in said["card"]["summary"]
    net = build_detector("meso4").eval()
    net.load_published(published)
    crops = np.random.default_rng(0).integers(0, 256, (2, 256, 256, 3), np.uint8)
    logits, _ = detector.score(crops)
    wanted, _ = net(torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255)
    assert np.allclose(logits, wanted, atol=1e-3)
    convs = [part for part in net.modules() if isinstance(part, nn.Conv2d)]
    assert np.allclose(
        convs[0].weight.numpy().transpose(2, 3, 1, 0),
        read_keras_weights(published)["conv2d_5"]["kernel"],
    )


def test_a_wrong_file_or_architecture_is_one_line_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    weights, path = tmp_path / "net.h5", tmp_path / "net.onnx"
    weights.write_bytes(b"nothing of the kind")
    assert main(["detect", "import", "meso4", str(weights), str(path)]) == 1
    assert "not an HDF5 file" in capsys.readouterr().err
    assert main(["detect", "import", "frame_cnn", str(weights), str(path)]) == 1
    assert "no published weights are known for FrameCNN" in capsys.readouterr().err
    assert main(["detect", "import", "meso4", str(weights), str(path), "--set", "sise=64"]) == 1
    assert "sise" in capsys.readouterr().err
    assert not path.exists()
