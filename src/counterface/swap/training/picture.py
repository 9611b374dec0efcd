"""The picture of a training run: faces, reconstructions and swaps, the loss beside them.

Written into the run's folder, so that a run on a machine without a screen can be watched with any
picture viewer, over ssh or through TensorBoard.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont
from torch import Tensor, nn

from counterface.errors import TrainingError
from counterface.files import make_folder, write_bytes
from counterface.learn.board import Board
from counterface.learn.loop import modes_kept
from counterface.learn.run_log import read_log
from counterface.media.image import encode_image
from counterface.types import Image, Mask

CELL = 128  # pixels a face is shown at; smaller ones are enlarged, larger ones reduced
GAP = 4
HEAD = 26  # height of a line of titles
CHART = (420, 260)  # least width and height of the loss curve
TITLES = ("source", "its reconstruction", "target", "its reconstruction", "swap", "mask")

_PAPER, _INK, _FAINT = "#fafaf8", "#282a2e", "#d6d6d2"
_DPI = 100


@dataclass(frozen=True, eq=False)
class PreviewRow:
    """One line of the picture; RGB uint8 (S, S, 3), sizes may differ."""

    source: Image
    source_again: Image
    target: Image
    target_again: Image
    swap: Image
    mask: Mask | None = None  # what of the swap would be pasted


Curve = Mapping[str, Sequence[tuple[int, float]]]  # loss name -> (step, value), steps rising


def draw_preview(rows: Sequence[PreviewRow], curve: Curve, title: str = "") -> Image:
    """The whole picture, RGB uint8 (H, W, 3): a row of faces for each entry, the curve beside.

    There is at least one row; the curve may be empty.
    """
    faces = _faces(rows)
    wide, high = CHART[0], max(CHART[1], len(faces))
    below = ((0, high - len(faces)), (0, 0), (0, 0))
    faces = np.pad(faces, below, constant_values=250)
    return np.concatenate([faces, draw_curve(curve, wide, high, title)], axis=1)


def draw_curve(curve: Curve, width: int, height: int, title: str = "") -> Image:
    """Losses over steps on a logarithmic scale, RGB uint8 (height, width, 3).

    The measured line is faint, the running median of it strong.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, MaxNLocator

    figure = Figure((width / _DPI, height / _DPI), dpi=_DPI, facecolor=_PAPER, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot(facecolor=_PAPER, yscale="log", xlabel="steps")
    axes.set_title(title, loc="left", fontsize="medium")
    axes.margins(x=0)
    axes.tick_params(labelsize="small")
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.grid(axis="y", color=_FAINT, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    for name, points in curve.items():
        shown = [(s, v) for s, v in points if v > 0 and math.isfinite(v)]
        if not shown:
            continue
        steps, values = zip(*shown, strict=True)
        label = f"{name.replace('_', ' ')}  {values[-1]:.4g}"
        dot = "o" if len(shown) == 1 else ""
        [line] = axes.plot(steps, _running_median(values), marker=dot, markersize=4, label=label)
        axes.plot(steps, values, color=line.get_color(), alpha=0.35, linewidth=0.8)
    if axes.lines:
        low, high = axes.get_ylim()
        narrow, wide = high < 8 * low, high > 1000 * low
        subs = (1,) if wide else (1, 2, 5)
        axes.yaxis.set_major_locator(MaxNLocator(5) if narrow else LogLocator(subs=subs))
        axes.yaxis.set_major_formatter("{x:.3g}")
        axes.minorticks_off()
        axes.legend(frameon=False, fontsize="small")
    else:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "no losses yet", transform=axes.transAxes, ha="center")
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def read_curve(out: Path) -> dict[str, list[tuple[int, float]]]:
    """The losses of a run's log, by name; empty before the first line."""
    if not (out / "log.jsonl").exists():
        return {}
    curve: dict[str, list[tuple[int, float]]] = {}
    for row in read_log(out):
        if row.get("kind") != "train":
            continue
        for name, value in row.items():
            if name.startswith("loss"):
                curve.setdefault(name, []).append((int(row["step"]), float(value)))
    return curve


def to_image(picture: Tensor) -> Image:
    """RGB uint8 (H, W, 3) of a float tensor (3, H, W), cut to [0, 1]."""
    values = picture.detach().float().clamp(0, 1).mul(255).round().byte()
    return np.asarray(values.permute(1, 2, 0).contiguous().cpu().numpy())


@dataclass(frozen=True, slots=True)
class Preview:
    """A hook of the training loop that writes the picture every so many steps."""

    rows: Callable[[], Sequence[PreviewRow]]  # called without gradients, all modules in eval mode
    out: Path  # folder of the run; `preview.png` there is replaced atomically
    every: int  # steps between pictures; the first step has one too; 0 = never
    history: bool = False  # also keep each as `previews/step-00001000.jpg`
    board: bool = False  # also show it in TensorBoard

    def __call__(self, step: int, modules: Mapping[str, nn.Module]) -> None:
        """Draw at the first step and at every `every`-th."""
        if self.every and (step == 1 or step % self.every == 0):
            self.write(step, modules)

    def write(self, step: int, modules: Mapping[str, nn.Module]) -> None:
        """Write the picture of this step."""
        with modes_kept(modules), torch.no_grad():
            for module in modules.values():
                module.eval()
            rows = self.rows()
        picture = draw_preview(rows, read_curve(self.out), f"step {step:,}".replace(",", " "))
        make_folder(self.out, TrainingError)
        png = encode_image(picture, "PNG")
        write_bytes(self.out / "preview.png", png, TrainingError)
        if self.history:
            make_folder(self.out / "previews", TrainingError)
            name = f"step-{step:08d}.jpg"
            write_bytes(self.out / "previews" / name, encode_image(picture, "JPEG"), TrainingError)
        if self.board:
            with closing(Board(self.out)) as board:
                board.add_picture("preview", png, picture.shape[:2], step)


def _running_median(values: Sequence[float]) -> list[float]:
    """The median of the neighbours, a fortieth of the run to either side."""
    reach = len(values) // 40
    return [float(np.median(values[max(0, k - reach) : k + reach + 1])) for k in range(len(values))]


def _faces(rows: Sequence[PreviewRow]) -> Image:
    masks = any(row.mask is not None for row in rows)
    titles = TITLES if masks else TITLES[:-1]
    lines = [_titles(titles)]
    for row in rows:
        cells = [row.source, row.source_again, row.target, row.target_again, row.swap]
        if masks:
            cells.append(_grey(row.mask if row.mask is not None else np.zeros((1, 1), np.float32)))
        lines.append(np.concatenate([_fit(cell) for cell in cells], axis=1))
    return np.concatenate(lines)


def _titles(titles: Sequence[str]) -> Image:
    picture = Pillow.new("RGB", (len(titles) * (CELL + GAP), HEAD), _PAPER)
    pen = ImageDraw.Draw(picture)
    for number, title in enumerate(titles):
        x = number * (CELL + GAP) + CELL / 2
        pen.text((x, HEAD - 6), title, fill=_INK, font=ImageFont.load_default(12), anchor="ms")
    return np.asarray(picture)


def _fit(image: Image) -> Image:
    """The face in its cell, with the gap to the right and below."""
    larger = image.shape[0] > CELL
    way = cv2.INTER_AREA if larger else cv2.INTER_NEAREST  # every pixel of a small face is shown
    if not larger and CELL % image.shape[0]:
        way = cv2.INTER_LINEAR
    cell = cv2.resize(image, (CELL, CELL), interpolation=way)
    return np.asarray(np.pad(cell, ((0, GAP), (0, GAP), (0, 0)), constant_values=250), np.uint8)


def _grey(mask: Mask) -> Image:
    grey: NDArray[np.uint8] = np.round(np.clip(mask, 0, 1) * 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)
