"""Of a picture that is cut short, what is there is read, the rest is grey or black, and told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from drawn_media import draw

from counterface.errors import MediaError
from counterface.media import sandbox
from counterface.media.image import read_image

KINDS = {
    "a.jpg": {"quality": 95},
    "a.png": {},
    "a.webp": {"quality": 90},
    "b.webp": {"lossless": True},
    "a.tif": {},
    "a.bmp": {},
}


def noisy() -> np.ndarray:
    image = draw(3, 320, 240).astype(int)
    image += np.random.default_rng(1).integers(-20, 20, image.shape)
    return image.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("share", [0.5, 0.98])
@pytest.mark.parametrize("name", KINDS)
def test_what_is_there_is_read_and_what_is_not_is_told(tmp_path: Path, name, share) -> None:
    path, notes = tmp_path / name, []
    PIL.Image.fromarray(noisy()).save(path, **KINDS[name])
    whole = read_image(path, tell=notes.append)
    assert notes == []
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    left = sandbox.read_image(path, tell=notes.append)
    assert [note.code for note in notes] == ["cut_short"]
    assert left.shape == whole.shape
    same = (left == whole).all(axis=(1, 2))
    kept = same[::-1] if name == "a.bmp" else same  # stored from the bottom up
    rows = int(len(kept) * (share - 0.2))
    assert kept[:rows].all()
    assert [n.code for n in sandbox.probe(path).notes] == ["cut_short"]
    if share == 0.5:
        assert "of the picture is missing" in notes[0].text


@pytest.mark.parametrize("lost", [1, 2, 20])
def test_a_photo_without_its_last_bytes_is_judged(tmp_path: Path, lost: int) -> None:
    path, notes = tmp_path / "a.jpg", []
    PIL.Image.fromarray(noisy()).save(path, quality=90)
    whole = read_image(path)
    path.write_bytes(path.read_bytes()[:-lost])
    left = sandbox.read_image(path, tell=notes.append)
    assert "almost all of the picture could be read" in notes[0].text
    assert np.array_equal(left[:220], whole[:220])


def test_a_progressive_photo_keeps_its_coarse_picture(tmp_path: Path) -> None:
    path, notes = tmp_path / "a.jpg", []
    PIL.Image.fromarray(draw(1, 320, 240)).save(path, quality=95, progressive=True)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    left = sandbox.read_image(path, tell=notes.append)
    assert np.abs(left.astype(int) - draw(1, 320, 240)).mean() < 8
    assert "detail is missing" in notes[0].text


def test_a_picture_of_which_nothing_is_left_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    PIL.Image.fromarray(noisy()).save(path)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(MediaError, match=r"a\.png' is damaged or cut short"):
        sandbox.read_image(path)
