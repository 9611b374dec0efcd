"""Every loss: a known answer or something that must not change it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from counterface.errors import ShapeError
from counterface.swap.training import losses


@pytest.fixture
def pictures() -> torch.Tensor:
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def others() -> torch.Tensor:
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(2))


def slow_ssim(x: np.ndarray, y: np.ndarray, window: int) -> float:
    """SSIM by its definition, window by window, in double precision."""
    places = np.arange(window) - (window - 1) / 2
    line = np.exp(-(places**2) / (2 * 1.5**2))
    weights = np.outer(line, line) / line.sum() ** 2
    values = []
    for row in range(x.shape[0] - window + 1):
        for column in range(x.shape[1] - window + 1):
            a = x[row : row + window, column : column + window]
            b = y[row : row + window, column : column + window]
            ma, mb = (weights * a).sum(), (weights * b).sum()
            va, vb = (weights * (a - ma) ** 2).sum(), (weights * (b - mb) ** 2).sum()
            both = (weights * (a - ma) * (b - mb)).sum()
            top = (2 * ma * mb + 1e-4) * (2 * both + 9e-4)
            values.append(top / ((ma**2 + mb**2 + 1e-4) * (va + vb + 9e-4)))
    return float(np.mean(values))


@pytest.mark.parametrize("side", [24, 120])  # both ways to blur
def test_dssim_is_the_definition(side: int) -> None:
    generator = torch.Generator().manual_seed(side)
    x = torch.rand(1, 1, side, side, generator=generator)
    y = (x + 0.2 * torch.rand(1, 1, side, side, generator=generator)).clamp(0, 1)
    expected = slow_ssim(x[0, 0].double().numpy(), y[0, 0].double().numpy(), int(side / 11.6))
    assert losses.dssim(x, y).item() == pytest.approx((1 - expected) / 2, abs=2e-6)


def test_dssim_of_equal_pictures_is_zero_of_opposite_ones_near_one(pictures: torch.Tensor) -> None:
    assert losses.dssim(pictures, pictures).item() == pytest.approx(0, abs=1e-6)
    bars = (torch.arange(64) % 2).float().expand(1, 3, 64, 64)
    assert losses.dssim(bars, 1 - bars).item() > 0.9


@pytest.mark.parametrize(("side", "widths"), [(64, (5,)), (128, (11,)), (256, (22, 11))])
def test_windows_follow_the_side(side: int, widths: tuple[int, ...]) -> None:
    assert losses.window_sizes(side) == widths


def test_a_picture_of_256_px_is_seen_through_both_windows() -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.rand(1, 1, 256, 256, generator=generator) for _ in range(2))
    both = [losses.dssim_map(x, y, width).mean().item() for width in (22, 11)]
    assert losses.dssim(x, y).item() == pytest.approx(sum(both) / 2, abs=1e-6)


def test_weights_choose_where_structure_counts(pictures: torch.Tensor) -> None:
    spoilt = pictures.clone()
    spoilt[..., :30] = 0.5
    left = torch.zeros(2, 1, 64, 64)
    left[..., :24] = 1
    assert losses.dssim(spoilt, pictures, 1 - left).item() < losses.dssim(
        spoilt, pictures, left
    ).item() * (64 - 24)
    far = torch.zeros(2, 1, 64, 64)
    far[..., 40:] = 1
    assert losses.dssim(spoilt, pictures, far).item() == pytest.approx(0, abs=1e-6)


def test_the_gradient_of_dssim_leads_to_the_truth(
    pictures: torch.Tensor, others: torch.Tensor
) -> None:
    guess = others.clone().requires_grad_()
    optimizer = torch.optim.Adam([guess], lr=0.05)
    for _ in range(40):
        optimizer.zero_grad()
        losses.dssim(guess, pictures).backward()
        optimizer.step()
    assert losses.dssim(guess, pictures).item() < 0.05
    assert losses.mse(guess, pictures).item() < 0.25 * losses.mse(others, pictures).item()


def test_mse_and_l1_have_known_values(pictures: torch.Tensor) -> None:
    shifted = pictures + 0.1
    assert losses.mse(shifted, pictures).item() == pytest.approx(0.01, rel=1e-4)
    assert losses.l1(shifted, pictures).item() == pytest.approx(0.1, rel=1e-4)
    half = torch.zeros(2, 1, 64, 64)
    half[..., :32] = 1
    assert losses.l1(shifted, pictures, half).item() == pytest.approx(0.05, rel=1e-4)
    assert losses.mse(shifted, pictures, half).item() == pytest.approx(0.005, rel=1e-4)


def test_priority_takes_the_larger_weight() -> None:
    eyes, mouth = torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)
    eyes[..., :2, :], mouth[..., 1:3, :] = 1, 1
    weight = losses.priority_weight(eyes, mouth, 3.0, 2.0)
    assert weight[0, 0, :, 0].tolist() == [3, 3, 2, 1]


def test_a_soft_edge_keeps_the_mask_and_reaches_further() -> None:
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 20:44, 20:44] = 1
    soft = losses.soft_edge(mask, 1 / 64)
    assert soft.shape == mask.shape
    assert soft[..., 22:42, 22:42].min().item() == pytest.approx(1, abs=0.02)
    assert 0 < soft[0, 0, 32, 19].item() < 1  # outside the old mask
    assert soft[..., :10].max().item() == 0
    full = torch.ones(1, 1, 64, 64)
    assert torch.allclose(losses.soft_edge(full, 1 / 64), full)  # no fading at the picture's edge
    assert losses.soft_edge(mask, 0) is mask


def test_colour_style_sees_colours_not_places(pictures: torch.Tensor, others: torch.Tensor) -> None:
    mixed = pictures.flatten(2)[..., torch.randperm(64 * 64)].view_as(pictures)
    assert losses.color_style(mixed, pictures).item() == pytest.approx(0, abs=1e-9)
    # a shift by 0.1 moves the mean alone
    assert losses.color_style(pictures + 0.1, pictures).item() == pytest.approx(0.01, rel=1e-3)
    flat = torch.full_like(pictures, 0.5, requires_grad=True)
    losses.color_style(flat, others).backward()
    assert flat.grad is not None
    assert torch.isfinite(flat.grad).all()


def test_background_style_ignores_the_face(pictures: torch.Tensor) -> None:
    mask = torch.zeros(2, 1, 64, 64)
    mask[..., 16:48, 16:48] = 1
    changed = pictures * (1 - mask)
    assert losses.background_style(changed, pictures, mask).item() == pytest.approx(0, abs=1e-6)
    assert losses.background_style(pictures * 0.5, pictures, mask).item() > 0.05


def test_edge_loss_sees_edges_not_brightness(pictures: torch.Tensor) -> None:
    assert losses.edge_loss(pictures + 0.3, pictures).item() == pytest.approx(0, abs=1e-6)
    step = torch.zeros(1, 3, 8, 8)
    step[..., 4:] = 1
    # one of seven differences to the right is 1, none downwards
    assert losses.edge_loss(torch.zeros_like(step), step).item() == pytest.approx(1 / 7)


def test_total_variation_of_a_step() -> None:
    step = torch.zeros(1, 1, 8, 8)
    assert losses.total_variation(step + 0.4).item() == 0
    step[..., 4:] = 1
    assert losses.total_variation(step).item() == pytest.approx(1 / 7)


def test_the_hinge_lets_large_masks_be() -> None:
    masks = torch.tensor([0.1, 0.4, 0.6, 1.0]).view(1, 1, 2, 2)
    assert losses.mask_hinge(masks, 0.5).item() == pytest.approx((0.4 + 0.1) / 4)
    assert losses.mask_hinge(masks, 0.1).item() == pytest.approx(0, abs=1e-7)


def test_toward_is_cross_entropy_over_all_maps() -> None:
    maps = [torch.zeros(2, 1, 4, 4), torch.zeros(2, 1, 8, 8)]
    assert losses.toward(maps, 1).item() == pytest.approx(2 * math.log(2))
    assert losses.toward(maps[0] + 20, 1).item() == pytest.approx(0, abs=1e-6)
    assert losses.toward(maps[0] + 20, 0).item() == pytest.approx(20)


def test_least_squares_and_mixup() -> None:
    assert losses.least_squares(torch.ones(2, 1, 3, 3), 1.0).item() == 0
    torch.manual_seed(0)
    share = losses.mixup_share(4000, torch.zeros(1))
    assert share.shape == (4000, 1, 1, 1)
    # Beta(0.2, 0.2): mean 1/2, variance 1 / (4 * 1.4)
    assert share.mean().item() == pytest.approx(0.5, abs=0.03)
    assert share.var().item() == pytest.approx(1 / 5.6, abs=0.01)
    assert losses.least_squares(share, share).item() == 0


def test_unequal_shapes_are_refused_with_both(pictures: torch.Tensor) -> None:
    for loss in (losses.mse, losses.l1, losses.edge_loss, losses.dssim):
        with pytest.raises(ShapeError, match=r"\(2, 3, 64, 64\).*\(2, 3, 32, 32\)"):
            loss(pictures, pictures[..., :32, :32])
    with pytest.raises(ShapeError, match="window of 11"):
        losses.blur(pictures[..., :8, :8], 11, 1.5)
