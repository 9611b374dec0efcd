"""Haar cascades: a known answer, the boxes that OpenCV 4 gives, and files that are refused."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from actors import draw_actor
from drawn_weights import write_cascade

from counterface import weights
from counterface.errors import WeightsError
from counterface.faces.backends.haar import (
    HaarFaceDetector,
    HaarProfileDetector,
    find_windows,
    group_windows,
    read_cascade,
)

HALVES = [(0, 0, 20, 20, -1), (10, 0, 10, 20, 2)]  # right half less left half
# By the identity of the drawn actor: (x, y, width, height), and how many windows agree
KNOWN = {0: [((24, 25, 61, 61), 9)], 3: [], 5: [((19, 19, 73, 73), 93)]}
SPLIT = 0.5  # of a window that is dark on its left and bright on its right, 0.9 is usual


def half_and_half(path: Path) -> Path:
    """A cascade that finds what is dark on its left and bright on its right."""
    return write_cascade(path, [[(0, SPLIT, 0, 1)], [(0, SPLIT, 0, 1)]], [HALVES])


@pytest.mark.slow
def test_a_drawn_cascade_finds_what_it_was_drawn_for(tmp_path: Path) -> None:
    picture = np.full((120, 160, 3), 128, np.uint8)
    picture[40:80, 60:80], picture[40:80, 80:100] = 20, 230
    (best, *_) = HaarFaceDetector(half_and_half(tmp_path / "halves.xml")).detect(picture)
    middle = (best.box[:2] + best.box[2:]) / 2
    assert middle == pytest.approx([79.5, 59.5], abs=6)
    turned = np.ascontiguousarray(picture[:, ::-1])
    (other, *_) = HaarProfileDetector(half_and_half(tmp_path / "halves.xml")).detect(turned)
    assert (other.box[0] + other.box[2]) / 2 == pytest.approx(79.5, abs=6)


@pytest.mark.slow
def test_windows_are_those_of_opencv_4() -> None:
    """Boxes by OpenCV 4.10's own CascadeClassifier, from the same file and pictures."""
    try:
        cascade = read_cascade(weights.path("haar_frontal", fetch=False))
    except WeightsError as error:
        pytest.skip(str(error))
    for identity, boxes in KNOWN.items():
        grey = cv2.cvtColor(draw_actor(identity, size=112).image, cv2.COLOR_RGB2GRAY)
        found, counts = group_windows(find_windows(cascade, grey, 24), 3, 0.2)
        assert found == [box for box, _ in boxes]
        assert counts == [count for _, count in boxes]


def test_groups_are_of_similar_windows() -> None:
    one, two = [10, 10, 40, 40], [100, 10, 40, 40]
    windows = np.array([one] * 5 + [two] * 3 + [[12, 11, 41, 41]])
    assert group_windows(windows, 3, 0.2) == ([(10, 10, 40, 40)], [6])
    assert group_windows(windows, 0, 0.2)[1] == [6, 3]
    assert group_windows(np.empty((0, 4), np.intp), 3, 0.2) == ([], [])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("<featureType>HAAR", "<featureType>LBP"), "no <cascade> with the feature type HAAR"),
        (("<opencv_storage>", "<!DOCTYPE a><opencv_storage>"), "declares entities"),
        (("10 0 10 20 2.", "10 0 10 21 2."), "reaches out of the window"),
        (("0 -1 0 0.5", "0 1 0 0.5 0 -1 1 0.5"), "only stumps are read"),
        (("<rects>", "<tilted>1</tilted><rects>"), "a tilted feature"),
        (("0 -1 0 0.5", "0 -1 7 0.5"), "out of bounds"),
        (("<height>20</height>", ""), "no <height>"),
        (("</opencv_storage>", ""), "not a Haar cascade"),
    ],
)
def test_other_cascades_are_refused(change: tuple[str, str], told: str, tmp_path: Path) -> None:
    path = half_and_half(tmp_path / "halves.xml")
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(WeightsError, match=rf"halves\.xml: .*{told}"):
        read_cascade(path)
