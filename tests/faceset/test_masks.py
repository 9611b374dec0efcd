"""Masks in and out; DeepFaceLab's polygons read without unpickling; hostile files refused."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from actors import Expression, draw_actor
from drawn_facesets import write_person
from echo_model import DRAWN
from killed import disk_steps
from swap_targets import draw_images, write_target

from counterface.errors import FacesetError, RegistryError
from counterface.faces.align import crop_matrix, warp_points
from counterface.faceset.extract import ExtractConfig, extract
from counterface.faceset.masks.apply import ApplyConfig, apply_masks
from counterface.faceset.masks.draw import DrawConfig, draw_masks
from counterface.faceset.masks.exchange import MASKS, export_masks, import_masks
from counterface.faceset.masks.polygons import Polygon, Polygons, draw_mask, read_polygons
from counterface.faceset.masks.xseg import read_xseg
from counterface.faceset.store import Faceset, save
from counterface.files import locked
from counterface.media.image import encode_image, read_image, write_image

SIDE = 64
SQUARE = [[10.0, 10.0], [40.0, 10.0], [40.0, 40.0], [10.0, 40.0]]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn") / "jane"
    write_person(folder, 1, 3, side=SIDE)
    return folder


@pytest.fixture
def jane(drawn: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(drawn, tmp_path / "jane"))


@pytest.fixture
def given(tmp_path: Path) -> Path:
    folder = tmp_path / "given"
    folder.mkdir()
    return folder


def labelled(pts: Any, kind: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "face_type": "whole_face",
        "seg_ie_polys": {"polys": [{"type": kind, "pts": pts}]},
    } | more


def with_segment(content: bytes, side: int = SIDE) -> bytes:
    jpeg = encode_image(np.full((side, side, 3), 90, np.uint8), "JPEG")
    head = b"\xff\xef" + (len(content) + 2).to_bytes(2, "big")
    return jpeg[:2] + head + content + jpeg[2:]


def mask_of(folder: Path, number: int = 0) -> np.ndarray:
    row = Faceset.open(folder).rows[number]
    assert row.mask is not None
    return read_image(folder / row.mask)[..., 0]


def test_polygons_are_drawn_in_their_order():
    outer = Polygon(kind="include", points=((10, 10), (40, 10), (40, 40), (10, 40)))
    inner = Polygon(kind="exclude", points=((20, 20), (30, 20), (30, 30), (20, 30)))
    mask = draw_mask(Polygons(size=SIDE, polygons=(outer, inner)))
    assert mask[12, 12] == 255
    assert mask[25, 25] == mask[50, 50] == 0
    assert (mask == 255).sum() == 31**2 - 11**2
    assert draw_mask(Polygons(size=SIDE, polygons=(inner, outer)))[25, 25] == 255
    assert draw_mask(Polygons(size=SIDE, polygons=(inner,)))[50, 50] == 255


def test_polygons_of_a_larger_crop_cover_the_same_place():
    large = Polygons(
        size=2 * SIDE,
        polygons=(Polygon(kind="include", points=((20, 20), (80, 20), (80, 80), (20, 80))),),
    )
    share = (draw_mask(large) / 255).mean(), (draw_mask(large.scaled(SIDE)) / 255).mean()
    assert share[0] == pytest.approx(share[1], abs=0.02)
    assert large.scaled(SIDE).scaled(2 * SIDE).polygons[0].points[1] == pytest.approx((80, 20))


@pytest.mark.parametrize("protocol", [3, 4])
@pytest.mark.parametrize("kind", ["<f4", "<f8", "list"])
def test_polygons_of_deepfacelab_are_read(given: Path, protocol: int, kind: str):
    pts = SQUARE if kind == "list" else np.array(SQUARE, kind)
    values = labelled(
        pts, xseg_mask=np.zeros(9, np.uint8), landmarks=SQUARE, source_rect=[1, 2, 3, 4]
    )
    path = given / "a.jpg"
    path.write_bytes(with_segment(pickle.dumps(values, protocol)))
    found = read_xseg(path, SIDE)
    assert found.polygons is not None
    assert found.polygons.polygons[0].kind == "include"
    assert [list(point) for point in found.polygons.polygons[0].points] == SQUARE
    assert found.source_box is not None
    assert found.source_box.tolist() == [1, 2, 3, 4]


class _Call:
    def __reduce__(self) -> Any:
        return eval, ("1/0",)


DEEP = b"\x80\x03" + b"]" * 30_000 + b"a" * 29_999 + b"."
TUPLE_KEY = b"\x80\x03})" + b"\x85" * 30_000 + b"K\x01s."
HOSTILE = {
    "builtins eval": pickle.dumps(labelled(SQUARE, other=_Call()), 3),
    "builtins eval' by a stack": pickle.dumps(labelled(SQUARE, other=_Call()), 4),
    "PERSID": b"\x80\x03Psomething\n.",
    "LONG1": b"\x80\x03\x8a\x011.",
    "longer than polygons": DEEP,
    "tuples in tuples": TUPLE_KEY,
    "BINGET": b"\x80\x03}h\x05.",
    "no dict": b"\x80\x03]]a.",
    "longer": b"\x80\x03}" + b"K\x01" * 5 + b"N" * 60_000 + b".",
    "expected": b"\x80\x03B\xff\xff\xff\x7fabc.",
    "before it": b"\x80\x03X\x02\x00\x00\x00abX\x02\x00\x00\x00abR.",
    "pickle exhausted": b"\x80\x03}",
    "type 7": pickle.dumps(labelled(SQUARE, 7), 3),
    "shape": pickle.dumps(labelled(np.zeros((3, 3), np.float32)), 3),
    "finite": pickle.dumps(labelled(np.full((3, 2), np.nan, np.float32)), 3),
    "kinds": pickle.dumps(labelled(np.zeros((3, 2), np.complex64)), 3),
    "32768": pickle.dumps(labelled(np.full((3, 2), 1e9, np.float32)), 3),
}


@pytest.mark.parametrize("why", HOSTILE)
def test_hostile_metadata_is_refused_by_name(given: Path, why: str):
    path = given / "a.jpg"
    path.write_bytes(with_segment(HOSTILE[why]))
    with pytest.raises(FacesetError, match=r"a\.jpg") as caught:
        read_xseg(path, SIDE)
    assert why.split("'")[0] in str(caught.value)


def test_damaged_segments_are_refused(given: Path):
    path = given / "a.jpg"
    whole = with_segment(pickle.dumps(labelled(SQUARE), 3))
    for content, why in (
        (whole[:60], "cut short"),
        (encode_image(np.zeros((8, 8, 3), np.uint8), "JPEG"), "no APP15"),
        (b"\xff\xd8\xff\xef\x00\x00", "cut short"),
        (b"GIF89a", "no JPEG"),
    ):
        path.write_bytes(content)
        with pytest.raises(FacesetError, match=why):
            read_xseg(path, SIDE)


def test_a_hostile_file_ends_no_batch(jane: Path, given: Path):
    names = [Path(row.file).stem for row in Faceset.open(jane)]
    (given / f"{names[0]}.jpg").write_bytes(with_segment(HOSTILE["builtins eval"]))
    good = with_segment(pickle.dumps(labelled(np.float32(SQUARE)), 3))
    (given / f"{names[1]}.jpg").write_bytes(good)
    (given / f"{names[2]}.jpg").write_bytes(with_segment(pickle.dumps({"seg_ie_polys": None}, 3)))
    (given / "stranger.jpg").write_bytes(good)
    found = import_masks(jane, given)
    assert (found.masks, found.polygons, found.without) == (1, 1, 1)
    assert [problem.file for problem in found.problems] == [f"{names[0]}.jpg", "stranger.jpg"]
    assert Faceset.open(jane).rows[0].mask is None
    assert (mask_of(jane, 1) == 255).sum() == 31**2


def test_a_crop_of_another_template_is_found_by_its_place_in_the_frame(jane: Path, given: Path):
    row = Faceset.open(jane).rows[0]
    matrix = crop_matrix(row.landmarks, "head", 112)
    corners = np.array([[-20, -20], [20, -20], [20, 20], [-20, 20]])
    around = row.landmarks.mean(axis=0) + corners  # in the frame
    values = labelled(
        np.float32(warp_points(around, matrix)),
        source_filename=row.source,
        source_rect=[float(value) for value in row.box],
        image_to_face_mat=np.asarray(matrix, np.float64),
    )
    (given / "00001_0.jpg").write_bytes(with_segment(pickle.dumps(values, 3), side=112))
    assert import_masks(jane, given).problems == ()
    masked = Faceset.open(jane).rows[0]
    outlines = read_polygons((jane / str(masked.mask)).with_suffix(".json"))
    assert outlines.size == SIDE
    expected = warp_points(around, row.frame_to_crop)
    assert np.array(outlines.polygons[0].points) == pytest.approx(expected, abs=0.01)


def test_masks_and_polygons_come_out_as_they_went_in(jane: Path, given: Path, tmp_path: Path):
    names = [Path(row.file).stem for row in Faceset.open(jane)]
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    picture[20:30] = 128
    write_image(given / f"{names[0]}.png", picture)
    outlines = {"format": 1, "size": SIDE, "polygons": [{"kind": "include", "points": SQUARE}]}
    (given / f"{names[1]}.json").write_text(json.dumps(outlines))
    assert import_masks(jane, given).problems == ()
    assert Faceset.open(jane).rows[0].mask == f"{MASKS}/{names[0]}.png"
    first, second = tmp_path / "png", tmp_path / "json"
    assert export_masks(jane, first, "png").masks == 2
    assert export_masks(jane, second, "json").polygons == 1
    assert (read_image(first / f"{names[0]}.png") == picture).all()
    assert read_polygons(second / f"{names[1]}.json") == Polygons.model_validate(outlines)
    shutil.copy(first / f"{names[0]}.png", first / f"{names[1]}.png")
    import_masks(jane, first)  # a picture takes the place of polygons
    assert export_masks(jane, tmp_path / "none", "json").polygons == 0


def test_what_is_no_mask_is_named(jane: Path, given: Path):
    with pytest.raises(FacesetError, match="name the folder of masks"):
        import_masks(jane, given)
    names = [Path(row.file).stem for row in Faceset.open(jane)]
    write_image(given / f"{names[0]}.png", np.zeros((9, 9, 3), np.uint8))
    (given / f"{names[1]}.json").write_text('{"format": 2, "size": 64, "polygons": []}')
    (given / f"{names[2]}.json").write_text("[")
    found = import_masks(jane, given)
    assert found.masks == 0
    assert [problem.file for problem in found.problems] == sorted(p.name for p in given.iterdir())
    assert "9x9" in found.problems[0].reason


def test_no_damage_to_the_metadata_is_another_error(given: Path):
    """Whatever bytes are turned: polygons, or an error that names the file."""
    path, random = given / "a.jpg", np.random.default_rng(5)
    whole = pickle.dumps(labelled(np.float32(SQUARE), source_rect=[1, 2, 3, 4]), 3)
    refused = []
    for _ in range(400):
        damaged = bytearray(whole)
        for at in random.integers(len(whole), size=3):
            damaged[at] = random.integers(256)
        head = b"\xff\xd8\xff\xef" + (len(whole) + 2).to_bytes(2, "big")
        path.write_bytes(head + bytes(damaged))
        try:
            read_xseg(path, SIDE)
        except FacesetError as error:
            refused.append(str(error))
    assert len(refused) > 100
    assert all("a.jpg" in reason for reason in refused)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks, to kill what it forked")
def test_a_kill_leaves_every_named_mask_whole(jane: Path, given: Path, tmp_path: Path):
    names = [Path(row.file).stem for row in Faceset.open(jane)]
    outlines = {"format": 1, "size": SIDE, "polygons": [{"kind": "include", "points": SQUARE}]}
    for name in names:
        (given / f"{name}.json").write_text(json.dumps(outlines))
    begun = Path(shutil.copytree(jane, tmp_path / "begun"))
    steps = disk_steps(lambda: import_masks(jane, given), jane)
    for kill_at in range(0, len(steps), 3):
        shutil.rmtree(jane)
        shutil.copytree(begun, jane)
        disk_steps(lambda: import_masks(jane, given), jane, kill_at)
        rows = Faceset.open(jane).rows
        assert len(rows) == len(names)
        for number, row in enumerate(rows):
            assert row.mask is None or (mask_of(jane, number) == 255).sum() == 31**2
        assert import_masks(jane, given).masks == len(names), steps[kill_at]
        assert all(row.mask for row in Faceset.open(jane))


def test_a_segmenter_gives_masks_to_crops_that_have_none(jane: Path, given: Path, tmp_path: Path):
    names = [Path(row.file).stem for row in Faceset.open(jane)]
    write_image(given / f"{names[0]}.png", np.zeros((SIDE, SIDE, 3), np.uint8))
    import_masks(jane, given)
    (jane / Faceset.open(jane).rows[1].file).write_bytes(b"no picture")
    found = apply_masks(jane)
    assert (found.masks, found.kept) == (len(names) - 2, 1)
    assert [Path(problem.file).stem for problem in found.problems] == [names[1]]
    assert not mask_of(jane, 0).any()  # what somebody drew stays
    assert 0.15 < (mask_of(jane, 2) > 127).mean() < 0.8
    assert apply_masks(jane).masks == 0
    assert apply_masks(jane, ApplyConfig(replace=True)).masks == len(names) - 1
    assert mask_of(jane, 0).any()
    drawn = draw_masks(jane, tmp_path / "drawn", DrawConfig(most=2))
    assert (drawn.pictures, drawn.without, len(drawn.problems)) == (2, 1, 0)
    with pytest.raises(FacesetError, match="lies in the faceset"):
        draw_masks(jane, jane / "drawn")


def test_polygons_stay_until_they_are_to_be_replaced(jane: Path, given: Path):
    name = Path(Faceset.open(jane).rows[0].file).stem
    outlines = {"format": 1, "size": SIDE, "polygons": [{"kind": "include", "points": SQUARE}]}
    (given / f"{name}.json").write_text(json.dumps(outlines))
    import_masks(jane, given)
    assert apply_masks(jane).kept == 1
    assert (jane / MASKS / f"{name}.json").exists()
    assert (mask_of(jane, 0) == 255).sum() == 31**2
    assert apply_masks(jane, ApplyConfig(replace=True)).kept == 0
    assert not (jane / MASKS / f"{name}.json").exists()
    assert (mask_of(jane, 0) > 127).sum() > 31**2


def test_landmarks_that_are_none_are_told_and_the_others_get_masks(jane: Path):
    rows = list(Faceset.open(jane).rows)
    for number, value in enumerate((np.nan, 1e30)):
        rows[number] = replace(rows[number], landmarks=np.full((68, 2), value, np.float32))
    with locked(jane, FacesetError):
        save(replace(Faceset.open(jane), rows=tuple(rows)))
    found = apply_masks(jane)
    assert [problem.file for problem in found.problems] == [row.file for row in rows[:2]]
    assert found.masks == len(rows) - 2


@pytest.mark.parametrize("template", ["head", "face"])
def test_crops_of_any_template_get_masks(tmp_path: Path, template: str):
    write_person(tmp_path / "kim", 4, 1, template=template, side=128)
    assert apply_masks(tmp_path / "kim").masks == 1
    row = Faceset.open(tmp_path / "kim").rows[0]
    truth = draw_actor(4, row.pose, Expression(), size=256).mask
    truth = cv2.warpAffine(truth, row.frame_to_crop, (128, 128)) > 0.5
    found = mask_of(tmp_path / "kim") > 127
    assert (found & truth).sum() / (found | truth).sum() > 0.9


def test_masks_are_never_written_over_crops(jane: Path):
    apply_masks(jane)
    for out in (jane, jane / "masks", jane / "out"):
        with pytest.raises(FacesetError, match="lies in the faceset"):
            export_masks(jane, out, "png")


def test_masks_are_made_at_once(tmp_path: Path):
    clip = write_target(tmp_path / "a.mp4", draw_images()[:4])
    config = ExtractConfig(masks="generic", rights=DRAWN)
    summary = extract(clip, tmp_path / "fs", config)
    assert summary.masks is not None
    assert (summary.masks.masks, summary.incomplete) == (summary.crops, False)
    assert all(row.mask for row in Faceset.open(tmp_path / "fs"))
    with pytest.raises(RegistryError, match="nobody"):
        extract(clip, tmp_path / "other", ExtractConfig(masks="nobody"))
    assert not (tmp_path / "other").exists()
