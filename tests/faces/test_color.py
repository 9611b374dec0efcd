"""Colour transfer: each method matches the statistic that it promises, and harms nothing else."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from actors import draw_actor

from counterface.errors import ShapeError
from counterface.faces.color import (
    match_average,
    match_histogram,
    transfer_iterative,
    transfer_linear,
    transfer_mixed,
    transfer_monge_kantorovitch,
    transfer_reinhard,
    transfer_sliced,
)
from counterface.registry import COLOR_TRANSFERS
from counterface.testing import check_color_transfer
from counterface.types import Image, Mask

FACE, LIKE = draw_actor(1, size=128), draw_actor(4, size=160)
SHARES = np.linspace(0.05, 0.95, 19)
NAMES = [name for name in COLOR_TRANSFERS.names() if name != "none"]


def colours(image: Image, mask: Mask, space: int | None = None) -> np.ndarray:
    """Under the mask, float (N, 3); RGB or another space."""
    if space is not None:
        image = cv2.cvtColor(image.astype(np.float32) / 255, space)
    return image[mask > 0.5].astype(np.float64)


def moved(transfer: object, space: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Colours of the face after the transfer, and of what they should be like."""
    assert callable(transfer)
    out = transfer(FACE.image, LIKE.image, FACE.mask, LIKE.mask)
    return colours(out, FACE.mask, space), colours(LIKE.image, LIKE.mask, space)


@pytest.mark.parametrize("name", COLOR_TRANSFERS.names())
def test_every_registered_transfer_keeps_the_contract(name: str) -> None:
    check_color_transfer(COLOR_TRANSFERS.load(name))


def test_average_matches_the_mean_and_keeps_the_spread() -> None:
    out, like = moved(match_average)
    assert np.abs(out.mean(axis=0) - like.mean(axis=0)).max() < 1
    assert np.allclose(out.std(axis=0), colours(FACE.image, FACE.mask).std(axis=0), rtol=0.03)


def test_reinhard_matches_mean_and_deviation_in_lab() -> None:
    out, like = moved(transfer_reinhard, cv2.COLOR_RGB2LAB)
    assert np.abs(out.mean(axis=0) - like.mean(axis=0)).max() < 0.6
    assert np.allclose(out.std(axis=0), like.std(axis=0), rtol=0.06)


@pytest.mark.parametrize("transfer", [transfer_linear, transfer_monge_kantorovitch])
def test_linear_methods_match_mean_and_covariance(transfer: object) -> None:
    out, like = moved(transfer)
    assert np.abs(out.mean(axis=0) - like.mean(axis=0)).max() < 1
    off = np.abs(np.cov(out.T) - np.cov(like.T)).max()
    assert off < 0.05 * np.abs(np.cov(like.T)).max()


def test_monge_kantorovitch_moves_colours_least_of_the_linear_maps() -> None:
    rng = np.random.default_rng(0)

    def cloud(axis: list[float]) -> Image:
        along = rng.normal(0, 35, (64, 64, 1)) * np.array(axis)
        return np.clip(along + rng.normal(0, 6, (64, 64, 3)) + 128, 0, 255).astype(np.uint8)

    face, like = cloud([0.9, 0.4, 0.1]), cloud([0.1, 0.4, 0.9])
    least, other = (
        np.square(transfer(face, like).astype(float) - face).mean()
        for transfer in (transfer_monge_kantorovitch, transfer_linear)
    )
    assert least < 0.95 * other


def test_histogram_matches_each_channels_quantiles() -> None:
    out, like = moved(match_histogram)
    off = np.quantile(out, SHARES, axis=0) - np.quantile(like, SHARES, axis=0)
    assert np.abs(off).mean() < 1


@pytest.mark.parametrize("transfer", [transfer_iterative, transfer_sliced])
def test_transport_matches_quantiles_along_any_direction(transfer: object) -> None:
    out, like = moved(transfer)
    rng = np.random.default_rng(5)
    axes = rng.normal(size=(3, 12))
    axes /= np.linalg.norm(axes, axis=0)
    ends = [np.quantile(part @ axes, SHARES, axis=0) for part in (out, like)]
    before = np.quantile(colours(FACE.image, FACE.mask) @ axes, SHARES, axis=0)
    assert np.abs(ends[0] - ends[1]).mean() < 2
    assert np.abs(ends[0] - ends[1]).mean() < 0.1 * np.abs(before - ends[1]).mean()


def test_transport_beats_a_linear_map_where_colours_come_in_two_kinds() -> None:
    """A histogram per channel or a covariance cannot say which red goes with which blue."""
    rng = np.random.default_rng(0)
    kind = rng.random((64, 64, 1)) < 0.5
    grain = rng.normal(0, 6, (64, 64, 3))
    face = np.where(kind, [80, 80, 80], [150, 150, 150]) + grain
    like = np.where(kind, [60, 150, 100], [190, 100, 100]) + grain
    face, like = (np.clip(part, 0, 255).astype(np.uint8) for part in (face, like))
    goal = np.sort(np.quantile(like @ [1.0, -1, 0], SHARES))

    def off(transfer: object) -> float:
        assert callable(transfer)
        return float(np.abs(np.quantile(transfer(face, like) @ [1.0, -1, 0], SHARES) - goal).mean())

    assert off(transfer_sliced) < 0.5 * off(match_histogram)


def test_mixed_takes_the_light_as_reinhard_and_the_tint_as_transport() -> None:
    out, like = moved(transfer_mixed, cv2.COLOR_RGB2LAB)
    assert abs(out[:, 0].mean() - like[:, 0].mean()) < 1
    assert out[:, 0].std() == pytest.approx(like[:, 0].std(), rel=0.08)
    off = np.quantile(out, SHARES, axis=0) - np.quantile(like, SHARES, axis=0)
    assert np.abs(off[:, 1:]).mean() < 1


@pytest.mark.parametrize("name", NAMES)
def test_only_what_is_under_the_masks_is_measured(name: str) -> None:
    transfer = COLOR_TRANSFERS.load(name)
    out = transfer(FACE.image, LIKE.image, FACE.mask, LIKE.mask)
    other_face, other_like = FACE.image.copy(), LIKE.image.copy()
    other_face[FACE.mask < 0.5] = (255, 0, 255)
    other_like[LIKE.mask < 0.5] = (0, 255, 0)
    again = transfer(other_face, other_like, FACE.mask, LIKE.mask)
    inside = FACE.mask > 0.5
    assert np.abs(out[inside].astype(int) - again[inside]).max() <= 1
    assert np.abs(transfer(FACE.image, other_like)[inside].astype(int) - out[inside]).mean() > 2


@pytest.mark.parametrize("name", NAMES)
def test_a_flat_face_takes_the_mean_and_is_not_torn_apart(name: str) -> None:
    flat = np.full((40, 40, 3), 128, np.uint8)
    out = COLOR_TRANSFERS.load(name)(flat, LIKE.image, None, LIKE.mask)
    assert np.ptp(out.reshape(-1, 3), axis=0).max() <= 1
    if name != "histogram":  # one level cannot have a histogram; it takes its upper end
        assert np.abs(out[0, 0] - colours(LIKE.image, LIKE.mask).mean(axis=0)).max() < 6
    to_flat = COLOR_TRANSFERS.load(name)(FACE.image, flat, FACE.mask)
    assert np.abs(colours(to_flat, FACE.mask).mean(axis=0) - 128).max() < 8


@pytest.mark.parametrize("name", [name for name in NAMES if name != "histogram"])
def test_smooth_shades_stay_smooth(name: str) -> None:
    """No banding and no grain; a histogram, whose gaps are its goal's, may jump."""
    out = COLOR_TRANSFERS.load(name)(FACE.image, LIKE.image, FACE.mask, LIKE.mask).astype(int)
    was = FACE.image.astype(int)
    inside = (FACE.mask[:, 1:] > 0.5) & (FACE.mask[:, :-1] > 0.5)
    calm = inside & (np.abs(np.diff(was, axis=1)).max(axis=-1) <= 1)
    assert calm.sum() > 1000
    jumps = np.abs(np.diff(out, axis=1)).max(axis=-1)[calm]
    assert np.quantile(jumps, 0.999) <= 10


def test_seeds_change_the_slices_only_a_little() -> None:
    one, two = (
        transfer_sliced(FACE.image, LIKE.image, FACE.mask, LIKE.mask, seed=seed) for seed in (0, 1)
    )
    off = np.abs(one[FACE.mask > 0.5].astype(int) - two[FACE.mask > 0.5])
    assert 0 < off.mean() < 3


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"\(160, 160\), its image is \(128, 128\)"):
        match_average(FACE.image, LIKE.image, LIKE.mask)
