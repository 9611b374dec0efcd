"""Merging in the studio: plans checked and kept, a warm process that answers and ends."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow
from swap_files import write_df
from swap_targets import draw_images, write_target

pytest.importorskip("fastapi", reason="the studio is not installed: counterface[web]")

from fastapi.testclient import TestClient

from counterface.apps.studio import lives
from counterface.apps.studio.server import create_app
from counterface.apps.studio.settings import StudioConfig
from counterface.apps.studio.studio import Studio
from counterface.provenance.rights import Rights
from counterface.swap.merge.plan import MergePlan
from counterface.swap.merge.settings import MergeSettings

RIGHTS = Rights(shown="a drawn face", basis="synthetic", reference="tests/actors.py")
OPTIONS = {f"rights.{key}": value for key, value in RIGHTS.model_dump(mode="json").items() if value}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("merge") / "lab"
    folder.mkdir()
    write_df(folder / "df.safetensors", RIGHTS)
    write_target(folder / "clip.mp4", draw_images((1,), 12, 256, 192))
    return folder


@pytest.fixture(scope="module")
def studio(lab: Path, no_home_of_the_user: None) -> Any:
    found = Studio(StudioConfig(state=lab.parent / "state", root=(lab,)))
    yield found
    found.close()


@pytest.fixture(scope="module")
def client(studio: Studio) -> TestClient:
    return TestClient(create_app(studio))


def test_the_form_has_every_knob(client: TestClient) -> None:
    found = client.get("/api/v1/merges/form").json()
    names = {one["name"] for one in found["group"]["fields"]}
    assert names == set(MergeSettings.model_fields)
    assert all(one["help"] for one in found["group"]["fields"])
    assert {"none", "rct", "mkl"} <= set(found["color_transfers"])
    for mask in found["masks"]:
        assert MergeSettings(mask=mask).mask == mask


def test_a_plan_is_written_read_and_changed(client: TestClient, lab: Path) -> None:
    plan = {"settings": {"erode": 3}, "span": [{"from_s": 1, "to_s": 3, "erode": 9}]}
    body = {"place": "lab/plan.toml", "plan": plan}
    written = client.put("/api/v1/plans", json=body).json()
    assert MergePlan.read(lab / "plan.toml").at(2).erode == 9
    assert client.get("/api/v1/plans", params={"place": "lab/plan.toml"}).json() == written
    at = client.post("/api/v1/plans/at", json={"plan": written, "at_s": 2.0}).json()
    assert at["erode"] == 9
    change = {"plan": written, "at_s": 2.0, "do": "split", "number": 0}
    assert len(client.post("/api/v1/plans/change", json=change).json()["span"]) == 2
    change["do"] = "carry_on"
    carried = client.post("/api/v1/plans/change", json=change).json()
    assert MergePlan.model_validate({k: carried[k] for k in ("settings", "span")}).at(9).erode == 9


def test_what_is_no_plan_is_refused(client: TestClient, lab: Path) -> None:
    wrong = {"place": "lab/plan2.toml", "plan": {"span": [{"from_s": 1, "erod": 9}]}}
    answer = client.put("/api/v1/plans", json=wrong)
    assert answer.status_code == 422
    assert "erod" in answer.json()["error"]
    (lab / "recipe.toml").write_text('model = "df"\n')
    over = client.put("/api/v1/plans", json={"place": "lab/recipe.toml", "plan": {}})
    assert over.status_code == 422
    assert (lab / "recipe.toml").read_text() == 'model = "df"\n'
    for place, status in (("lab/plan.txt", 422), ("lab/../plan.toml", 403), ("etc/x.toml", 403)):
        answer = client.put("/api/v1/plans", json={"place": place, "plan": {}})
        assert answer.status_code == status


def test_frames_of_a_target(client: TestClient) -> None:
    about = client.get("/api/v1/merges/target", params={"place": "lab/clip.mp4"}).json()
    assert (about["width"], about["height"], about["video"]) == (256, 192, True)
    assert about["duration_s"] == pytest.approx(1.0, abs=0.06)
    strip = client.get("/api/v1/merges/strip", params={"place": "lab/clip.mp4", "count": 4})
    assert Pillow.open(BytesIO(strip.content)).size == (4 * 128, 96)
    frame = client.get("/api/v1/merges/frame", params={"place": "lab/clip.mp4", "at": 0.5})
    assert Pillow.open(BytesIO(frame.content)).size == (256, 192)


@pytest.mark.slow
def test_a_change_of_settings_changes_the_picture(
    client: TestClient, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(**options: Any) -> Any:
        body = {"model": "lab/df.safetensors", "target": "lab/clip.mp4", "options": options}
        return client.post("/api/v1/merges", json=body)

    refused = opened()
    assert refused.status_code == 422
    assert "rights" in refused.json()["error"]
    assert not studio.lives._open

    number = opened(**OPTIONS, who="largest", codec="h265").json()["id"]
    moment = client.post(f"/api/v1/merges/{number}/at", params={"at": 0.4}).json()
    assert 0.3 < moment["pts"] <= 0.4
    before = pixels(client.get(f"/api/v1/merges/{number}/before"))
    plain, faint = (
        pixels(client.get(f"/api/v1/merges/{number}/picture", params={"settings": text}))
        for text in ("{}", '{"opacity": 20}')
    )
    assert np.abs(plain - before).mean() > np.abs(faint - before).mean()
    bad = client.get(f"/api/v1/merges/{number}/picture", params={"settings": '{"erode": 99}'})
    assert bad.status_code == 422
    late = client.post(f"/api/v1/merges/{number}/at", params={"at": 50})
    assert late.status_code == 422
    assert str(studio.places.roots["lab"]) not in late.text
    again = client.get(f"/api/v1/merges/{number}/picture")
    assert np.array_equal(pixels(again), plain)  # the moment stays where it was

    monkeypatch.setattr(lives, "MOST", 1)
    other = opened(**OPTIONS).json()["id"]
    assert client.get(f"/api/v1/merges/{number}/before").status_code == 404
    process = studio.lives.get(other)._process
    assert client.delete(f"/api/v1/merges/{other}").json() == {"ended": True}
    assert process.poll() is not None


@pytest.mark.slow
def test_a_live_merge_ends_when_nobody_asks(
    studio: Studio, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lives, "IDLE_S", 0.5)
    body = {"model": "lab/df.safetensors", "target": "lab/clip.mp4", "options": OPTIONS}
    number = client.post("/api/v1/merges", json=body).json()["id"]
    live = studio.lives._open.get(number)
    if live is not None:
        live._process.wait(timeout=20)
    assert client.get(f"/api/v1/merges/{number}/before").status_code == 404


def pixels(answer: Any) -> Any:
    assert answer.status_code == 200, answer.text
    return np.asarray(Pillow.open(BytesIO(answer.content)).convert("RGB")).astype(int)
