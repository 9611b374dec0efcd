"""The re-making net: what it learns, its file, and the pseudo-fakes made with it."""

from __future__ import annotations

import pickle  # what worker processes are sent; nothing is read from disk
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from drawn_samples import head_sample

from counterface.datasets.pairs import face_autoencoder, remake
from counterface.datasets.pairs.face_autoencoder import (
    CODE,
    SIDE,
    AutoencoderTask,
    FaceAutoencoder,
    export_autoencoder,
)
from counterface.datasets.pairs.remake import AutoencoderRemake
from counterface.datasets.pairs.self_blended import resample


@pytest.fixture(scope="module")
def net() -> FaceAutoencoder:
    torch.manual_seed(0)
    return FaceAutoencoder().eval()


@pytest.fixture(scope="module")
def file(net: FaceAutoencoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("net") / "autoencoder.onnx"
    export_autoencoder(net, path)
    return path


def batch() -> torch.Tensor:
    faces = [head_sample(identity, SIDE).image for identity in (1, 2)]
    return torch.from_numpy(np.stack(faces)).permute(0, 3, 1, 2).float() / 255


def test_both_halves_of_the_code_agree_on_sizes():
    assert (remake.SIDE, remake.CODE) == (face_autoencoder.SIDE, face_autoencoder.CODE)


def test_the_face_comes_out_in_its_size_and_range(net: FaceAutoencoder):
    with torch.no_grad():
        made = net(batch(), torch.ones(2, CODE))
    assert made.shape == (2, 3, SIDE, SIDE)
    assert 0 <= made.min() <= made.max() <= 1


def test_channels_that_are_not_kept_carry_nothing(net: FaceAutoencoder):
    none = torch.zeros(2, CODE)
    with torch.no_grad():
        one, two = net(batch(), none)
    assert torch.allclose(one, two)


def test_the_file_computes_what_the_net_computes(net: FaceAutoencoder, file: Path):
    kept = (torch.arange(CODE)[None] < 9).float()
    image = batch()[:1]
    session = onnxruntime.InferenceSession(str(file))
    (made,) = session.run(["made"], {"image": image.numpy(), "kept": kept.numpy()})
    with torch.no_grad():
        assert np.abs(made - net(image, kept).numpy()).max() < 1e-4


def test_a_few_steps_lower_the_loss():
    torch.manual_seed(0)
    task = AutoencoderTask()
    optimizer = task.optimizers()["adam"]
    images, losses = batch()[:1], []
    for step in range(6):
        torch.manual_seed(1)  # the same channels are kept each time
        log: dict[str, float | torch.Tensor] = {}
        ((name, loss),) = task.losses(images, step, log)
        assert name == "adam"
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
        assert float(log["pixel_error"]) < losses[-1]  # the slopes' part comes on top
    assert losses[-1] < losses[0] - 0.003


def test_a_remade_image_changes_on_the_face_alone(file: Path):
    face = head_sample(1, 192)
    made = AutoencoderRemake(file, share=1.0)(face.image, face.landmarks, np.random.default_rng(0))
    assert made.shape == face.image.shape
    changed = (made != face.image).any(axis=2)
    x, y = np.round(face.landmarks[30]).astype(int)
    assert changed[y - 10 : y + 10, x - 10 : x + 10].mean() > 0.95
    assert not changed[:8].any()  # the corners of a head crop are far from the face
    assert not changed[-8:, :8].any()


def test_the_same_seed_gives_the_same_face_here_and_in_a_worker(file: Path):
    face = head_sample(1, 160)
    here = AutoencoderRemake(file, share=1.0)
    first = here(face.image, face.landmarks, np.random.default_rng(3))  # opens the session
    there = pickle.loads(pickle.dumps(here))
    again = there(face.image, face.landmarks, np.random.default_rng(3))
    assert np.array_equal(first, again)


def test_a_share_of_0_is_plain_resampling_and_opens_nothing():
    face = head_sample(1, 160)
    rng, other = np.random.default_rng(5), np.random.default_rng(5)
    other.random()
    made = AutoencoderRemake(Path("absent.onnx"), share=0.0)(face.image, face.landmarks, rng)
    assert np.array_equal(made, resample(face.image, face.landmarks, other))
