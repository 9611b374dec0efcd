"""The first pass: what it finds, keeps and takes up again; people told apart over cuts."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from swap_targets import draw_images, write_target

from counterface.errors import MediaError, SwapError
from counterface.swap.conversion import footage as footage_module
from counterface.swap.conversion.footage import Footage, LookConfig, look_at_video, read_pieces

CONFIG = LookConfig()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_target(tmp_path_factory.mktemp("look") / "a.mp4", draw_images())


def same(one: Footage, other: Footage) -> bool:
    def key(look: footage_module.FrameFaces) -> tuple[object, ...]:
        faces = [(f.box.tobytes(), f.landmarks.tobytes(), f.score, f.pose) for f in look.faces]
        return look.index, look.pts, look.is_cut, faces, [crop.tobytes() for crop in look.crops]

    return list(map(key, one.looks)) == list(map(key, other.looks))


def test_every_frame_is_looked_at_at_its_exact_time(clip: Path) -> None:
    seen = look_at_video(clip, CONFIG)
    assert seen.times == tuple(Fraction(i, 24) for i in range(24))
    assert [look.index for look in seen.looks] == list(range(24))
    assert all(len(look.faces) == 1 for look in seen.looks)
    assert seen.looks[0].crops  # a newcomer is always kept as a small picture


def test_an_interrupted_look_goes_on_to_the_same_end(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(footage_module, "PIECE", 10)
    whole = look_at_video(clip, CONFIG, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        f"look-{start:09d}.parquet" for start in (0, 10, 20)
    ]
    (tmp_path / "look-000000020.parquet").unlink()
    (tmp_path / "look-000000010.parquet").unlink()
    assert same(look_at_video(clip, CONFIG, tmp_path), whole)


def test_what_was_kept_is_not_looked_for_again(clip: Path, tmp_path: Path) -> None:
    first = look_at_video(clip, CONFIG, tmp_path)
    again = look_at_video(clip, LookConfig(face_detector="none of that name"), tmp_path)
    assert same(first, again)


def test_a_cut_at_the_seam_of_two_pieces_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(footage_module, "PIECE", 10)
    dark = [np.full((192, 256, 3), 20, np.uint8) for _ in range(10)]
    dark = [np.where(np.arange(256)[None, :, None] > 100, 200, d).astype(np.uint8) for d in dark]
    path = write_target(tmp_path / "cut.mp4", [*draw_images()[:10], *dark])
    folder = tmp_path / "look"
    folder.mkdir()
    whole = look_at_video(path, CONFIG, folder)
    assert [look.index for look in whole.looks if look.is_cut] == [10]
    (folder / "look-000000010.parquet").unlink()
    assert same(look_at_video(path, CONFIG, folder), whole)


def test_a_range_is_cut_out_exactly(clip: Path) -> None:
    seen = look_at_video(clip, LookConfig(from_s=0.25, to_s=0.5))
    assert seen.times == tuple(Fraction(i, 24) for i in range(6, 12))
    assert [look.index for look in seen.looks] == list(range(6, 12))


def test_a_range_without_frames_is_told(clip: Path) -> None:
    with pytest.raises(MediaError, match="no frame between 5 s and the end"):
        look_at_video(clip, LookConfig(from_s=5))


def test_small_faces_are_left_out(clip: Path) -> None:
    assert not any(look.faces for look in look_at_video(clip, LookConfig(min_size=500)).looks)


def test_a_damaged_piece_is_told(clip: Path, tmp_path: Path) -> None:
    look_at_video(clip, CONFIG, tmp_path)
    (tmp_path / "look-000000000.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(SwapError, match="delete it and run the same command again"):
        read_pieces(tmp_path)
