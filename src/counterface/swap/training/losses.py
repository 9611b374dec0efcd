"""The losses of swap training: pure functions of pictures and masks, each with its source.

Convention: pictures are RGB float32 [0, 1] (B, C, H, W); masks float32 [0, 1] (B, 1, H, W); every
loss is a scalar, the mean over the batch. Call them outside autocast: structure in bfloat16 is
noise. Both sides of a batch go through one call where they can, joined along B.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from counterface.errors import ShapeError

SSIM_SIGMA = 1.5  # of the gaussian window, pixels
SSIM_K1, SSIM_K2 = 0.01, 0.03  # Wang et al. 2004
LARGE = 256  # pixels; from here DeepFaceLab looks through two windows
_MATRIX_SIDE = 100  # pixels; up to here a product with a band matrix is the faster blur on a CPU


def window_sizes(side: int) -> tuple[int, ...]:
    """The widths of DSSIM's windows for pictures of a side, pixels, as DeepFaceLab chooses them."""
    widths = (side / 11.6,) if side < LARGE else (side / 11.6, side / 23.2)
    return tuple(max(1, int(width)) for width in widths)


def dssim_map(pictures: Tensor, truth: Tensor, window: int) -> Tensor:
    """Structural dissimilarity (1 - SSIM) / 2 at every place of the window.

    Wang, Bovik, Sheikh, Simoncelli 2004, "Image quality assessment: from error visibility to
    structural similarity" (https://ece.uwaterloo.ca/~z70wang/publications/ssim.html). The gaussian
    is separable; windows that would leave the picture are left out.

    Returns:
        (B, C, H - window + 1, W - window + 1) in [0, 1].
    """
    _require_same(pictures, truth)
    mean_y = blur(truth, window, SSIM_SIGMA)
    blurred = blur(
        torch.cat([pictures, pictures * truth, pictures.square() + truth.square()], 1),
        window,
        SSIM_SIGMA,
    )
    mean_x, product, squares = blurred.chunk(3, 1)
    both, means = 2 * mean_x * mean_y, mean_x.square() + mean_y.square()
    c1, c2 = SSIM_K1**2, SSIM_K2**2
    ssim = (both + c1) / (means + c1) * (2 * product - both + c2) / (squares - means + c2)
    return (1 - ssim) / 2


def dssim(pictures: Tensor, truth: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean structural dissimilarity, over both windows from 256 px on.

    Args:
        weight: (B, 1, H, W), what each place counts; 1 everywhere where None.
    """
    windows = window_sizes(pictures.shape[-1])
    total = pictures.new_zeros(())
    for window in windows:
        places = dssim_map(pictures, truth, window)
        if weight is not None:
            edge = (window - 1) // 2
            high, wide = places.shape[-2:]
            places = places * weight[..., edge : edge + high, edge : edge + wide]
        total = total + places.mean()
    return total / len(windows)


def mse(pictures: Tensor, truth: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean squared error; `weight` (B, 1, H, W) says what each pixel counts."""
    _require_same(pictures, truth)
    squares = (pictures - truth).square()
    return (squares if weight is None else squares * weight).mean()


def l1(pictures: Tensor, truth: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean absolute error; `weight` (B, 1, H, W) says what each pixel counts."""
    _require_same(pictures, truth)
    errors = (pictures - truth).abs()
    return (errors if weight is None else errors * weight).mean()


def priority_weight(eyes: Tensor, mouth: Tensor, eyes_weight: float, mouth_weight: float) -> Tensor:
    """What each pixel counts: the larger of the weights of what it lies in, 1 elsewhere.

    faceswap (deepfakes) adds the whole loss again inside eyes (x3) and mouth (x2); one weighted
    pass says nearly the same at a third of the cost.

    Args:
        eyes, mouth: (B, 1, H, W) in [0, 1].
    """
    return 1 + torch.maximum((eyes_weight - 1) * eyes, (mouth_weight - 1) * mouth)


def soft_edge(masks: Tensor, share: float) -> Tensor:
    """Masks that reach a little further and fall off softly, as DeepFaceLab multiplies them in.

    Blurred with sigma = `share` of the side, cut at one half and doubled: 1 over the old mask, then
    falling to 0 outside of it.
    """
    sigma = share * masks.shape[-1]
    if sigma <= 0:
        return masks
    reach = max(1, math.ceil(2.5 * sigma))
    # a mask ends where the picture ends, it does not fade there
    padded = F.pad(masks, (reach,) * 4, mode="replicate")
    return blur(padded, 2 * reach + 1, sigma).clamp(0, 0.5) * 2


def color_style(pictures: Tensor, like: Tensor) -> Tensor:
    """How far each channel's mean and spread are from those of `like`, mean of squares.

    DeepFaceLab's style loss (after Huang and Belongie 2017, arXiv 1703.06868), on pictures that
    were multiplied by their masks.

    Args:
        like: (B, C, H, W); carries no gradient.
    """
    mean, spread = _moments(pictures)
    mean_like, spread_like = _moments(like.detach())
    return ((mean - mean_like).square() + (spread - spread_like).square()).mean()


def background_style(pictures: Tensor, truth: Tensor, masks: Tensor) -> Tensor:
    """What a swap changed outside the face: DSSIM + MSE there (DeepFaceLab's bg_style_power).

    Args:
        masks: (B, 1, H, W), 1 = face.
    """
    outside = 1 - masks
    kept, wanted = pictures * outside, truth * outside
    return dssim(kept, wanted) + mse(kept, wanted)


def edge_loss(pictures: Tensor, truth: Tensor) -> Tensor:
    """L1 between the magnitudes of the first differences, to the right and down.

    Of faceswap-GAN (shaoanlu, v2.2): sharp edges where the truth has them.
    """
    _require_same(pictures, truth)
    total = pictures.new_zeros(())
    for axis in (-1, -2):
        total = total + (pictures.diff(dim=axis).abs() - truth.diff(dim=axis).abs()).abs().mean()
    return total


def total_variation(masks: Tensor) -> Tensor:
    """Mean absolute first difference, to the right plus down: 0 for a flat mask."""
    return masks.diff(dim=-1).abs().mean() + masks.diff(dim=-2).abs().mean()


def mask_hinge(masks: Tensor, least: float) -> Tensor:
    """Mean of max(0, least - mask): a mask must not vanish (faceswap-GAN, weighted 0.1 there)."""
    return (least - masks).clamp(min=0).mean()


def toward(logits: Tensor | Sequence[Tensor], label: float) -> Tensor:
    """Binary cross-entropy of a discriminator's maps against one label, summed over the maps.

    Args:
        logits: a map, or several of a multi-scale discriminator; before the sigmoid.
        label: 1 = real, 0 = made.
    """
    maps = [logits] if isinstance(logits, Tensor) else list(logits)
    parts = [F.binary_cross_entropy_with_logits(m, torch.full_like(m, label)) for m in maps]
    return torch.stack(parts).sum()


def name_of(logits: Tensor, identity: Tensor | None) -> Tensor:
    """Cross-entropy of a guess at whose picture it was, log N where it favours nobody.

    Args:
        logits: (B, N, h, w) over N people.
        identity: (B,) of the truth; None asks for a guess that favours nobody.
    """
    spread = F.log_softmax(logits, 1)
    if identity is None:
        return -spread.mean()
    wanted = identity.view(-1, 1, 1).expand(len(logits), *logits.shape[2:])
    return F.nll_loss(spread, wanted)


def mixup_share(batch: int, like: Tensor, alpha: float = 0.2) -> Tensor:
    """Shares of the real picture in a mixture, Beta(alpha, alpha), (B, 1, 1, 1).

    mixup: Zhang et al. 2017, arXiv 1710.09412; faceswap-GAN draws them for its discriminators.
    """
    ends = torch.full((batch, 1, 1, 1), alpha, dtype=torch.float32, device=like.device)
    return torch.distributions.Beta(ends, ends).sample()


def least_squares(scores: Tensor, labels: Tensor | float) -> Tensor:
    """Mean squared distance of a discriminator's scores from their labels.

    LSGAN: Mao et al. 2016, arXiv 1611.04076. With a mixture, the label is the real picture's share.

    Args:
        scores: (B, ...).
        labels: one number, or (B, 1, 1, 1).
    """
    return (scores - labels).square().mean()


def blur(pictures: Tensor, width: int, sigma: float) -> Tensor:
    """A gaussian blur, separable, without padding: (B, C, H - width + 1, W - width + 1).

    Raises:
        ShapeError: the picture is smaller than the window.
    """
    high, wide = pictures.shape[-2:]
    if min(high, wide) < width:
        raise ShapeError(f"a window of {width} px needs a picture that large, got {wide}x{high}")
    if width == 1:
        return pictures
    kernel = _gaussian(width, sigma)
    if pictures.device.type == "cpu" and max(high, wide) <= _MATRIX_SIDE:
        across = _band(wide, width, sigma).to(pictures)
        down = across if high == wide else _band(high, width, sigma).to(pictures)
        return down.t() @ (pictures @ across)
    count = pictures.shape[1]
    row = kernel.to(pictures).view(1, 1, 1, width).expand(count, 1, 1, width)
    pictures = pictures.contiguous(memory_format=torch.channels_last)
    return F.conv2d(
        F.conv2d(pictures, row, groups=count), row.transpose(2, 3).contiguous(), groups=count
    )


@lru_cache(maxsize=32)
def _gaussian(width: int, sigma: float) -> Tensor:
    places = torch.arange(width, dtype=torch.float64) - (width - 1) / 2
    weights = torch.exp(-places.square() / (2 * sigma**2))
    return (weights / weights.sum()).float()


@lru_cache(maxsize=32)
def _band(side: int, width: int, sigma: float) -> Tensor:
    """(side, side - width + 1): a row of pixels times this is the blurred row."""
    band = torch.zeros(side, side - width + 1)
    for start in range(side - width + 1):
        band[start : start + width, start] = _gaussian(width, sigma)
    return band


def _moments(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and spread of each channel, (B, C); the spread's gradient stays finite on a flat one."""
    mean = pictures.mean((2, 3))
    variance = (pictures - mean[..., None, None]).square().mean((2, 3))
    return mean, (variance + 1e-5).sqrt()


def _require_same(pictures: Tensor, truth: Tensor) -> None:
    if pictures.shape != truth.shape:
        raise ShapeError(
            f"pictures are {tuple(pictures.shape)}, the truth is {tuple(truth.shape)}; "
            "losses compare equal shapes"
        )
