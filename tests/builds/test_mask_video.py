"""A mask video holds the conversion's masks, frame for frame, and takes their place."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn_people import draw_person
from swap_targets import write_target

from counterface.builds.masks import drop_masks, write_mask_video
from counterface.errors import MediaError
from counterface.media.image import encode_mask
from counterface.media.video_reader import read_video
from counterface.swap.conversion.truth import truth_folder


def test_masks_keep_their_levels_and_times(tmp_path: Path) -> None:
    images = draw_person(1)
    times = [Fraction(n, 90_000) for n in np.cumsum([3600 + 90 * (n % 3) for n in range(8)])]
    fake = write_target(tmp_path / "fake.mp4", images, times)
    folder = truth_folder(fake) / "masks"
    folder.mkdir(parents=True)
    masks = []
    for number in range(len(images)):
        mask = np.zeros((160, 192), np.float32)
        cv2.circle(mask, (60 + 5 * number, 80), 35, 1.0, -1)
        masks.append(cv2.GaussianBlur(mask, (0, 0), 6))
        (folder / f"{number:06d}.png").write_bytes(encode_mask(masks[-1]))
    out = tmp_path / "masks" / "fake.mp4"
    write_mask_video(fake, out)
    frames = list(read_video(out))
    assert [frame.pts for frame in frames] == times
    for mask, frame in zip(masks, frames, strict=True):
        assert np.abs(255 * mask[..., None] - frame.image).mean() < 2
        assert frame.image[mask > 0.999].min() > 245
        assert frame.image[mask < 0.001].max() < 10
    assert truth_folder(fake).exists()  # until what depends on it is whole
    drop_masks(fake)
    assert not truth_folder(fake).exists()
    drop_masks(fake)  # a build that was killed here comes by again


def test_masks_that_are_not_those_of_the_swap_are_refused(tmp_path: Path) -> None:
    fake = write_target(tmp_path / "fake.mp4", draw_person(1))
    with pytest.raises(MediaError, match="holds no masks; delete"):
        write_mask_video(fake, tmp_path / "out.mp4")
    folder = truth_folder(fake) / "masks"
    folder.mkdir(parents=True)
    (folder / "000000.png").write_bytes(encode_mask(np.zeros((160, 192), np.float32)))
    with pytest.raises(MediaError, match=r"holds 1 masks, .* 8 frames"):
        write_mask_video(fake, tmp_path / "out.mp4")
    assert folder.exists()
    assert not (tmp_path / "out.mp4").exists()
