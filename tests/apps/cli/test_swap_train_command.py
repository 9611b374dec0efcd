"""`counterface swap train`: recipe, flags over it, single settings over both."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from drawn_facesets import write_person

from counterface.apps.cli.main import main
from counterface.apps.cli.swap.train import read_settings, train_lines
from counterface.errors import ConfigError
from counterface.learn.run import TrainResult

TINY = [
    "--set", "options.width=8", "--set", "options.code=16", "--set", "loop.batch_size=2",
    "--set", "loop.device=cpu", "--set", "loop.tensorboard=false", "--set", "loop.log_every=1",
]  # fmt: skip


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faces")
    for number, name in enumerate(("a", "b", "unknown"), start=1):
        rights = {"rights": None} if name == "unknown" else {}
        write_person(folder / name, number, 3, template="head", side=96, **rights)
    return folder


def test_it_trains_from_flags_and_goes_on(
    faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    command = [
        "swap", "train", "--model", "lightweight", "--source", str(faces / "a"),
        str(faces / "b"), "--target", str(faces / "b"), "--out", str(tmp_path / "run"), *TINY,
    ]  # fmt: skip
    assert main([*command, "--until", "2"]) == 0
    said = capsys.readouterr().out
    assert "finished at step 2" in said
    assert "counterface swap convert" in said
    assert (tmp_path / "run" / "preview.png").exists()
    assert main([*command, "--until", "3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["step"] == 3


def test_it_trains_nobody_without_rights(
    faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    command = [
        "swap", "train", "--model", "lightweight", "--source", str(faces / "a"),
        "--target", str(faces / "unknown"), "--out", str(tmp_path / "run"), *TINY,
    ]  # fmt: skip
    assert main(command) == 1
    said = capsys.readouterr().err
    assert "carries no rights record" in said
    assert not (tmp_path / "run").exists()


def test_flags_win_over_the_recipe_and_settings_reach_everything(tmp_path: Path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('model = "df"\nsource = ["x"]\n[loop]\nsteps = 9\nbatch_size = 4\n')
    given = {"model": "liae", "target": (Path("y"), Path("z")), "preset": None, "source": ()}
    config = read_settings(
        recipe,
        given,
        (),
        {"steps": 7, "device": "cuda:1"},
        ("loss.gan_power=0.1", "options.ae_dims=64"),
    )
    assert (config.model, config.source, config.target) == (
        "liae",
        (Path("x"),),
        (Path("y"), Path("z")),
    )
    assert (config.loop.steps, config.loop.batch_size, config.loop.device) == (7, 4, "cuda:1")
    assert (config.loss.gan_power, config.options) == (0.1, {"ae_dims": 64})


def test_people_of_many_by_flags():
    words = ("anna=f/1", "ben=f/2", "anna=f/3")
    config = read_settings(None, {"model": "many"}, words, {"steps": None}, ())
    assert config.identities == {"anna": (Path("f/1"), Path("f/3")), "ben": (Path("f/2"),)}
    with pytest.raises(ConfigError, match=r"'anna' names nobody; write NAME=FACESET"):
        read_settings(None, {"model": "many"}, ("anna",), {}, ())


def test_the_next_command_of_many_names_whom_to_put_in():
    words = ("anna=f/1", "ben=f/2", "carl=f/3")
    config = read_settings(None, {"model": "many", "out": Path("r")}, words, {"steps": None}, ())
    files = {"checkpoint": Path("r/checkpoint"), "weights": Path("r/last.safetensors")}
    result = TrainResult(step=9, stopped="finished", best_step=None, best_score=None, **files)
    assert train_lines(config, result)[-1] == (
        "next: counterface swap convert r TARGET.mp4 OUT.mp4 --identity anna|ben|carl"
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_training_is_saved_and_exits_with_the_signal(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
):
    from counterface.swap.training import train as trainer

    monkeypatch.setattr(trainer.Preview, "__call__", lambda *_: os.kill(os.getpid(), number))
    command = [
        "swap", "train", "--model", "lightweight", "--source", str(faces / "a"),
        "--target", str(faces / "b"), "--out", str(tmp_path / "run"), *TINY, "--until", "9",
    ]  # fmt: skip
    assert main(command) == 128 + number
    assert (tmp_path / "run" / "checkpoints" / "step-00000001.safetensors").exists()
