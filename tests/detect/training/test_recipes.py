"""Every recipe of a published system can be read, and trains a net of its kind by its rules."""

from __future__ import annotations

from pathlib import Path

import pytest
from drawn_faces import FRAMES, write_store

from counterface.config import read_config
from counterface.detect.models.detector_model import detector_kind
from counterface.detect.training.fit import FitConfig
from counterface.detect.training.recipe import ModelChoice, TrainConfig
from counterface.detect.training.train import train_detector
from counterface.registry import DETECTORS

RECIPES = Path(__file__).resolve().parents[3] / "recipes"
LABELLED = sorted(
    path.stem
    for path in RECIPES.glob("*.toml")
    if f"train recipes/{path.name}" in (text := path.read_text(encoding="utf-8"))
    and "--faces faces/" in text
)
NEEDED = {
    "convlstm_canny", "resnet34_frames", "cnn_images", "xception", "efficientnet_b4",
    "efficientnet_b4_attention", "efficientnet_b4_siamese", "resnet3d_cutmix", "frame_difference",
    "mesonet", "mesonet_inception",
}  # fmt: skip


def test_every_published_system_has_a_recipe():
    assert set(LABELLED) >= NEEDED
    named = {read_config(TrainConfig, RECIPES / f"{name}.toml").model.name for name in LABELLED}
    assert named >= set(DETECTORS.built_in) - {"frame_cnn", "pooled_cnn", "fusion"}


@pytest.mark.parametrize("name", ["frame_statistics", "many_methods"])
def test_a_recipe_of_a_fit_can_be_read(name: str):
    config = read_config(FitConfig, RECIPES / f"{name}.toml")
    if config.tuning is not None:
        tuned = read_config(TrainConfig, RECIPES.parent / config.tuning.recipe).model
        assert tuned.settled().model_dump()["backbone"] == config.model.backbone


@pytest.mark.parametrize("name", [*LABELLED, "self_blended_b4"])
def test_a_recipe_opens_with_its_source_and_the_commands_of_its_data(name: str):
    text = (RECIPES / f"{name}.toml").read_text()
    head = text.split("\n\n")[0]
    assert "counterface detect train recipes/" in head
    assert "counterface dataset faces" in head or "counterface faceset extract" in head
    assert "On a CPU: " in head or "On a CPU:" in head
    config = read_config(TrainConfig, RECIPES / f"{name}.toml")
    assert config.out == Path("runs") / name
    assert config.model.settled().size > 0


@pytest.mark.parametrize("name", LABELLED)
def test_a_recipe_trains_a_tiny_net_of_its_kind(name: str, tmp_path: Path):
    config = read_config(TrainConfig, RECIPES / f"{name}.toml")
    kind = detector_kind(config.model.name)
    options = dict(kind.TINY)
    if "frames" in kind.Config.model_fields:
        options["frames"] = min(FRAMES, int(options.get("frames", FRAMES)))
    model = ModelChoice(name=config.model.name, options=options)
    made = model.settled()
    folder, _ = write_store(
        tmp_path / "store", real=2, fake=2, moments=1, size=made.size, template=made.template,
        splits=("train", "val"),
    )  # fmt: skip
    loop = {
        "steps": 2, "batch_size": 2, "validate_every": 2, "workers": 0, "device": "cpu",
        "tensorboard": False,
    }  # fmt: skip
    result = train_detector(
        config.model_copy(
            update={
                "out": tmp_path / "run",
                "epochs": 0,
                "line_crops": 8,
                "model": model,
                "data": config.data.model_copy(update={"faces": folder}),
                "loop": config.loop.model_copy(update=loop),
            }
        )
    )
    assert (result.stopped, result.step, result.best_step) == ("finished", 2, 2)
