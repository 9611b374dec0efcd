"""A place never leads out of the folders that the user gave."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterface.apps.studio.places import PlaceError, Places


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file, links out of it and within it, and a file beside it."""
    top = tmp_path_factory.mktemp("places")
    folder = top / "lab"
    (folder / "below").mkdir(parents=True)
    (folder / "below" / "clip.mp4").write_bytes(b"x")
    (top / "beside.mp4").write_bytes(b"y")
    (folder / "out").symlink_to(top)
    (folder / "out.mp4").symlink_to(top / "beside.mp4")
    (folder / "in.mp4").symlink_to(folder / "below" / "clip.mp4")
    (folder / "round").symlink_to(folder / "round")
    return folder


@pytest.fixture(scope="module")
def places(lab: Path) -> Places:
    own = lab.parent / "uploads"
    own.mkdir()
    return Places([lab], {"uploads": own})


def test_a_place_is_a_path_and_back(places: Places, lab: Path) -> None:
    path = places.readable("lab/below/clip.mp4")
    assert path == lab / "below" / "clip.mp4"
    assert places.name(path) == "lab/below/clip.mp4"
    assert places.name(lab) == "lab"
    assert places.readable("lab/in.mp4") == path  # a link within the folder
    assert places.name(lab.parent / "beside.mp4") == "beside.mp4"


@pytest.mark.parametrize(
    "place",
    [
        *("", "/", "..", "lab/..", "lab/../beside.mp4", "lab/below/../../beside.mp4", "lab/out"),
        *("lab/out.mp4", "lab/out/beside.mp4", "/etc/passwd", "etc/passwd", "~/x", "lab\0/x"),
        *("LAB/below", "lab/" + "x" * 300, "lab/round/x", "file:///etc/passwd", "labs/x"),
    ],
)
def test_what_leads_out_is_refused(places: Places, place: str) -> None:
    with pytest.raises(PlaceError):
        places.readable(place)


def test_folders_of_one_name_get_a_number(tmp_path: Path) -> None:
    folders = [tmp_path / one / "clips" for one in "abc"]
    for folder in folders:
        folder.mkdir(parents=True)
    places = Places([*folders, folders[0]], {})
    assert list(places.roots) == ["clips", "clips-2", "clips-3"]
    assert places.path("clips-2/x") == folders[1] / "x"
    with pytest.raises(PlaceError, match="no such folder"):
        Places([tmp_path / "none"], {})


def test_no_path_goes_out(places: Places, lab: Path) -> None:
    text = f"{lab}/below/clip.mp4: broken; see {lab.parent}/uploads/x"
    assert places.outward(text) == "lab/below/clip.mp4: broken; see uploads/x"
    value = {"a": [{"path": f"{lab}/x", "n": 1}], "b": None}
    assert places.outward_json(value) == {"a": [{"path": "lab/x", "n": 1}], "b": None}


@given(st.lists(st.sampled_from(["..", ".", "lab", "below", "out", "", "~", "\\", "%2e%2e"])))
def test_no_chain_of_names_leads_out(places: Places, lab: Path, parts: list[str]) -> None:
    try:
        path = places.path("/".join(["lab", *parts]))
    except PlaceError:
        return
    assert path == lab or lab in path.parents
