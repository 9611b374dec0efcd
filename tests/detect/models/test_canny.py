"""Edges inside the net are OpenCV's."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from actors import draw_actor
from pydantic import ValidationError

from counterface.detect.models.parts.canny import (
    CannyConfig,
    find_edges,
    grey_levels,
    smooth_levels,
    sobel,
)
from counterface.types import Image

SIDE = 160


def drawn_face(identity: int = 1, side: int = SIDE) -> Image:
    """A face with the noise that a camera adds."""
    image = draw_actor(identity, size=side).image.astype(float)
    noise = np.random.default_rng(identity).normal(0, 4, image.shape)
    return (image + noise).clip(0, 255).astype(np.uint8)


def tensor(image: Image) -> torch.Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255


def opencv_edges(image: Image, low: float, high: float) -> np.ndarray:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return cv2.Canny(cv2.GaussianBlur(grey, (5, 5), 0), low, high) > 0


def agreement(found: torch.Tensor, wanted: np.ndarray) -> float:
    return float((found[0, 0].numpy().astype(bool) == wanted).mean())


@pytest.mark.parametrize("identity", [0, 1, 4])
@pytest.mark.parametrize(("low", "high"), [(30, 90), (60, 150), (100, 200)])
def test_fixed_thresholds_give_the_edges_of_opencv(identity: int, low: int, high: int):
    image = drawn_face(identity)
    wanted = opencv_edges(image, low, high)
    assert 0.001 < wanted.mean() < 0.4  # there is something to agree on
    config = CannyConfig(thresholds="fixed", low=low, high=high, reach=128)
    found = find_edges(tensor(image), config)
    assert agreement(found, wanted) > 0.999
    near = find_edges(tensor(image), config.model_copy(update={"reach": 24}))
    assert agreement(near, wanted) > 0.99
    assert (near <= found).all()


def test_the_steps_before_are_opencvs_to_the_level():
    image = drawn_face()
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    levels = grey_levels(tensor(image))
    assert np.abs(levels[0, 0].numpy() - grey).max() <= 1  # OpenCV rounds by CPU
    assert (levels[0, 0].numpy() == grey).mean() > 0.998
    exact = torch.from_numpy(grey)[None, None].float()
    smooth = cv2.GaussianBlur(grey, (5, 5), 0)
    assert np.array_equal(smooth_levels(exact)[0, 0].numpy(), smooth)
    across, down = sobel(exact)
    border = cv2.BORDER_REPLICATE
    assert np.array_equal(
        across[0, 0].numpy(), cv2.Sobel(grey, cv2.CV_32F, 1, 0, borderType=border)
    )
    assert np.array_equal(down[0, 0].numpy(), cv2.Sobel(grey, cv2.CV_32F, 0, 1, borderType=border))


def test_the_median_sets_both_thresholds():
    image = drawn_face(2)
    grey = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (5, 5), 0)
    middle = float(np.sort(grey.ravel())[::-1][grey.size // 2 - 1])
    low, high = int(middle * 0.67), int(min(255, middle * 1.33))
    found = find_edges(tensor(image), CannyConfig(thresholds="median", reach=128))
    assert agreement(found, opencv_edges(image, low, high)) > 0.999


def test_shares_of_the_pixels_set_both_thresholds():
    image = tensor(drawn_face(3))
    loose = CannyConfig(thresholds="percentile", weak_share=0.4, strong_share=0.2)
    tight = CannyConfig(thresholds="percentile", weak_share=0.1, strong_share=0.02)
    many, few = find_edges(image, loose).mean(), find_edges(image, tight).mean()
    assert 0.005 < few < many < 0.4
    darker = find_edges((image * 0.5 * 255).round() / 255, tight).mean()
    assert abs(darker - few) < 0.35 * few  # exposure changes little, unlike with fixed ones
    fixed = CannyConfig(thresholds="fixed", low=100, high=200)
    assert find_edges(image * 0.5, fixed).mean() < 0.6 * find_edges(image, fixed).mean()


def test_a_flat_picture_has_no_edges_and_a_step_has_one_line():
    flat = torch.full((1, 3, 40, 40), 0.5)
    config = CannyConfig(thresholds="fixed", low=60, high=150)
    assert find_edges(flat, config).sum() == 0
    step = flat.clone()
    step[..., 20:] = 0.9
    edges = find_edges(step, config)[0, 0]
    assert (edges.sum(dim=1) == 1).all()
    assert abs(int(edges[5].argmax()) - 20) <= 1


def test_thresholds_in_the_wrong_order_are_refused():
    with pytest.raises(ValidationError, match=r"low 9\.0 lies above high 3.0"):
        CannyConfig(low=9, high=3)
    with pytest.raises(ValidationError, match="strong_share"):
        CannyConfig(weak_share=0.1, strong_share=0.2)
