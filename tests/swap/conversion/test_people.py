"""People are told apart by place and appearance; who is replaced is never guessed among several."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from actors import draw_actor
from pydantic import ValidationError
from swap_targets import draw_images, write_target

from counterface.errors import SwapError
from counterface.faces.align import align
from counterface.media import sandbox
from counterface.media.image import read_image, write_image
from counterface.swap.conversion import people as people_module
from counterface.swap.conversion.footage import Footage, FrameFaces, LookConfig, look_at_video
from counterface.swap.conversion.people import Choice, best_moments, choose_people, find_people
from counterface.swap.conversion.sheet import list_people
from counterface.types import Face, Frame, Pose

CROPS = {n: align(draw_actor(n).image, draw_actor(n).face, "face", 32).image for n in (2, 3, 7)}


def face_at(x: float, size: float = 60.0) -> Face:
    box = np.array([x, 50, x + size, 50 + size], np.float32)
    return Face(box=box, score=0.9, landmarks=np.zeros((68, 2), np.float32), pose=Pose(0, 0, 0))


def footage(*frames: dict[int, float], cuts: tuple[int, ...] = ()) -> Footage:
    """Frames as {actor: x of the face}, crops kept in each."""
    looks = []
    for index, people in enumerate(frames):
        faces = tuple(face_at(x) for x in people.values())
        crops = tuple(CROPS[n] for n in people)
        looks.append(FrameFaces(index, Fraction(index, 10), index in cuts, faces, crops))
    return Footage(tuple(looks))


def no_frames(times: object) -> list[object]:
    raise AssertionError("frames are needed for samples only")


def choose(seen: Footage, **choice: object) -> frozenset[int]:
    return choose_people(find_people(seen), Choice(**choice), no_frames, "a.mp4")


TWO = footage(*[{2: 10, 3: 200}] * 6)


def test_a_person_keeps_the_number_over_a_cut_and_in_another_place() -> None:
    seen = footage(*[{2: 10, 3: 200}] * 4, *[{3: 10, 2: 200}] * 4, cuts=(4,))
    cast = find_people(seen)
    assert len(cast.tracks) == 4
    where = {n: [s.face.box[0] for s in cast.sightings(n)] for n in (1, 2)}
    assert where == {1: [10] * 4 + [200] * 4, 2: [200] * 4 + [10] * 4}


def test_another_person_in_the_same_place_after_a_cut_is_another_person() -> None:
    cast = find_people(footage(*[{2: 10}] * 4, *[{7: 10}] * 4, cuts=(4,)))
    assert [person.frames for person in cast.people] == [4, 4]


def test_one_who_is_lost_for_a_while_comes_back_as_the_same() -> None:
    cast = find_people(footage(*[{2: 10}] * 4, *[{}] * 8, *[{2: 30}] * 4))
    assert [(p.number, p.frames, p.first_s, p.last_s) for p in cast.people] == [(1, 8, 0.0, 1.5)]


def test_numbers_go_by_time_and_brief_ones_come_last() -> None:
    seen = footage({7: 300}, *[{3: 200}] * 3, *[{3: 200, 2: 10}] * 5)
    cast = find_people(seen)
    assert [(p.frames, p.brief) for p in cast.people] == [(8, False), (5, False), (1, True)]
    assert cast.numbers == (3, 1, 2)


def test_several_people_and_nothing_said_is_an_error_that_lists_them() -> None:
    with pytest.raises(SwapError, match=r"shows 2 people; say who") as error:
        choose(TWO)
    assert "--person 1   0.00 to 0.50 s, 6 frames, 60 px" in str(error.value)
    assert "--who all" in str(error.value)
    assert "counterface faces list a.mp4 --sheet" in str(error.value)


def test_what_was_said_counts() -> None:
    assert choose(TWO, person=(2,)) == {2}
    assert choose(TWO, person=(1, 2)) == choose(TWO, who="all") == {1, 2}
    large = footage(*[{2: 10, 3: 200}] * 6)
    large = Footage(
        tuple(
            FrameFaces(x.index, x.pts, False, (x.faces[0], face_at(200, 90)), x.crops)
            for x in large.looks
        )
    )
    assert choose(large, who="largest") == {2}
    with pytest.raises(SwapError, match="has no person 3; it has"):
        choose(TWO, person=(3,))
    with pytest.raises(ValidationError, match="`person` and `who` are given; one of them"):
        Choice(person=(1,), who="all")


class _Mean:
    """Stands for the identity network: the mean colour of the face; drawn actors differ in it."""

    def embed_landmarks(self, image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        points = landmarks[17:]
        (x0, y0), (x1, y1) = points.min(axis=0).astype(int), points.max(axis=0).astype(int)
        return image[y0:y1, x0:x1].reshape(-1, 3).mean(axis=0).astype(np.float32) / 20


def test_whoever_looks_like_the_sample_is_chosen(
    pair: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people_module, "IdentityEmbedder", _Mean)
    seen = look_at_video(pair, LookConfig())
    cast = find_people(seen)

    def frames_at(times: Sequence[Fraction]) -> list[Frame]:
        return list(sandbox.frames_at(pair, times))

    image = draw_images((1, 2), 4, 400, 200)[3]
    for number in (1, 2):
        box = cast.sightings(number)[3].face.box.astype(int)
        middle = (box[0] + box[2]) // 2
        half = image[:, :200] if middle < 200 else image[:, 200:]
        write_image(tmp_path / "sample.png", half)
        choice = Choice(like=(tmp_path / "sample.png",))
        assert choose_people(cast, choice, frames_at, "pair.mp4") == {number}
    write_image(tmp_path / "nobody.png", np.full((200, 200, 3), 80, np.uint8))
    with pytest.raises(SwapError, match="no face with landmarks"):
        choose_people(cast, Choice(like=(tmp_path / "nobody.png",)), frames_at, "pair.mp4")
    monkeypatch.setattr(people_module, "SAME_PERSON", 1e-6)
    with pytest.raises(SwapError, match=r"nobody looks like the sample \(distances person 1: "):
        choose_people(cast, choice, frames_at, "pair.mp4")


def test_a_false_alarm_makes_no_choice_necessary() -> None:
    assert choose(footage({2: 10, 7: 300}, *[{2: 10}] * 5)) == {1}


def test_nobody_is_an_error() -> None:
    with pytest.raises(SwapError, match="no face was found"):
        choose(footage({}, {}))


def test_best_moments_are_spread_and_frontal() -> None:
    cast = find_people(footage(*[{2: 10}] * 20))
    moments = best_moments(cast.sightings(1), 4)
    assert [m.frame_index // 5 for m in moments] == [0, 1, 2, 3]
    assert len(best_moments(cast.sightings(1)[:2], 4)) == 2


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    images = draw_images((1, 2), 4, 400, 200)
    return write_target(tmp_path_factory.mktemp("pair") / "pair.mp4", images)


def test_the_list_has_the_numbers_of_the_analysis_and_the_sheet_shows_everybody(
    pair: Path, tmp_path: Path
) -> None:
    seen = list_people(pair, sheet=tmp_path / "sheet.png")
    assert seen.people == find_people(look_at_video(pair, LookConfig())).people
    assert len(seen.people) == 2
    sheet = read_image(tmp_path / "sheet.png")
    rows = np.split(sheet, 2)
    assert all(row[30:150, 10:160].std() > 20 for row in rows)
    assert cv2.norm(rows[0], rows[1], cv2.NORM_L1) / rows[0].size > 5  # two different people
