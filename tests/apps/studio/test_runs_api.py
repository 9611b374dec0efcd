"""Runs as the studio gives them: forms, recipes without paths, curves, pictures made anew."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

pytest.importorskip("fastapi", reason="the studio is not installed: counterface[web]")

from fastapi import FastAPI
from fastapi.testclient import TestClient

from counterface.apps.studio.server import create_app
from counterface.apps.studio.settings import StudioConfig
from counterface.apps.studio.studio import Studio
from counterface.config import write_config
from counterface.media.image import write_image
from counterface.swap.training.train import SwapTrainConfig


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    folder = tmp_path / "lab"
    folder.mkdir()
    return folder


@pytest.fixture
def client(lab: Path, tmp_path: Path, no_home_of_the_user: None) -> Any:
    studio = Studio(StudioConfig(state=tmp_path / "state", root=(lab,)))
    app: FastAPI = create_app(studio)
    yield TestClient(app)
    studio.close()


def write_run(folder: Path, steps: int = 100, **settings: Any) -> Path:
    folder.mkdir(parents=True)
    config = SwapTrainConfig.model_validate({"out": folder, **settings})
    write_config(config, folder / "config.toml")
    rows = [
        {"kind": "train", "step": k, "loss": 1 / k, "examples_per_s": 8.0}
        for k in range(1, steps + 1)
    ]
    rows.append({"kind": "changed", "step": steps, "batch_size": 4})
    (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"ki')
    return folder


def test_a_form_says_what_is_not_installed(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "counterface.swap.swap_model", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    refused = client.get("/api/v1/trainings/form", params={"model": "df"})
    assert refused.status_code == 422
    assert refused.json()["error"].startswith("this needs torch; install counterface[train]")


def test_the_form_has_every_setting_with_bounds_and_help(client: Any) -> None:
    found = client.get("/api/v1/trainings/form", params={"model": "df"}).json()
    groups = {one["name"]: {f["name"]: f for f in one["fields"]} for one in found["groups"]}
    assert set(groups) == {"", "options", "examples", "loss", "optimizer", "loop"}
    assert groups["loop"]["batch_size"]["default"] == 16  # of a swap's training, not of the loop
    assert groups["options"]["resolution"] | {"help": ""} == {
        **groups["options"]["resolution"],
        **{"help": "", "kind": "integer", "least": 64, "most": 640},
    }
    assert groups["examples"]["warp"]["choices"] == ["grid", "cell", "landmarks", "none"]
    assert all(field["help"] for fields in groups.values() for field in fields.values())
    assert "quick96" in found["presets"]
    other = client.get("/api/v1/trainings/form", params={"model": "gan"}).json()
    assert "gan" in {one["name"] for one in other["groups"]}
    assert "loss" not in {one["name"] for one in other["groups"]}
    assert client.get("/api/v1/trainings/form", params={"model": "no"}).status_code == 422


def test_a_recipe_is_told_without_defaults_and_without_paths(client: Any, lab: Path) -> None:
    run = write_run(lab / "run", source=(lab / "anna",), loop={"steps": 40}, loss={"dssim": 3})
    found = client.get("/api/v1/trainings/recipe", params={"place": "lab/run"}).json()
    assert found["source"] == ["lab/anna"]
    assert found["out"] == "lab/run"
    assert found["loop"] == {"steps": 40}
    assert found["loss"] == {"dssim": 3.0}
    assert "optimizer" not in found
    assert str(run.parent) not in json.dumps(found)
    (lab / "far.toml").write_text('source = ["faces/anna"]\nmodel = "liae"\n')
    found = client.get("/api/v1/trainings/recipe", params={"place": "lab/far.toml"}).json()
    assert found == {"model": "liae"} | {key: found[key] for key in found if key == "source"}
    assert not found.get("source")
    (lab / "bad.toml").write_text("modle = 3\n")
    bad = client.get("/api/v1/trainings/recipe", params={"place": "lab/bad.toml"})
    assert bad.status_code == 422
    assert "modle" in bad.json()["error"]


def test_runs_are_found_below_the_folders(client: Any, lab: Path) -> None:
    write_run(lab / "a" / "deep" / "run", steps=7)
    write_run(lab / "a" / "deep" / "run" / "inside")
    write_run(lab / ".hidden" / "run")
    (found,) = client.get("/api/v1/runs").json()
    assert (found["place"], found["step"], found["model"]) == ("lab/a/deep/run", 7, "df")
    assert found["swap"] is True


def test_curves_are_shortened_and_cut(client: Any, lab: Path) -> None:
    write_run(lab / "run", steps=1000)
    ask = {"place": "lab/run", "most": 100}
    found = client.get("/api/v1/runs/curves", params=ask).json()
    assert len(found["steps"]) == 100
    assert found["values"]["loss"][0] == pytest.approx(sum(1 / k for k in range(1, 11)) / 10)
    part = client.get("/api/v1/runs/curves", params={**ask, "first": 11, "last": 20}).json()
    assert part["steps"] == list(range(11, 21))
    assert client.get("/api/v1/runs/curves", params={**ask, "most": 10**6}).status_code == 422


def test_pictures_are_made_anew_and_lead_nowhere_else(client: Any, lab: Path) -> None:
    run = write_run(lab / "run")
    (run / "previews").mkdir()
    write_image(run / "previews" / "step-00000010.jpg", np.full((60, 90, 3), 90, np.uint8))
    write_image(run / "preview.png", np.full((64, 96, 3), 90, np.uint8))
    state = client.get("/api/v1/runs/state", params={"place": "lab/run"}).json()
    assert state["pictures"] == [10]
    assert state["last"]["loss"] == pytest.approx(0.01)
    last = client.get("/api/v1/runs/picture", params={"place": "lab/run"})
    assert last.headers["content-type"] == "image/webp"
    kept = client.get("/api/v1/runs/picture", params={"place": "lab/run", "step": 10})
    from io import BytesIO

    assert Pillow.open(BytesIO(last.content)).size == (96, 64)
    assert Pillow.open(BytesIO(kept.content)).size == (90, 60)
    missing = client.get("/api/v1/runs/picture", params={"place": "lab/run", "step": 11})
    assert missing.status_code == 404
    (run / "preview.png").write_bytes(b"<script>")
    broken = client.get("/api/v1/runs/picture", params={"place": "lab/run"})
    assert broken.status_code == 404
    (run / "preview.png").unlink()
    (run / "preview.png").symlink_to("/etc/hostname")
    assert client.get("/api/v1/runs/picture", params={"place": "lab/run"}).status_code == 403


def test_of_many_pictures_the_newest_are_named_and_older_ones_at_even_steps(
    client: Any, lab: Path
) -> None:
    folder = write_run(lab / "run") / "previews"
    folder.mkdir()

    def named(first: int, end: int) -> list[int]:
        for number in range(first, end):
            (folder / f"step-{250 * number:08d}.jpg").touch()
        state = client.get("/api/v1/runs/state", params={"place": "lab/run"}).json()
        assert state["picture_count"] == end
        return list(state["pictures"])

    assert named(0, 300) == [250 * number for number in range(300)]
    many = named(300, 1500)
    assert many[-100:] == [250 * number for number in range(1400, 1500)]
    assert many[:-100] == [250 * number for number in range(0, 1400, 8)]
    more = named(1500, 1508)
    assert set(many[:-100]) < set(more)  # what the slider showed of them stays


def test_what_is_no_run_is_not_there(client: Any) -> None:
    assert client.get("/api/v1/runs/state", params={"place": "lab/none"}).status_code == 404
    assert client.get("/api/v1/runs/state", params={"place": "etc/passwd"}).status_code == 403
