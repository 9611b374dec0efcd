"""Masks of the target's faceset are found by file, time and place, and lie where they belong."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from echo_model import DRAWN, echo_model
from swap_targets import draw_images, write_target

from counterface.errors import FacesetError, SwapError
from counterface.faces.align import crop_matrix, warp_points
from counterface.faceset.extract import ExtractConfig, extract
from counterface.faceset.header import ROWS_FILE
from counterface.faceset.row import ROWS, Row
from counterface.faceset.store import Faceset
from counterface.files import file_sha256, write_bytes
from counterface.media.image import encode_mask, read_image
from counterface.swap.conversion.convert import convert
from counterface.swap.conversion.faceset_masks import FacesetMasks
from counterface.swap.conversion.settings import ConvertConfig

Box = tuple[int, int, int, int]
NOSE: Box = (100, 110, 156, 150)  # x0, y0, x1, y1 in crops of 256 px: what is marked


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_target(tmp_path_factory.mktemp("clip") / "a.mp4", draw_images()[:12])


@pytest.fixture
def faceset(clip: Path, tmp_path: Path) -> Path:
    """A faceset with a mask for every second frame."""
    import pyarrow.parquet as pq

    folder = tmp_path / "faces"
    extract(clip, folder, ExtractConfig(every=2, rights=DRAWN))
    rows: list[Row] = []
    for row in Faceset.open(folder):
        mask = np.zeros((256, 256), np.float32)
        mask[NOSE[1] : NOSE[3], NOSE[0] : NOSE[2]] = 1
        write_bytes(folder / f"{row.file}.mask", encode_mask(mask))
        rows.append(replace(row, mask=f"{row.file}.mask"))
    pq.write_table(ROWS.to_arrow(rows), folder / ROWS_FILE)
    return folder


def test_a_mask_lies_where_it_was_drawn(clip: Path, faceset: Path) -> None:
    masks = FacesetMasks((faceset,), clip, file_sha256(clip))
    row = Faceset.open(faceset, allow_strays=True).rows[1]
    matrix = crop_matrix(row.landmarks, "head", 128)  # another template, another size
    mask = masks.find(row.pts, row.box, matrix, 128)
    assert mask is not None
    assert (mask.shape, mask.dtype) == ((128, 128), np.float32)
    corners = np.array([[NOSE[0], NOSE[1]], [NOSE[2], NOSE[3]]], np.float32) - 0.5
    back = np.linalg.inv(np.vstack([row.frame_to_crop, [0, 0, 1]]))[:2].astype(np.float32)
    (x0, y0), (x1, y1) = warp_points(warp_points(corners, back), matrix)
    rows, columns = np.nonzero(mask > 0.5)
    assert np.allclose([columns.min(), columns.max()], [x0, x1], atol=1.0)
    assert np.allclose([rows.min(), rows.max()], [y0, y1], atol=1.0)


def test_another_time_place_or_file_has_none(clip: Path, faceset: Path) -> None:
    masks = FacesetMasks((faceset,), clip, file_sha256(clip))
    row = Faceset.open(faceset, allow_strays=True).rows[0]
    matrix = crop_matrix(row.landmarks, "face", 64)
    assert masks.find(row.pts, row.box, matrix, 64) is not None
    assert masks.find(row.pts + Fraction(1, 24), row.box, matrix, 64) is None
    assert masks.find(row.pts, row.box + 80, matrix, 64) is None
    with pytest.raises(SwapError, match="holds no mask of a face of this very file"):
        FacesetMasks((faceset,), clip, "0" * 64)


def test_a_mask_of_another_size_is_refused(clip: Path, faceset: Path) -> None:
    row = Faceset.open(faceset, allow_strays=True).rows[0]
    write_bytes(faceset / str(row.mask), encode_mask(np.ones((64, 64), np.float32)))
    masks = FacesetMasks((faceset,), clip, file_sha256(clip))
    with pytest.raises(FacesetError, match="64x64, its crop is 256x256"):
        masks.find(row.pts, row.box, crop_matrix(row.landmarks, "face", 64), 64)


@pytest.mark.slow
@pytest.mark.parametrize("named", [True, False])
def test_a_conversion_uses_them_and_the_hull_where_there_is_none(
    clip: Path, faceset: Path, tmp_path: Path, named: bool
) -> None:
    """Named, or found as the faceset that the model was trained on."""
    config = ConvertConfig(
        rights=DRAWN,
        crf=8,
        keep=("masks",),
        masks=(faceset,) if named else (),
        merge={"mask": "faceset", "erode": 0, "blur": 0, "edge": 0, "color_transfer": "none"},
    )
    model = echo_model(64, gain=1.3, folder="elsewhere" if named else str(faceset))
    [done] = convert(model, clip, tmp_path / "out.mp4", config).files
    assert "6 faces had no faceset mask: the hull was used" in done.notes
    masks = tmp_path / "out.mp4.truth" / "masks"
    shares = [(read_image(masks / f"{i:06d}.png")[..., 0] > 127).mean() for i in range(12)]
    assert max(shares[::2]) < 0.5 * min(shares[1::2])  # the nose alone, and whole faces


def test_without_any_the_setting_is_refused(clip: Path, tmp_path: Path) -> None:
    config = ConvertConfig(rights=DRAWN, merge={"mask": "faceset"})
    with pytest.raises(SwapError, match="name it by --masks"):
        convert(echo_model(64), clip, tmp_path / "out.mp4", config)
