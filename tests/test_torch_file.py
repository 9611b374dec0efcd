"""Tensors of torch's files come out as torch reads them, and nothing in such a file is run."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from counterface.errors import TrainingError
from counterface.torch_file import read_torch_tensors
from counterface.types import Floats


def saved(path: Path, state: dict[str, torch.Tensor]) -> Path:
    torch.save(state, path, _use_new_zipfile_serialization=False)
    return path


def tensors_of(path: Path) -> dict[str, Floats]:
    return read_torch_tensors(path, TrainingError)


def some_state() -> dict[str, torch.Tensor]:
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8))
    turned = torch.rand(3, 4, 2, 5).permute(3, 2, 0, 1)  # as files that come from TensorFlow lie
    return {**net.state_dict(), "turned": turned, "part": torch.arange(20.0)[5:9]}


@pytest.mark.parametrize("form", ["old", "archive", "wrapped"])
def test_all_floats_come_out_in_order(form: str, tmp_path: Path):
    state = some_state()
    path = tmp_path / "net.pth"
    if form == "old":
        saved(path, state)
    else:
        torch.save(state if form == "archive" else {"epoch": 3, "state_dict": state}, path)
    found = tensors_of(path)
    state.pop("1.num_batches_tracked")
    assert list(found) == list(state)
    for name, tensor in state.items():
        np.testing.assert_array_equal(found[name], tensor.numpy())
        assert found[name].flags.c_contiguous


class _Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("trapped",)


def test_a_file_that_would_run_code_is_refused_and_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    good = saved(tmp_path / "net.pth", some_state()).read_bytes()
    Path("trap.pth").write_bytes(pickle.dumps(_Trap(), protocol=2))
    Path("beside.pth").write_bytes(pickle.dumps(_Trap(), protocol=2) + good)
    torch.save({"trap": _Trap()}, "archive.pth")
    for name in ("trap.pth", "beside.pth", "archive.pth"):
        with pytest.raises(TrainingError, match=f"{name}: not a file of torch"):
            tensors_of(Path(name))
    assert not Path("trapped").exists()


def test_what_is_no_such_file_is_one_error(tmp_path: Path):
    good = saved(tmp_path / "net.pth", some_state()).read_bytes()
    path = tmp_path / "bad.pth"
    for content in (b"", b"text", good[:-3], good[: len(good) // 3], good + b"more"):
        path.write_bytes(content)
        with pytest.raises(TrainingError, match=r"bad\.pth: not a file of torch"):
            tensors_of(path)
    torch.save(some_state(), path)  # the form of torch 1.6 and later: a ZIP archive
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(TrainingError, match=r"bad\.pth: not a file of torch"):
        tensors_of(path)
    saved(path, {"half": torch.rand(3).half()})
    with pytest.raises(TrainingError, match=r"bad\.pth: not a file of torch"):
        tensors_of(path)
    saved(path, {})
    with pytest.raises(TrainingError, match="holds no tensors"):
        tensors_of(path)
