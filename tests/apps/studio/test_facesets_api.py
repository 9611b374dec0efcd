"""Facesets by the studio's interface: rows, thumbnails, trash, landmarks, masks, refusals."""

from __future__ import annotations

import io
import json
import shutil
import struct
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_facesets import write_person
from PIL import Image as Pictures
from studio_running import TOKEN, RunningStudio

from counterface.faceset.alignments.change import list_changes
from counterface.faceset.masks.polygons import read_polygons
from counterface.faceset.store import Faceset

pytestmark = pytest.mark.slow
TRIANGLE = {"kind": "include", "points": [[10, 10], [100, 10], [60.5, 110]]}
PLACE = {"place": "lab/jane"}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A faceset that tests copy."""
    return write_person(tmp_path_factory.mktemp("drawn") / "jane", 1, 6).folder


@pytest.fixture
def jane(drawn: Path, root: Path) -> Iterator[Path]:
    """A faceset in the folder of the studio, which holds nothing else."""
    yield Path(shutil.copytree(drawn, root / "jane"))
    for path in root.iterdir():
        path.unlink() if path.is_symlink() else shutil.rmtree(path)


@dataclass(frozen=True)
class Answer:
    """What the studio answered."""

    status_code: int
    content: bytes
    type: str

    def json(self) -> Any:
        return json.loads(self.content)


@dataclass(frozen=True)
class Client:
    """Asks a studio as a program does."""

    studio: RunningStudio

    def get(self, path: str, params: dict[str, Any] | None = None) -> Answer:
        return self._ask("GET", f"{path}?{urllib.parse.urlencode(params or {}, doseq=True)}")

    def post(self, path: str, json: Any) -> Answer:
        return self._ask("POST", path, json)

    def put(self, path: str, json: Any) -> Answer:
        return self._ask("PUT", path, json)

    def _ask(self, method: str, path: str, body: Any = None) -> Answer:
        request = urllib.request.Request(
            f"{self.studio.address}/api/v1{path}",
            None if body is None else json.dumps(body).encode(),
            {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return Answer(answer.status, answer.read(), answer.headers["content-type"])
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.read(), error.headers["content-type"])


@pytest.fixture
def client(jane: Path, studio: RunningStudio) -> Client:
    """The interface, with a faceset in its folder."""
    return Client(studio)


def rows(client: Client, place: str = "lab/jane") -> Any:
    answer = client.get("/facesets/rows", params={"place": place})
    assert answer.status_code == 200, answer.content
    return answer.json()


def small(client: Client, *files: str) -> list[bytes]:
    """The thumbnails of crops."""
    answer = client.get("/facesets/thumbnails", params={**PLACE, "file": files})
    assert answer.status_code == 200, answer.content
    found, data = [], answer.content
    while data:
        (length,) = struct.unpack("<I", data[:4])
        found.append(data[4 : 4 + length])
        data = data[4 + length :]
    return found


def test_facesets_are_found_below_the_roots_but_for_trash_and_hidden_ones(
    client: Client, jane: Path
) -> None:
    shutil.copytree(jane, jane.parent / "deeper" / "joan")
    shutil.copytree(jane, jane.parent / ".hidden" / "jim")
    shutil.copytree(jane, jane / "trash")
    (jane.parent / "link").symlink_to(jane)
    (jane.parent / "broken").mkdir()
    (jane.parent / "broken" / "faceset.json").write_text("{")
    found = {one["place"]: one for one in client.get("/facesets").json()}
    assert set(found) == {"lab/jane", "lab/deeper/joan", "lab/broken"}
    assert (found["lab/jane"]["crops"], found["lab/jane"]["size"]) == (6, 128)
    assert found["lab/jane"]["shown"] == "a drawn actor"
    assert "lab/broken" in found["lab/broken"]["problem"]


def test_rows_say_what_each_crop_is(client: Client) -> None:
    view = rows(client)
    assert view["sources"] == ["person1.mp4"]
    assert view["crops"]["file"][2] == "person1_0002.jpg"
    assert view["crops"]["frame"] == [0, 1, 2, 3, 4, 5]
    assert view["crops"]["yaw"][0] == pytest.approx(-20)
    assert view["rights"]["basis"] == "synthetic"


def test_the_mark_changes_with_the_faceset_alone(client: Client, jane: Path) -> None:
    first = rows(client)["mark"]
    assert rows(client)["mark"] == first
    (jane / "person1_0003.jpg").unlink()
    view = rows(client)
    assert view["mark"] != first
    assert (view["gone"], len(view["crops"]["file"])) == (1, 5)


def test_values_stand_in_the_order_of_the_rows(client: Client) -> None:
    answer = client.get("/facesets/values", params={**PLACE, "by": "blur"}).json()
    assert answer["values"] == pytest.approx([0.01, 0.02, 0.03, 0.04, 0.05, 0.06])
    assert answer["mark"] == rows(client)["mark"]
    refused = client.get("/facesets/values", params={**PLACE, "by": "hue"})
    assert refused.status_code == 422
    assert "sort by it" in refused.json()["error"]
    assert client.get("/facesets/values", params={**PLACE, "by": "charm"}).status_code == 422


def test_every_registered_measure_is_told_with_its_unit(client: Client) -> None:
    found = {one["name"]: one for one in client.get("/facesets/measures").json()}
    assert found["yaw"]["unit"] == "degrees"
    assert found["blur"]["reads"] == "row"
    assert all(one["says"] for one in found.values() if not one["problem"])


def test_thumbnails_show_the_crops_and_are_kept_by_content(client: Client, jane: Path) -> None:
    one, absent, two = small(client, "person1_0000.jpg", "nobody.jpg", "person1_0005.jpg")
    assert absent == b""
    small_one = np.asarray(Pictures.open(io.BytesIO(one)), np.float32)
    whole = np.asarray(Pictures.open(jane / "person1_0000.jpg"), np.float32)
    assert small_one.shape == (128, 128, 3)
    assert np.abs(small_one - whole).mean() < 6
    shutil.copy(jane / "person1_0005.jpg", jane / "person1_0000.jpg")
    assert small(client, "person1_0000.jpg") == [two]
    assert (client.studio.state / "thumbnails.db").is_file()


def test_thumbnails_are_never_the_bytes_of_a_file_and_never_of_a_link(
    client: Client, jane: Path, tmp_path: Path
) -> None:
    shutil.copy(jane / "person1_0001.jpg", tmp_path / "secret.jpg")
    (jane / "person1_0001.jpg").unlink()
    (jane / "person1_0001.jpg").symlink_to(tmp_path / "secret.jpg")
    (jane / "person1_0002.jpg").write_bytes(b"GIF89a and something else")
    kept = (jane / "person1_0003.jpg").read_bytes()
    link, text, crop = small(client, "person1_0001.jpg", "person1_0002.jpg", "person1_0003.jpg")
    assert (link, text) == (b"", b"")
    assert crop != kept


@pytest.mark.parametrize(
    "name", ["../jane/person1_0000.jpg", ".secret.jpg", "faceset.json", "a/b.jpg"]
)
def test_a_thumbnail_of_anything_but_a_crop_is_refused(client: Client, name: str) -> None:
    answer = client.get("/facesets/thumbnails", params={**PLACE, "file": [name]})
    assert answer.status_code == 422


def test_at_most_48_thumbnails_are_made_at_once(client: Client) -> None:
    answer = client.get("/facesets/thumbnails", params={**PLACE, "file": ["a.jpg"] * 49})
    assert answer.status_code == 422


@pytest.mark.parametrize(
    ("place", "status"),
    [("lab/../..", 403), ("elsewhere/jane", 403), ("lab/nobody", 404), ("lab", 404), ("", 403)],
)
def test_no_faceset_outside_of_the_roots_is_read_or_written(
    client: Client, place: str, status: int
) -> None:
    points = [[1.0, 1.0]] * 68
    asked = [
        client.get("/facesets/rows", params={"place": place}),
        client.get("/facesets/coverage", params={"place": place}),
        client.get("/facesets/crop", params={"place": place, "file": "a.jpg"}),
        client.get("/facesets/crop.jpg", params={"place": place, "file": "a.jpg"}),
        client.get("/facesets/thumbnails", params={"place": place, "file": "a.jpg"}),
        client.post("/facesets/set-aside", json={"place": place, "files": ["a.jpg"]}),
        client.post("/facesets/bring-back", json={"place": place, "files": ["a.jpg"]}),
        client.post("/facesets/landmarks/undo", json={"place": place}),
        client.put(
            "/facesets/landmarks",
            json={"place": place, "file": "a.jpg", "points": points, "seen": points},
        ),
        client.put(
            "/facesets/polygons", json={"place": place, "file": "a.jpg", "polygons": [TRIANGLE]}
        ),
    ]
    assert {answer.status_code for answer in asked} == {status}


def test_crops_go_to_the_trash_and_come_back_by_name(client: Client, jane: Path) -> None:
    names = ["person1_0001.jpg", "person1_0004.jpg"]
    moved = client.post("/facesets/set-aside", json={**PLACE, "files": [*names, "x.jpg"]}).json()
    assert moved["moved"] == {name: name for name in names}
    assert moved["absent"] == ["x.jpg"]
    assert (moved["crops"], moved["in_trash"], moved["folder"]) == (4, 2, "lab/jane")
    assert rows(client, "lab/jane/trash")["crops"]["file"] == names
    assert rows(client)["in_trash"] == 2
    back = client.post("/facesets/bring-back", json={**PLACE, "files": names[:1]}).json()
    assert back["moved"] == {names[0]: names[0]}
    assert names[0] in {row.file for row in Faceset.open(jane)}


def test_all_crops_may_go_and_a_second_delete_tells_them_absent(client: Client) -> None:
    names = rows(client)["crops"]["file"]
    assert client.post("/facesets/set-aside", json={**PLACE, "files": names}).json()["crops"] == 0
    again = client.post("/facesets/set-aside", json={**PLACE, "files": names}).json()
    assert (again["moved"], again["absent"], again["in_trash"]) == ({}, names, 6)
    assert rows(client)["crops"]["file"] == []
    assert client.get("/facesets/coverage", params=PLACE).json()["warnings"] == ["no crops"]


def test_a_rights_record_is_written_and_an_empty_one_refused(client: Client, jane: Path) -> None:
    record = {"shown": "Jane", "basis": "consent", "reference": "form 12"}
    answer = client.put("/facesets/rights", json={**PLACE, "rights": record})
    assert answer.json() == record
    assert json.loads((jane / "faceset.json").read_text())["rights"] == record
    for wrong in ({**record, "shown": " "}, {**record, "basis": "hope"}, {"shown": "Jane"}):
        assert client.put("/facesets/rights", json={**PLACE, "rights": wrong}).status_code == 422


def test_coverage_is_told_and_drawn(client: Client) -> None:
    found = client.get("/facesets/coverage", params=PLACE).json()
    assert "nothing beyond 30 degrees to the left" in found["warnings"]
    picture = client.get("/facesets/coverage.png", params=PLACE)
    assert picture.type == "image/png"
    assert Pictures.open(io.BytesIO(picture.content)).format == "PNG"


def test_landmarks_are_set_and_taken_back(client: Client, jane: Path) -> None:
    asked = {**PLACE, "file": "person1_0002.jpg"}
    seen = client.get("/facesets/crop", params=asked).json()["landmarks"]
    points = [list(point) for point in seen]
    points[30] = [points[30][0] + 3, points[30][1] - 2]
    answer = client.put("/facesets/landmarks", json={**asked, "points": points, "seen": seen})
    assert np.allclose(answer.json()["landmarks"], points, atol=0.01)
    assert [work.does for work in list_changes(jane)] == ["edit"]
    assert rows(client)["changes"][0]["does"] == "edit"
    stale = client.put("/facesets/landmarks", json={**asked, "points": points, "seen": seen})
    assert stale.status_code == 422
    assert "changed since" in stale.json()["error"]
    assert client.post("/facesets/landmarks/undo", json=PLACE).json()["crops"] == 1
    now = client.get("/facesets/crop", params=asked).json()["landmarks"]
    assert np.array_equal(now, seen)
    nothing = client.post("/facesets/landmarks/undo", json=PLACE)
    assert nothing.status_code == 422


def test_landmarks_that_are_none_are_refused(client: Client, jane: Path) -> None:
    asked = {**PLACE, "file": "person1_0002.jpg"}
    seen = client.get("/facesets/crop", params=asked).json()["landmarks"]
    far = [[x + 900, y] for x, y in seen]
    for points in (seen[:67], far, [[1e9, 0.0]] * 68, [[float("nan"), 0.0]] * 68):
        answer = client.put("/facesets/landmarks", json={**asked, "points": points, "seen": seen})
        assert answer.status_code == 422
    gone = {**PLACE, "file": "nobody.jpg", "points": seen, "seen": seen}
    assert client.put("/facesets/landmarks", json=gone).status_code == 422
    assert list_changes(jane) == ()


def test_polygons_draw_the_mask_of_a_crop_and_none_leaves_no_mask(
    client: Client, jane: Path
) -> None:
    asked = {**PLACE, "file": "person1_0002.jpg"}
    answer = client.put("/facesets/polygons", json={**asked, "polygons": [TRIANGLE]}).json()
    assert answer["mask"] == "masks/person1_0002.png"
    assert answer["polygons"] == [TRIANGLE]
    assert read_polygons(jane / "masks" / "person1_0002.json").size == 128
    data = client.get("/facesets/mask.png", params=asked).content
    mask = np.asarray(Pictures.open(io.BytesIO(data)))
    assert (mask[40, 60], mask[100, 5]) == (255, 0)
    assert rows(client)["crops"]["mask"] == [False, False, True, False, False, False]
    answer = client.put("/facesets/polygons", json={**asked, "polygons": []}).json()
    assert (answer["mask"], answer["polygons"]) == (None, [])
    assert list((jane / "masks").iterdir()) == []
    assert client.get("/facesets/mask.png", params=asked).status_code == 404


@pytest.mark.parametrize(
    "polygon",
    [
        {"kind": "include", "points": [[1, 1], [2, 2]]},
        {"kind": "perhaps", "points": [[1, 1], [2, 2], [3, 1]]},
        {"kind": "include", "points": [[1, 1], [2, 2], [1e7, 1]]},
        {"kind": "include", "points": [[1, 1], [2, 2], ["x", 1]]},
        {"kind": "include", "points": [[1, 1, 1], [2, 2, 2], [3, 1, 1]]},
        {"kind": "include", "points": [[1, 1], [2, 2], [3, 1]], "more": 1},
    ],
)
def test_bad_polygons_are_refused_and_change_nothing(
    client: Client, jane: Path, polygon: dict[str, Any]
) -> None:
    body = {**PLACE, "file": "person1_0002.jpg", "polygons": [polygon]}
    assert client.put("/facesets/polygons", json=body).status_code == 422
    assert not (jane / "masks").exists()


def test_a_crop_that_is_gone_is_told(client: Client, jane: Path) -> None:
    asked = {**PLACE, "file": "person1_0002.jpg"}
    assert client.get("/facesets/crop", params=asked).status_code == 200
    (jane / "person1_0002.jpg").unlink()
    for path in ("crop", "crop.jpg", "mask.png"):
        answer = client.get(f"/facesets/{path}", params=asked)
        assert answer.status_code == 404
        assert "load the page again" in answer.json()["error"]
    body = {**asked, "polygons": [TRIANGLE]}
    assert client.put("/facesets/polygons", json=body).status_code == 422


def test_polygons_that_cannot_be_read_are_told_with_the_crop(client: Client, jane: Path) -> None:
    asked = {**PLACE, "file": "person1_0002.jpg"}
    client.put("/facesets/polygons", json={**asked, "polygons": [TRIANGLE]})
    (jane / "masks" / "person1_0002.json").write_text("[")
    view = client.get("/facesets/crop", params=asked).json()
    assert view["polygons"] == []
    assert "draw them anew" in view["problem"]
