"""Files of safetensors from anybody: headers that lie end in one error that names the file."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from counterface.errors import TrainingError, WeightsError
from counterface.torch_file import read_tensors

WHOLE = save({"a": np.zeros(4, np.float32), "b": np.ones(4, np.float32)})


def with_header(header: object, body: bytes = bytes(32), length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + body


def tensor(begin: int = 0, end: int = 16, shape: object = (4,), kind: str = "F32") -> dict:
    return {"dtype": kind, "shape": shape, "data_offsets": [begin, end]}


LIES = {
    "empty": b"",
    "a length alone": (8).to_bytes(8, "little"),
    "a header of exabytes": with_header({}, length=2**63),
    "a header longer than the file": with_header({"a": tensor()}, length=10**6),
    "a header of 200 MB": (200_000_000).to_bytes(8, "little") + b" " * 1000,
    "no JSON": with_header(b"\xff" * 40),
    "nested": with_header(b'{"a":' + b"[" * 100_000),
    "overlapping": with_header({"a": tensor(0, 16), "b": tensor(8, 24)}),
    "a gap": with_header({"a": tensor(0, 16), "b": tensor(20, 32, (3,))}),
    "backwards": with_header({"a": tensor(16, 0)}),
    "beyond the end": with_header({"a": tensor(0, 2**62, (2**60,))}),
    "sides that overflow": with_header({"a": tensor(shape=(2**62, 2**62, 4))}),
    "negative sides": with_header({"a": tensor(shape=(-4,))}),
    "sides that say less": with_header({"a": tensor(0, 32)}),
    "an unknown type": with_header({"a": tensor(kind="PICKLE")}),
    "bytes behind": WHOLE + b"more",
    "metadata that is no text": with_header({"__metadata__": {"a": {"b": 1}}, "a": tensor()}),
    "one name twice": with_header(
        b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},'
        b'"a":{"dtype":"F32","shape":[4],"data_offsets":[0,32]}}'
    ),
}


@pytest.mark.parametrize("name", LIES)
def test_a_header_that_lies_is_one_error(name: str, tmp_path: Path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(LIES[name])
    with pytest.raises(WeightsError, match=r"w\.safetensors: not a safetensors file"):
        read_tensors(path, WeightsError)


@pytest.mark.parametrize("name", LIES)
def test_a_checkpoint_whose_header_lies_is_one_error(name: str, tmp_path: Path):
    pytest.importorskip("torch")
    from counterface.learn.checkpoint import read_weights

    path = tmp_path / "w.safetensors"
    path.write_bytes(LIES[name])
    with pytest.raises(TrainingError, match=r"w\.safetensors"):
        read_weights(path)


@pytest.mark.parametrize("name", LIES)
def test_published_weights_whose_header_lies_are_one_error(name: str, tmp_path: Path):
    pytest.importorskip("torch")
    pytest.importorskip("timm")
    from counterface.datasets.decoders.taef2 import read_taef2
    from counterface.learn.feature_net import FeatureConfig, FeatureNet

    path = tmp_path / "w.safetensors"
    path.write_bytes(LIES[name])
    with pytest.raises(WeightsError, match=r"w\.safetensors: not TAEF2's weights"):
        read_taef2(path)
    with pytest.raises(WeightsError, match=r"w\.safetensors: not weights of resnet10t"):
        FeatureNet(FeatureConfig(backbone="resnet10t"), path)


def test_metadata_without_end_costs_no_more_than_its_size(tmp_path: Path):
    path = tmp_path / "w.safetensors"
    texts = {f"key {number}": "x" * 100 for number in range(50_000)}
    path.write_bytes(with_header({"__metadata__": texts, "a": tensor(0, 32, (8,))}))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert read_tensors(path, WeightsError)["a"].shape == (8,)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB
