"""Tracks over drawn clips whose people are known, and over boxes that move as told."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from actors import ClipFrame, draw_clip
from hypothesis import given, settings
from hypothesis import strategies as st

from counterface.errors import ShapeError
from counterface.faces.face_detector import find_faces
from counterface.faces.track import CutFinder, Found, track_faces
from counterface.types import Face, Track

FPS = 25


def box_at(x: float, y: float = 100, side: float = 80) -> Face:
    return Face(np.array([x, y, x + side, y + side], np.float32), 0.9)


def frames_of(*paths: list[Face | None]) -> list[Found]:
    """One entry a frame; each path is one person's faces, None where it was missed."""
    return [
        (i, Fraction(i, FPS), [face for face in faces if face is not None])
        for i, faces in enumerate(zip(*paths, strict=True))
    ]


def lengths(tracks: list[Track]) -> list[int]:
    return [len(track.sightings) for track in tracks]


@pytest.fixture(scope="module")
def clip() -> list[ClipFrame]:
    """Two people; after frame 6 another shot in which they have changed places."""
    return draw_clip([1, 2], frames=12, width=480, height=270, cut_at=6)


@pytest.mark.slow
def test_detected_people_are_followed_and_split_at_the_cut(clip: list[ClipFrame]) -> None:
    finder = CutFinder()
    cuts = [item.frame.index for item in clip if finder.is_cut(item.frame.image)]
    assert cuts == [6]
    found = [(i.frame.index, i.frame.pts, find_faces(i.frame.image)) for i in clip]
    tracks = track_faces(found, cuts=cuts)
    assert lengths(tracks) == [6, 6, 6, 6]
    for track in tracks:
        people = set()
        for sighting in track.sightings:
            actors = clip[sighting.frame_index].actors
            box = sighting.face.box
            middle = (box[:2] + box[2:]) / 2
            off = [np.linalg.norm(actor.landmarks[30] - middle) for actor in actors]
            people.add(int(np.argmin(off)))
        assert len(people) == 1


def test_without_the_cut_two_people_in_one_place_would_be_one(clip: list[ClipFrame]) -> None:
    """Why cuts are looked for: the boxes alone cannot tell."""
    found = [(i.frame.index, i.frame.pts, [a.face for a in i.actors]) for i in clip]
    assert lengths(track_faces(found)) == [12, 12]


def test_people_who_pass_each_other_keep_their_tracks() -> None:
    right = [box_at(6.0 * i, 100) for i in range(60)]
    left = [box_at(354 - 6.0 * i, 150) for i in range(60)]
    tracks = track_faces(frames_of(right, left))
    assert lengths(tracks) == [60, 60]
    steps = [np.diff([s.face.box[0] for s in t.sightings]) for t in tracks]
    assert (steps[0] > 0).all()
    assert (steps[1] < 0).all()


def test_a_fast_face_is_met_where_its_speed_foretells_it() -> None:
    """45 pixels a frame leave 28 % overlap; two missed frames would leave none."""
    path: list[Face | None] = [box_at(45.0 * i) for i in range(20)]
    path[10] = path[11] = None
    assert lengths(track_faces(frames_of(path))) == [18]


def test_a_face_lost_for_long_comes_back_as_a_new_track() -> None:
    path: list[Face | None] = [box_at(100)] * 40
    short, long = path.copy(), path.copy()
    short[10:20] = [None] * 10
    long[10:30] = [None] * 20
    assert lengths(track_faces(frames_of(short))) == [30]
    assert lengths(track_faces(frames_of(long))) == [10, 10]


def test_short_tracks_can_be_left_out() -> None:
    flicker: list[Face | None] = [None] * 30
    flicker[7] = box_at(300)
    tracks = track_faces(frames_of([box_at(50)] * 30, flicker), min_sightings=3)
    assert lengths(tracks) == [30]
    assert tracks[0].id == 0


def test_time_must_move_forward() -> None:
    frames = frames_of([box_at(0), box_at(0)])
    with pytest.raises(ShapeError, match="does not follow"):
        track_faces(frames[::-1])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(0, 500), max_size=4), min_size=1, max_size=12))
def test_every_face_is_in_exactly_one_track(places: list[list[int]]) -> None:
    frames = [(i, Fraction(i, FPS), [box_at(float(x)) for x in xs]) for i, xs in enumerate(places)]
    tracks = track_faces(frames)
    seen = [id(s.face) for t in tracks for s in t.sightings]
    assert sorted(seen) == sorted(id(face) for _, _, faces in frames for face in faces)
    for track in tracks:
        indices = [s.frame_index for s in track.sightings]
        assert indices == sorted(set(indices))  # one face a frame, in time order
    assert [t.id for t in tracks] == list(range(len(tracks)))


def test_a_flash_or_a_fade_is_no_cut(clip: list[ClipFrame]) -> None:
    image = clip[0].frame.image
    finder = CutFinder()
    assert not finder.is_cut(image)
    assert not finder.is_cut((image * 0.5).astype(np.uint8))
    assert not finder.is_cut(np.clip(image * 1.3 + 30, 0, 255).astype(np.uint8))
    assert finder.is_cut(image[::-1])


def test_frames_of_any_size_can_be_judged() -> None:
    for shape in ((1, 1), (5, 900), (2160, 20)):
        finder = CutFinder()
        image = np.zeros((*shape, 3), np.uint8)
        assert not finder.is_cut(image)


@pytest.mark.footage
def test_real_shots_of_one_person_have_no_cut(footage) -> None:  # type: ignore[no-untyped-def]
    from counterface.media.video_reader import read_video

    path = footage / "clips_talking_heads" / "liveportrait_d12.mp4"  # much camera motion
    finder = CutFinder()
    assert not any(finder.is_cut(frame.image) for frame in read_video(path))
