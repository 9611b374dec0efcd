"""Pseudo-fakes re-made by a decoder's file: on the face alone, the same in every process."""

from __future__ import annotations

import pickle  # what worker processes are sent; nothing is read from disk
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_samples import head_sample

from counterface.datasets.decoders.architectures import architecture
from counterface.datasets.decoders.autoencoder import FaceAutoencoder, export_autoencoder
from counterface.datasets.pairs.remake import AutoencoderRemake
from counterface.datasets.pairs.self_blended import resample


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("net") / "autoencoder.onnx"
    export_autoencoder(FaceAutoencoder(architecture("nested128")), path)
    return path


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
