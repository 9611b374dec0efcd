"""The training picture: what lies where, and that a reader never sees half of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from actors import draw_actor
from torch import nn

from counterface.media.image import read_image
from counterface.swap.training.picture import (
    CELL,
    CHART,
    GAP,
    HEAD,
    Preview,
    PreviewRow,
    draw_curve,
    draw_preview,
    read_curve,
    to_image,
)


def flat(value: int, side: int = 64) -> np.ndarray:
    return np.full((side, side, 3), value, np.uint8)


ROW = PreviewRow(flat(10), flat(50), flat(90), flat(130), flat(170), np.ones((64, 64), np.float32))
CURVE = {"loss": [(k, 100.0 / k) for k in range(1, 60)]}


def middle(picture: np.ndarray, row: int, column: int) -> list[int]:
    y, x = HEAD + row * (CELL + GAP) + CELL // 2, column * (CELL + GAP) + CELL // 2
    return [int(value) for value in picture[y, x]]


def test_columns_stand_in_the_order_of_their_titles() -> None:
    picture = draw_preview([ROW, replace(ROW, source=flat(20, 200), mask=None)], CURVE, "step 59")
    for column, value in enumerate((10, 50, 90, 130, 170, 255)):
        assert middle(picture, 0, column) == [value] * 3
    assert middle(picture, 1, 0) == [20] * 3
    assert middle(picture, 1, 5) == [0] * 3  # no mask, nothing pasted
    assert picture.shape == (HEAD + 2 * (CELL + GAP), 6 * (CELL + GAP) + CHART[0], 3)


def test_without_masks_there_is_no_column_for_them() -> None:
    picture = draw_preview([replace(ROW, mask=None)], {})
    assert picture.shape == (CHART[1], 5 * (CELL + GAP) + CHART[0], 3)


def test_a_falling_loss_falls() -> None:
    chart = draw_curve(CURVE, 400, 300)
    blue = (chart[..., 2].astype(int) - chart[..., 0]) > 100
    blue[:110, 150:] = False  # the legend
    columns = np.nonzero(blue.any(axis=0))[0]
    tops = [np.nonzero(blue[:, x])[0].mean() for x in columns]
    assert np.diff(tops).min() > -1.5  # edges are smooth
    assert tops[-1] - tops[0] > 150  # over most of the height
    assert columns[0] < 70
    assert columns[-1] > 375


@pytest.mark.parametrize(
    "curve",
    [
        {},
        {"loss": [(1, 0.5)]},
        {"loss": [(1, 0.5), (2, 0.5)]},
        {"loss": [(1, float("inf")), (2, 0.0)]},
        {"loss_a": [(1, 1e-6), (9, 1e3)], "loss_b": [(9, 3.0)]},
    ],
)
def test_any_curve_can_be_drawn(curve: dict[str, list[tuple[int, float]]]) -> None:
    assert draw_curve(curve, 300, 200).shape == (200, 300, 3)


def test_the_curve_is_read_from_the_log(tmp_path: Path) -> None:
    assert read_curve(tmp_path) == {}
    lines = [
        {"kind": "train", "step": 10, "loss_a": 2.0, "loss_b": 1.0, "lr_factor": 1.0},
        {"kind": "validate", "step": 10, "loss": 5.0},
        {"kind": "train", "step": 20, "loss_a": 1.0},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "log.jsonl").write_text(text + '{"kind": "tr')
    assert read_curve(tmp_path) == {"loss_a": [(10, 2.0), (20, 1.0)], "loss_b": [(10, 1.0)]}


def test_tensors_become_images() -> None:
    picture = torch.tensor([-1.0, 0.0, 0.5, 2.0]).view(1, 2, 2).expand(3, 2, 2)
    assert to_image(picture)[..., 0].tolist() == [[0, 0], [128, 255]]


@pytest.mark.slow
def test_the_hook_draws_when_due_and_leaves_the_modes_alone(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Dropout(), nn.Linear(2, 2))
    module[0].eval()
    seen: list[bool] = []

    def rows() -> Sequence[PreviewRow]:
        seen.append(module[1].training or torch.is_grad_enabled())
        return [ROW]

    preview = Preview(rows, tmp_path, 10, history=True, board=True)
    for step in range(1, 31):
        preview(step, {"net": module})
    assert seen == [False] * 4  # steps 1, 10, 20, 30
    assert (module[0].training, module[1].training) == (False, True)
    names = [path.name for path in sorted((tmp_path / "previews").iterdir())]
    assert names == [f"step-{step:08d}.jpg" for step in (1, 10, 20, 30)]
    assert middle(read_image(tmp_path / "preview.png"), 0, 4) == [170] * 3
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator(str(tmp_path / "tensorboard"))
    board.Reload()
    shown = read_image(tmp_path / "preview.png")
    (last,) = (e for e in board.Images("preview") if e.step == board.Images("preview")[-1].step)
    assert (last.height, last.width) == shown.shape[:2]
    assert last.encoded_image_string == (tmp_path / "preview.png").read_bytes()
    assert not list(tmp_path.glob(".*"))  # nothing half written


def test_zero_draws_nothing(tmp_path: Path) -> None:
    preview = Preview(lambda: [ROW], tmp_path, 0)
    preview(1, {})
    assert not list(tmp_path.iterdir())


def test_real_pictures_of_other_sizes_fit() -> None:
    face = draw_actor(3, size=96).image
    row = PreviewRow(face, face, face, face, face)
    picture = draw_preview([row], CURVE)
    shown = picture[HEAD : HEAD + CELL, :CELL]
    assert abs(float(shown.mean()) - float(face.mean())) < 2
