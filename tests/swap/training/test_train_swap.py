"""Training from a recipe: rights first, it learns, it goes on, it refuses what is another run."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from drawn_facesets import write_person

from counterface.config import parse_settings, read_config, read_config_with, to_toml
from counterface.errors import ConfigError, RightsError, ShapeError, SwapError, TrainingError
from counterface.faceset.curate.pour import merge_facesets
from counterface.learn.checkpoint import checkpoints, read_checkpoint
from counterface.learn.run_log import read_log
from counterface.media.image import read_image
from counterface.provenance.rights import Rights
from counterface.swap.swap_model import read_model
from counterface.swap.training.train import SwapTrainConfig, train_swap

TINY: dict[str, dict[str, Any]] = {
    "df": {"ae_dims": 32, "e_dims": 16, "d_dims": 16, "d_mask_dims": 16, "resolution": 64},
    "lightweight": {"width": 8, "code": 16},
    "many": {"ae_dims": 16, "e_dims": 8, "d_dims": 8, "identity_dims": 8},
    "gan": {"width": 8, "code": 16},
}
LOOP = {
    "batch_size": 2, "schedule": "constant", "log_every": 1, "checkpoint_every": 2,
    "tensorboard": False, "device": "cpu",
}  # fmt: skip
PROGRAM = """
import os, sys, torch
from pathlib import Path
from counterface.config import read_config
from counterface.swap.training.train import SwapTrainConfig, train_swap
torch.set_num_threads(1)
train_swap(read_config(SwapTrainConfig, Path(sys.argv[1])))
Path(sys.argv[1]).with_name(f"done-{os.environ.get('RANK', 0)}").touch()
"""


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("people")
    for name, number in {"a": 1, "b": 2, "c": 3}.items():
        write_person(folder / name, number, 4, template="head", side=128)
    write_person(folder / "narrow", 4, 2, template="face", side=64)
    other = Rights(shown="somebody else", basis="synthetic", reference="tests/actors.py")
    write_person(folder / "stranger", 6, 2, template="head", side=128, rights=other)
    write_person(folder / "nobody", 5, 2, template="head", side=64, rights=None)
    write_person(folder / "nobody_large", 7, 2, template="head", side=128, rights=None)
    return {path.name: path for path in folder.iterdir()}


def recipe(people: dict[str, Path], out: Path, model: str = "lightweight", **given: Any) -> Any:
    values: dict[str, Any] = {
        "model": model,
        "options": TINY.get(model, {}),
        "out": out,
        "preview_every": 0,
        "optimizer": {"lr": 2e-3, "beta1": 0.9},
        "gan": {"perceptual": (0, 0, 0, 0)},
        "loop": {**LOOP, "steps": 4, **given.pop("loop", {})},
    }
    named = {"source": (people["a"],), "target": (people["b"],)}
    values |= {} if "identities" in given else named
    return SwapTrainConfig.model_validate({**values, **given})


def losses(out: Path, name: str = "loss") -> list[float]:
    return [float(row[name]) for row in read_log(out) if row["kind"] == "train"]


def last_tensors(out: Path) -> dict[str, torch.Tensor]:
    return read_checkpoint(checkpoints(out / "checkpoints")[-1]).tensors


def test_it_learns_and_leaves_a_model_that_says_what_it_is(
    people: dict[str, Path], tmp_path: Path
) -> None:
    config = recipe(
        people, tmp_path / "run", preview_every=10, preview_rows=2, preview_history=True,
        loop={"steps": 24, "checkpoint_every": 12},
    )  # fmt: skip
    result = train_swap(config)
    assert (result.stopped, result.step) == ("finished", 24)
    assert min(losses(config.out)[-4:]) < 0.85 * losses(config.out)[0]
    trained = read_model(config.out)
    assert (trained.about.model, trained.step) == ("lightweight", 24)
    assert [person.name for person in trained.about.identities] == ["source", "target"]
    used = trained.about.identities[0].facesets[0]
    assert (used.folder, used.crops, used.rights.basis) == (str(people["a"]), 4, "synthetic")
    assert read_config(SwapTrainConfig, config.out / "config.toml") == config
    names = [path.name for path in sorted((config.out / "previews").iterdir())]
    assert names == [f"step-{step:08d}.jpg" for step in (1, 10, 20, 24)]
    assert read_image(config.out / "preview.png").shape[0] >= 260
    drawn = (config.out / "preview.png").read_bytes()
    (config.out / "preview.png").write_bytes(b"of an earlier step")  # killed before the last one
    train_swap(config)
    assert (config.out / "preview.png").read_bytes() == drawn


@pytest.mark.slow
def test_df_learns(people: dict[str, Path], tmp_path: Path) -> None:
    config = recipe(people, tmp_path, "df", loop={"steps": 10, "batch_size": 1})
    train_swap(config)
    assert min(losses(tmp_path)[-3:]) < 0.85 * losses(tmp_path)[0]


@pytest.mark.slow
def test_many_learns_three_people(people: dict[str, Path], tmp_path: Path) -> None:
    everyone = {name: (people[name],) for name in "abc"}
    config = recipe(
        people, tmp_path, "many", identities=everyone, preview_every=50,
        loop={"steps": 15, "batch_size": 3},
    )  # fmt: skip
    train_swap(config)
    assert min(losses(tmp_path)[-3:]) < 0.8 * losses(tmp_path)[0]
    assert [p.name for p in read_model(tmp_path).about.identities] == ["a", "b", "c"]


@pytest.mark.slow
def test_gan_learns(people: dict[str, Path], tmp_path: Path) -> None:
    train_swap(recipe(people, tmp_path, "gan", loop={"steps": 4, "batch_size": 1}))
    seen = losses(tmp_path, "loss_generator_target")
    assert seen[-1] < seen[0]
    assert read_model(tmp_path).about.model == "gan"


@pytest.mark.slow
def test_going_on_is_exact_and_changes_are_noted(people: dict[str, Path], tmp_path: Path) -> None:
    train_swap(recipe(people, tmp_path / "whole", loop={"steps": 6}))
    train_swap(recipe(people, tmp_path / "parts", loop={"steps": 3, "checkpoint_every": 3}))
    assert train_swap(recipe(people, tmp_path / "parts", loop={"steps": 6})).step == 6
    one, other = last_tensors(tmp_path / "whole"), last_tensors(tmp_path / "parts")
    assert all(torch.equal(one[key], other[key]) for key in one)
    later = recipe(
        people, tmp_path / "parts", examples={"warp": "none"}, loop={"steps": 8},
        optimizer={"lr": 1e-3, "beta1": 0.9, "lr_dropout": 0.3},
    )  # fmt: skip
    assert train_swap(later).step == 8
    noted = [json.loads(line) for line in (tmp_path / "parts/changes.jsonl").open()]
    assert [line["step"] for line in noted] == [3, 6]
    assert noted[1]["changed"]["examples.warp"] == ["grid", "none"]
    assert noted[1]["changed"]["optimizer.lr_dropout"] == [0.0, 0.3]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"optimizer": {"lr": 2e-3, "beta1": 0.5}}, "beta1 0.9 -> 0.5"),
        ({"loss": {"gan_power": 0.1}}, r"gan_power 0\.0 -> 0\.1.*init_from"),
        ({"options": {"width": 16, "code": 16}}, "width 8 -> 16"),
        ({"model": "df", "options": TINY["df"]}, "'lightweight' -> 'df'"),
    ],
)
def test_another_run_is_refused_with_the_difference(
    people: dict[str, Path], tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    train_swap(recipe(people, tmp_path, loop={"steps": 1}))
    kept = (tmp_path / "config.toml").read_bytes()
    with pytest.raises(TrainingError, match=said):
        train_swap(recipe(people, tmp_path, **change))
    assert (tmp_path / "config.toml").read_bytes() == kept


def test_a_run_goes_on_whatever_the_facesets_are_called(
    people: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_swap(recipe(people, tmp_path / "run", loop={"steps": 1}))
    shutil.copytree(people["a"], tmp_path / "renamed")
    monkeypatch.chdir(people["b"].parent)
    moved = {"source": (tmp_path / "renamed",), "target": (Path("b"),)}
    assert train_swap(recipe(people, tmp_path / "run", loop={"steps": 2}, **moved)).step == 2
    more = {"source": (tmp_path / "renamed", people["c"])}  # by their rights the same person
    assert train_swap(recipe(people, tmp_path / "run", loop={"steps": 3}, **more)).step == 3
    noted = [json.loads(line) for line in (tmp_path / "run/changes.jsonl").open()]
    assert noted[0]["changed"]["source"] == [[str(people["a"])], [str(tmp_path / "renamed")]]
    used = read_model(tmp_path / "run").about.identities[0].facesets
    assert [Path(faceset.folder).name for faceset in used] == ["renamed", "c"]


@pytest.mark.parametrize(
    ("who", "said"),
    [
        ({"source": ("b",), "target": ("a",)}, "facesets of source .*a .a drawn actor. -> .*b "),
        ({"source": ("a", "stranger")}, "stranger of source shows 'somebody else', not 'a drawn"),
    ],
)
def test_other_people_are_another_run(
    people: dict[str, Path], tmp_path: Path, who: dict[str, tuple[str, ...]], said: str
) -> None:
    train_swap(recipe(people, tmp_path, loop={"steps": 1}))
    named = {side: tuple(people[name] for name in names) for side, names in who.items()}
    with pytest.raises(TrainingError, match=f"{said}.*with init_from = "):
        train_swap(recipe(people, tmp_path, **named))


@pytest.mark.slow
def test_another_batch_size_goes_on_and_is_logged(people: dict[str, Path], tmp_path: Path) -> None:
    train_swap(recipe(people, tmp_path, loop={"steps": 1}))
    result = train_swap(recipe(people, tmp_path, loop={"steps": 2, "batch_size": 3}))
    assert result.step == 2
    told = [row for row in read_log(tmp_path) if row["kind"] == "changed"]
    assert told == [{"kind": "changed", "step": 1, "batch_size": 3}]


def test_a_loop_table_keeps_the_other_defaults_of_swap_training() -> None:
    loop = SwapTrainConfig.model_validate({"loop": {"log_every": 1}}).loop
    assert (loop.batch_size, loop.schedule, loop.steps) == (16, "constant", 100_000)


@pytest.mark.slow
def test_pretrained_weights_start_a_run_but_not_its_inter(
    people: dict[str, Path], tmp_path: Path
) -> None:
    first = {**TINY["df"], "d_dims": 16}
    general = recipe(
        people, tmp_path / "general", "df", pretrain=True, source=(people["a"],), target=(),
        options=first, loop={"steps": 2, "batch_size": 1},
    )  # fmt: skip
    train_swap(general)
    still = {"optimizer": {"lr": 1e-12}, "loop": {"steps": 1, "batch_size": 1}}
    train_swap(
        recipe(people, tmp_path / "own", "df", init_from=general.out, reset="inter", **still)
    )
    theirs, ours = read_model(general.out).model, read_model(tmp_path / "own").model
    for name, weight in ours.named_parameters():
        if weight.ndim > 1:
            near = torch.allclose(weight, theirs.get_parameter(name), atol=1e-6)
            assert near != name.startswith("inter."), name
    options = {**first, "ae_dims": 64}
    wider = recipe(people, tmp_path / "other", "df", options=options, init_from=general.out)
    with pytest.raises(SwapError, match=r"ae_dims 32 -> 64"):
        train_swap(wider)


@pytest.mark.slow
def test_more_people_start_from_fewer(people: dict[str, Path], tmp_path: Path) -> None:
    train_swap(recipe(people, tmp_path / "two", "many", loop={"steps": 1}))
    everyone = {name: (people[name],) for name in "abc"}
    config = recipe(
        people, tmp_path / "three", "many", identities=everyone, init_from=tmp_path / "two",
        optimizer={"lr": 1e-12}, loop={"steps": 1, "batch_size": 3},
    )  # fmt: skip
    train_swap(config)
    two, three = read_model(tmp_path / "two").model, read_model(config.out).model
    assert torch.allclose(
        two.get_parameter("people.style.0.weight"),
        three.get_parameter("people.style.0.weight"),
        atol=1e-6,
    )
    assert three.identities == 3


def test_nothing_is_made_without_rights(people: dict[str, Path], tmp_path: Path) -> None:
    config = recipe(people, tmp_path / "run", source=(people["a"], people["nobody"]))
    with pytest.raises(RightsError, match="nobody carries no rights record"):
        train_swap(config)
    assert not config.out.exists()


def test_a_merged_faceset_is_named_once_for_each_of_its_records(
    people: dict[str, Path], tmp_path: Path
) -> None:
    merge_facesets([people["a"], people["stranger"]], tmp_path / "merged")
    train_swap(recipe(people, tmp_path / "run", source=(tmp_path / "merged",)))
    (source, _) = read_model(tmp_path / "run").about.identities
    assert [(used.rights.shown, used.crops) for used in source.facesets] == [
        ("a drawn actor", 4),
        ("somebody else", 2),
    ]
    merge_facesets([people["nobody_large"]], tmp_path / "merged")
    with pytest.raises(RightsError, match="2 of 8 crops have no rights record"):
        train_swap(recipe(people, tmp_path / "other", source=(tmp_path / "merged",)))


def test_narrow_facesets_are_refused_with_the_command(
    people: dict[str, Path], tmp_path: Path
) -> None:
    options = {**TINY["lightweight"], "template": "whole_face"}
    with pytest.raises(ShapeError, match="--template"):
        train_swap(recipe(people, tmp_path, options=options, target=(people["narrow"],)))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"target": ()}, "no faceset of target"),
        ({"model": "lightweigth"}, "lightweight"),
        ({"preset": "quick96"}, "has no presets; leave preset out"),
        ({"options": {"widht": 8}}, "widht"),
        ({"identities": {"a": ("x",)}, "source": ("x",)}, "either source and target"),
        ({"pretrain": True, "loss": {"gan_power": 0.1}}, "gan_power"),
        ({"reset": "inter"}, "init_from"),
        ({"model": "gan", "options": TINY["gan"], "loop": {"ema_decay": 0.9}}, "ema_decay"),
    ],
)
def test_settings_that_cannot_be_are_refused(
    people: dict[str, Path], tmp_path: Path, given: dict[str, Any], said: str
) -> None:
    with pytest.raises((ConfigError, ValueError), match=said):
        train_swap(recipe(people, tmp_path, **given))


def test_a_preset_lies_under_the_recipes_options() -> None:
    config = SwapTrainConfig(model="df", preset="quick96", options={"ae_dims": 64})
    options = config.model_options()
    assert (options["resolution"], options["ae_dims"]) == (96, 64)


@pytest.mark.parametrize(
    "path",
    sorted((Path(__file__).parents[3] / "recipes").glob("swap_*.toml")),
    ids=lambda p: p.stem,
)
def test_every_recipe_can_be_read(path: Path) -> None:
    config = read_config(SwapTrainConfig, path)
    assert config.model_options() is not None
    assert config.out.name == path.stem
    assert config.loop.schedule == "constant"


VARIANTS = [
    (path, line.split("--set ")[1:])
    for path in sorted((Path(__file__).parents[3] / "recipes").glob("swap_*.toml"))
    for line in path.read_text().splitlines()
    if line.startswith(f"#   counterface swap train recipes/{path.name} --set ")
]


@pytest.mark.parametrize(("path", "words"), VARIANTS, ids=lambda v: getattr(v, "stem", "set"))
def test_a_recipe_s_other_models_can_be_set(path: Path, words: list[str]) -> None:
    plain = read_config(SwapTrainConfig, path)
    config = read_config_with(SwapTrainConfig, path, parse_settings(w.strip() for w in words))
    assert (config.model, config.preset) != (plain.model, plain.preset)
    assert config.model_options() is not None
    assert config.out != plain.out


def test_iae_liaef128_and_saehd_are_among_them() -> None:
    assert [w[0].strip() for _, w in VARIANTS] == ["model=liaef128", "preset=saehd", "model=iae"]


def start(config: SwapTrainConfig, folder: Path, *launch: str) -> subprocess.Popen[str]:
    (folder / "recipe.toml").write_text(to_toml(config))
    (folder / "program.py").write_text(PROGRAM)
    command = [sys.executable, *launch, str(folder / "program.py"), str(folder / "recipe.toml")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_kill_9_loses_at_most_one_checkpoint(people: dict[str, Path], tmp_path: Path) -> None:
    config = recipe(people, tmp_path / "killed", loop={"steps": 40})
    process = start(config, tmp_path)
    log, deadline = config.out / "log.jsonl", time.monotonic() + 120
    while not (log.exists() and any(row["step"] >= 9 for row in read_log(config.out))):
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    reached = max(int(row["step"]) for row in read_log(config.out))
    saved = read_checkpoint(checkpoints(config.out / "checkpoints")[-1]).step
    assert reached - saved <= 2
    assert reached < 40
    train_swap(config)
    whole = config.model_copy(update={"out": tmp_path / "whole"})
    train_swap(whole)
    one, other = last_tensors(config.out), last_tensors(whole.out)
    assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.slow
def test_two_processes_are_one_with_the_joint_batch(
    people: dict[str, Path], tmp_path: Path
) -> None:
    both = recipe(  # SGD: Adam's first steps make much of rounding
        people, tmp_path / "two", "df", optimizer={"name": "sgd", "lr": 1e-2, "beta1": 0.9},
        loop={"steps": 6, "batch_size": 4},
    )  # fmt: skip
    launch = [
        "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2",
        "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no",
    ]  # fmt: skip
    process = start(both, tmp_path, *launch)
    assert process.wait(timeout=240) == 0, process.stderr and process.stderr.read()
    assert sorted(path.name for path in tmp_path.glob("done-*")) == ["done-0", "done-1"]
    one = both.model_copy(update={"out": tmp_path / "one"})
    train_swap(one)
    assert losses(both.out) == pytest.approx(losses(one.out), rel=1e-3)
    assert losses(one.out)[-1] < 0.9 * losses(one.out)[0]
    assert read_model(both.out).step == 6
