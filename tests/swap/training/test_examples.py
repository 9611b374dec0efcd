"""Training examples: pure, aligned, even, and honest about what cannot be used."""

from __future__ import annotations

import logging
import pickle
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn_facesets import write_person
from pydantic import ValidationError

from counterface.errors import FacesetError, RightsError, ShapeError, TrainingError
from counterface.faces.align import warp_points
from counterface.faces.landmarks import LEFT_EYE, MOUTH, RIGHT_EYE
from counterface.faces.mask import fill_convex, hull_points
from counterface.faceset.store import Faceset
from counterface.media.image import write_image
from counterface.swap.training.examples import ExamplesConfig, Side, SwapExamples
from counterface.swap.training.order import EvenOrder

COUNT = 6
People = list[list[Faceset]]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> People:
    folder = tmp_path_factory.mktemp("people")
    sets = [write_person(folder / str(i), i, COUNT, template="head", side=160) for i in (1, 2)]
    return [[one] for one in sets]


def make(people: People, seed: int = 0, template: str = "face", **options: object) -> SwapExamples:
    return SwapExamples(people, ExamplesConfig(**options), template, 32, 48, seed)  # type: ignore[arg-type]


def same(one: Side, two: Side) -> bool:
    return all(np.array_equal(one[key], two[key]) for key in one)  # type: ignore[literal-required]


def test_a_side_has_the_documented_arrays(people: People) -> None:
    example = make(people)[0]
    assert list(example) == ["source", "target"]
    for role, side in enumerate(example.values()):
        shapes = {"warped": (3, 32, 32), "target": (3, 48, 48)}
        shapes |= dict.fromkeys(("mask", "eyes", "mouth"), (1, 48, 48))
        for name, shape in shapes.items():
            array = side[name]  # type: ignore[literal-required]
            assert array.shape == shape, name
            assert array.dtype == np.float32
            assert 0 <= array.min() < array.max() <= 1
        assert side["identity"] == role
        assert isinstance(side["identity"], np.int64)


@pytest.mark.parametrize("warp", ["grid", "cell", "landmarks", "none"])
def test_an_example_depends_on_seed_and_index_alone(people: People, warp: str) -> None:
    options = {"warp": warp, "color_transfer": "average", "hsv_power": 0.1, "clahe": 0.5}
    first = make(people, **options)
    wanted = {index: first[index] for index in (3, 0, 40)}
    small = make(people, cache_mb=0.1, **options)  # everything is decoded again and again
    copied = pickle.loads(pickle.dumps(first))  # as a worker process gets it
    for index in (40, 3, 0):
        for other in (small[index], copied[index]):
            assert same(other["source"], wanted[index]["source"])
            assert same(other["target"], wanted[index]["target"])
    assert not same(make(people, seed=1, **options)[3]["source"], wanted[3]["source"])


def test_without_a_warp_input_and_target_agree_to_a_fraction_of_a_pixel(people: People) -> None:
    examples = SwapExamples(
        people, ExamplesConfig(warp="none", random_source_flip=True), "face", 64, 64
    )
    for index in range(6):
        side = examples[index]["source"]
        assert np.abs(side["warped"] - side["target"]).max() < 3 / 255
    examples = SwapExamples(people, ExamplesConfig(warp="none"), "face", 32, 64)
    for index in range(4):
        side = examples[index]["target"]
        halved = side["target"].reshape(3, 32, 2, 32, 2).mean(axis=(2, 4))
        shifts = {
            (x, y): np.abs(np.roll(halved, (y, x), (1, 2)) - side["warped"])[:, 2:-2, 2:-2].mean()
            for x in (-1, 0, 1)
            for y in (-1, 0, 1)
        }
        assert min(shifts, key=shifts.__getitem__) == (0, 0)
        assert shifts[0, 0] < 0.5 * sorted(shifts.values())[1]


@pytest.mark.parametrize("warp", ["grid", "cell", "landmarks"])
def test_warped_inputs_are_bent_but_not_beyond_recognition(people: People, warp: str) -> None:
    examples = SwapExamples(people, ExamplesConfig(warp=warp), "face", 48, 48)
    off = [np.abs(s["warped"] - s["target"]).mean() for i in range(8) for s in examples[i].values()]
    flipped = [
        np.abs(s["warped"][..., ::-1] - s["target"]).mean()
        for i in range(8)
        for s in examples[i].values()
    ]
    assert 0.005 < np.mean(off) < np.mean(flipped)  # bent, and not mirrored


def test_masks_lie_where_the_target_shows_the_parts_mirrored_or_not(
    tmp_path: Path, people: People
) -> None:
    """Crops painted with the regions themselves: blue is face, red is eyes, green is mouth."""
    faceset = write_person(tmp_path / "painted", 1, 3, template="head", side=240)
    for row in faceset:
        points = warp_points(row.landmarks, row.frame_to_crop)
        parts = [points[LEFT_EYE], points[MOUTH], hull_points(points)]
        red, green, blue = (fill_convex(part, (240, 240)) for part in parts)
        red = np.maximum(red, fill_convex(points[RIGHT_EYE], (240, 240)))
        write_image(
            faceset.folder / row.file,
            np.round(np.dstack([red, green, blue]) * 255).astype(np.uint8),
            quality=100,
        )
    config = ExamplesConfig(random_source_flip=True, mask_feather=0)
    examples = SwapExamples([[faceset], people[1]], config, "face", 32, 96)
    for index in range(8):
        side = examples[index]["source"]
        red, green, blue = side["target"] > 0.5
        assert red.sum() > 30
        assert (side["eyes"][0][red] > 0.99).all()
        assert (side["mouth"][0][green] > 0.99).all()
        assert 1.2 < side["mouth"].sum() / green.sum() < 2.2  # widened, not by much
        mask = side["mask"][0] > 0.5
        assert (mask & blue).sum() > 0.98 * (mask | blue).sum()


def test_mirrored_crops_are_there_only_where_asked_for(people: People) -> None:
    """Drawn light comes from image left: a mirrored face is brighter on the right."""

    def mirrored(role: str, **flags: bool) -> int:
        options = {"rotation": 0, "zoom": 0, "shift": 0, "flip": 1, "warp": "none"}
        examples = SwapExamples(people, ExamplesConfig(**options, **flags), "face", 32, 32)
        plain = {index: examples.plain(role == "target", index)["target"] for index in range(20)}
        count = 0
        for index in range(COUNT):
            target = examples[index][role]["target"]
            straight = min(np.abs(target - one).mean() for one in plain.values())
            turned = min(np.abs(target[..., ::-1] - one).mean() for one in plain.values())
            count += bool(turned < straight)
        return count

    assert mirrored("source") == 0
    assert mirrored("target") == COUNT
    assert mirrored("source", random_source_flip=True) == COUNT
    assert mirrored("target", random_target_flip=False) == 0


def which(examples: SwapExamples, identity: int, place: int, stream: int = 0) -> int:
    return examples.orders[identity].at(stream, place)


def test_every_crop_comes_once_a_round_and_rounds_differ(people: People) -> None:
    examples = make(people)
    rounds = [tuple(which(examples, 0, r * COUNT + i) for i in range(COUNT)) for r in range(5)]
    assert all(sorted(one) == list(range(COUNT)) for one in rounds)
    assert len(set(rounds)) > 1
    other = [which(examples, 1, i) for i in range(5 * COUNT)]
    assert other != [crop for one in rounds for crop in one]  # pairs change


def test_even_yaw_shows_rare_poses_as_often(tmp_path: Path) -> None:
    yaws = np.array([0.1] * 90 + [0.2] * 9 + [45.0] + [-100.0], np.float32)
    order = EvenOrder(yaws, (0, 0))
    seen = Counter(order.at(0, place) for place in range(900))
    assert seen[99] == 300
    assert seen[100] == 300
    assert set(seen) == set(range(101))  # the crowded bin gives all of its crops


def test_more_people_are_paired_evenly_and_never_with_themselves(
    tmp_path: Path, people: People
) -> None:
    third = write_person(tmp_path / "3", 3, 2, template="head", side=160)
    examples = make([*people, [third]])
    pairs = [
        (int(e["source"]["identity"]), int(e["target"]["identity"]))
        for e in (examples[i] for i in range(30))
    ]
    assert all(a != b for a, b in pairs)
    assert dict.fromkeys(range(3), 10) == Counter(a for a, _ in pairs)
    assert dict.fromkeys(range(3), 10) == Counter(b for _, b in pairs)
    assert len(set(pairs)) == 6


def test_several_facesets_are_one_person(tmp_path: Path, people: People) -> None:
    more = write_person(tmp_path / "more", 1, 3, template="whole_face", side=96)
    examples = make([[*people[0], more], people[1]])
    assert {which(examples, 0, i) for i in range(COUNT + 3)} == set(range(COUNT + 3))
    one = examples.stores[0].read(COUNT + 1)[1]  # of the other template and size
    assert one.image.shape == (96, 96, 3)


def test_wider_crops_give_the_same_example(tmp_path: Path) -> None:
    def targets(template: str, side: int) -> np.ndarray:
        sets = [
            [write_person(tmp_path / f"{template}{i}", i, 1, template=template, side=side)]
            for i in (1, 2)
        ]
        examples = SwapExamples(sets, ExamplesConfig(warp="none"), "face", 48, 48)
        return examples.plain(0, 0)["target"]

    tight, wide = targets("face", 96), targets("head", 178)  # the same pixels an eye distance
    assert np.abs(tight - wide).mean() < 0.01


def test_narrower_crops_are_refused_with_the_way_out(people: People, tmp_path: Path) -> None:
    narrow = write_person(tmp_path / "narrow", 1, 1, template="face")
    with pytest.raises(ShapeError, match=r"extract FOOTAGE .*narrow-head --template head"):
        make([[narrow], people[1]], template="head")


def test_nothing_is_made_without_rights_or_of_nobody(people: People, tmp_path: Path) -> None:
    bare = write_person(tmp_path / "bare", 1, 1, rights=None)
    with pytest.raises(RightsError, match="bare"):
        make([[bare], people[1]])
    with pytest.raises(TrainingError, match=r"two or more people, got counts \[1\]"):
        make(people[:1])
    with pytest.raises(TrainingError, match=r"\[1, 0\]"):
        make([people[0], []])
    with pytest.raises(ShapeError, match="no template is named 'bust'"):
        make(people, template="bust")
    with pytest.raises(IndexError, match="-1"):
        make(people)[-1]


def test_blurred_crops_are_left_out(people: People) -> None:
    assert [len(store) for store in make(people, max_blur=0.035).stores] == [3, 3]
    with pytest.raises(FacesetError, match="no crop with blur up to 0"):
        make(people, max_blur=0)


def test_a_damaged_crop_is_told_once_and_passed_over(
    tmp_path: Path, people: People, caplog: pytest.LogCaptureFixture
) -> None:
    faceset = write_person(tmp_path / "damaged", 1, 6)
    (faceset.folder / faceset.rows[2].file).write_bytes(b"no picture")
    examples = make([[faceset], people[1]], warp="none")
    with caplog.at_level(logging.WARNING):
        before = [examples[i] for i in range(12)]
    assert len(caplog.records) == 1
    assert faceset.rows[2].file in caplog.text
    assert examples.stores[0].read(2)[0] == 3  # the next one
    again = make([[faceset], people[1]], warp="none", cache_mb=0)
    assert all(same(again[i]["source"], before[i]["source"]) for i in (11, 5))
    (faceset.folder / faceset.rows[4].file).write_bytes(b"")
    third = make([[faceset], people[1]])
    with pytest.raises(TrainingError, match=r"2 of 6 crops .*faceset verify"):
        [third[i] for i in range(6)]


def test_plain_crops_are_still_and_spread_over_yaw(people: People) -> None:
    examples = make(people, warp="cell", hsv_power=0.3)
    side = examples.plain(1, 3)
    halved = side["target"].reshape(3, 16, 3, 16, 3).mean(axis=(2, 4))
    bare = side["warped"].reshape(3, 16, 2, 16, 2).mean(axis=(2, 4))
    assert np.abs(halved - bare).mean() < 0.01
    assert side["identity"] == 1
    assert same(side, make(people, seed=5, warp="grid").plain(1, 3))
    chosen = {examples.plain(0, index)["target"].tobytes() for index in range(COUNT)}
    assert len(chosen) >= COUNT - 1
    with pytest.raises(IndexError, match="identity 2 of 2"):
        examples.plain(2, 0)


def test_masks_of_the_faceset_are_used_where_they_are(tmp_path: Path, people: People) -> None:
    faceset = write_person(tmp_path / "masked", 1, 2)
    drawn = np.zeros((128, 128, 3), np.uint8)
    drawn[:64] = 255
    (faceset.folder / "masks").mkdir()
    write_image(faceset.folder / "masks" / "0.png", drawn)
    rows = (replace(faceset.rows[0], mask="masks/0.png"), faceset.rows[1])
    examples = SwapExamples(
        [[replace(faceset, rows=rows)], people[1]],
        ExamplesConfig(mask="faceset", mask_feather=0),
        "whole_face",
        48,
        48,
    )
    found = [examples.plain(0, index)["mask"][0] for index in range(4)]
    halves = [mask for mask in found if mask[2].min() == 1 and mask[-3].max() == 0]
    hulls = [mask for mask in found if mask[2, 2] == 0 and mask[24, 24] == 1]
    assert halves
    assert hulls
    assert len(halves) + len(hulls) == 4
    everything = make(people, mask="none").plain(0, 0)["mask"]
    assert everything.min() == 1


def test_blur_outside_the_mask_leaves_the_inside(people: People) -> None:
    options = {"warp": "none", "mask_feather": 0}
    plain = SwapExamples(people, ExamplesConfig(**options), "head", 128, 128).plain(0, 1)
    config = ExamplesConfig(blur_outside_mask=True, **options)
    soft = SwapExamples(people, config, "head", 128, 128).plain(0, 1)
    off = np.abs(plain["target"] - soft["target"]).max(axis=0)
    inside = cv2.erode(plain["mask"][0], np.ones((5, 5))) > 0.999  # crops and model differ in size
    assert off[inside].max() <= 2 / 255
    assert off[plain["mask"][0] == 0].max() > 0.1


@pytest.mark.parametrize("at", ["load", "item"])
def test_source_colours_move_toward_the_target_and_target_stays(people: People, at: str) -> None:
    options = {"warp": "none", "color_transfer_at": at}
    bare, moved = make(people, **options), make(people, color_transfer="average", **options)

    def colour(side: Side) -> np.ndarray:
        weight = side["mask"]
        return (side["target"] * weight).sum(axis=(1, 2)) / weight.sum()

    for index in range(4):
        source, target = (colour(bare[index][role]) for role in ("source", "target"))
        now = colour(moved[index]["source"])
        assert np.abs(now - target).max() < 0.3 * np.abs(source - target).max()
        assert same(moved[index]["target"], bare[index]["target"])


def test_colour_options_touch_input_and_target_alike(people: People) -> None:
    for options in ({"hsv_power": 0.3}, {"lightness_jitter": 0.3, "color_jitter": 0.08}):
        config = ExamplesConfig(warp="none", clahe=0.5, **options)
        examples = SwapExamples(people, config, "face", 48, 48)
        bare = SwapExamples(people, ExamplesConfig(warp="none"), "face", 48, 48)
        changed = []
        for index in range(6):
            side = examples[index]["target"]
            assert np.abs(side["warped"] - side["target"]).max() < 4 / 255
            was = bare[index]["target"]["target"]
            changed.append(np.abs(side["target"] - was).mean())
        assert np.mean(changed) > 0.01


@pytest.mark.parametrize(
    "wrong", [{"warp": "twist"}, {"color_transfer": "magic"}, {"zoom": -1}, {"mask": "hat"}]
)
def test_wrong_options_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ExamplesConfig(**wrong)  # type: ignore[arg-type]


def test_recipes_are_the_published_ones_unless_set() -> None:
    assert ExamplesConfig(warp="cell").recipe() == (10, 0.15, 0.05, 0.4)
    assert ExamplesConfig(warp="grid").recipe() == (10, 0.05, 0.05, 0.5)
    assert ExamplesConfig(warp="cell", zoom=0.0).recipe().zoom == 0


def test_the_documented_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = Path(__file__).resolve().parents[3] / "docs" / "swap_training.md"
    for number, name in enumerate(("source", "target")):
        write_person(tmp_path / name, number, 1)
    monkeypatch.chdir(tmp_path)
    block = page.read_text().split("```python\n")[1].split("```")[0]
    names: dict[str, object] = {}
    exec(compile(block, str(page), "exec"), names)
    assert names["still"]
