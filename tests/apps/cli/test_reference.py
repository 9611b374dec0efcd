"""The printed help in docs/apps.md is the commands' own, tables of options are the models'."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from cyclopts import App
from pydantic import BaseModel, Field

from counterface.apps.cli.main import NOUNS
from counterface.apps.cli.option_tables import TABLE, option_table, refresh
from counterface.apps.cli.reference import MARKER, noun_section
from counterface.builds.blended import BlendConfig
from counterface.builds.plan import BuildConfig, PersonClips
from counterface.builds.twins import Crowd, TwinsConfig
from counterface.datasets.twin_faces import TwinConfig
from counterface.detect.models.fusion import MemberConfig
from counterface.detect.models.pooled_cnn import PooledCNNConfig
from counterface.detect.training.fit import FitConfig, HeadConfig, TuningConfig, VoterConfig
from counterface.detect.training.recipe import TrainConfig
from counterface.learn.run import LoopConfig
from counterface.registry import DETECTORS, SWAP_MODELS
from counterface.swap.conversion.settings import ConvertConfig
from counterface.swap.merge.settings import MergeSettings
from counterface.swap.training.train import SwapTrainConfig

PAGE = Path(__file__).resolve().parents[3] / "docs" / "apps.md"


@pytest.mark.slow
@pytest.mark.parametrize("noun", NOUNS)
def test_the_page_shows_the_help_as_it_is(noun: str):
    generated = PAGE.read_text(encoding="utf-8").split(MARKER)[1]
    assert noun_section(noun) in generated, f"refresh: {MARKER}"


PAGES = {
    path.name: text
    for path in sorted(PAGE.parent.glob("*.md"))
    if "<!-- options: " in (text := path.read_text(encoding="utf-8"))
}


@pytest.mark.parametrize("name", PAGES)
def test_tables_of_options_are_the_models_own(name: str):
    refreshed = refresh(PAGES[name])
    assert refreshed == PAGES[name], "python -m counterface.apps.cli.option_tables docs/*.md"


TOLD = {(found[2], *found[3].split()[:1]) for t in PAGES.values() for found in TABLE.finditer(t)}


def assert_told(kind: type[BaseModel]) -> None:
    """The model's own fields and those of each part, unless the part is told elsewhere."""
    name = f"{kind.__module__}:{kind.__name__}"
    parts = [
        key
        for key, field in kind.model_fields.items()
        if isinstance(field.get_default(call_default_factory=True), BaseModel)
    ]
    elsewhere = {"loop", "extract", "convert"}  # with a link to their pages
    missing = [key for key in parts if key not in elsewhere and (name, key) not in TOLD]
    assert not missing, f"{name}: no table of {missing}"
    own = [rest for model, *rest in TOLD if model == name and not set(rest) & set(parts)]
    assert own, f"{name}: no table of its own fields"


def test_every_option_of_training_a_detector_has_a_table():
    for name in DETECTORS.built_in:
        kind = DETECTORS.load(name).Config
        if set(kind.model_fields) != set(PooledCNNConfig.model_fields):  # one table for all four
            assert_told(kind)
    for kind in (PooledCNNConfig, MemberConfig, TrainConfig, TwinConfig, LoopConfig):
        assert_told(kind)
    for kind in (FitConfig, HeadConfig, VoterConfig, TuningConfig):
        assert_told(kind)


def test_every_option_of_building_a_data_set_has_a_table():
    for kind in (BuildConfig, PersonClips, TwinsConfig, Crowd):
        assert_told(kind)
    assert (f"{BlendConfig.__module__}:BlendConfig",) in TOLD  # its split is that of BuildConfig


def test_every_option_of_making_has_a_table():
    kinds = [SWAP_MODELS.load(name).Config for name in SWAP_MODELS.built_in]
    for kind in kinds:
        assert (f"{kind.__module__}:{kind.__name__}", "-template") in TOLD
    for kind in (SwapTrainConfig, ConvertConfig, MergeSettings):
        assert (f"{kind.__module__}:{kind.__name__}",) in TOLD
    parts = [n for n, v in SwapTrainConfig() if isinstance(v, BaseModel)]
    assert {part for _, *rest in TOLD for part in rest} >= {*parts, "smooth"}


def test_the_command_on_the_page_is_a_whole_one(capsys: pytest.CaptureFixture[str]):
    names: dict[str, Any] = {}
    example = PAGE.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    exec(compile(example, "apps.md", "exec"), names)
    app = App(result_action="return_value")
    app.command(names["name"])
    assert app(["name", "clip.mp4"]) == 0
    assert capsys.readouterr().out == "CLIP.MP4\n"


class Drawn(BaseModel):
    """With one of each kind of field."""

    way: Literal["a", "b"] | None = Field(None, description="one | other")
    share: float = Field(0.5, ge=0, lt=1, description="of all")
    side: int = Field(64, gt=8, multiple_of=8, description="pixels")
    names: tuple[str, ...] = Field((), description="of people")
    gone: int = Field(1, description="left out")
    must: int = Field(description="given always")
    shares: dict[str, float] = Field({"a": 0.5}, description="by name")


def test_a_table_tells_defaults_choices_and_ranges():
    lines = option_table(f"{__name__}:Drawn", ["-gone"]).splitlines()[2:]
    assert lines == [
        r"| `way` | unset | a, b | one \| other |",
        "| `share` | 0.5 | 0 to under 1 | of all |",
        "| `side` | 64 | over 8, steps of 8 | pixels |",
        "| `names` | none |  | of people |",
        "| `must` | required |  | given always |",
        "| `shares` | a = 0.5 |  | by name |",
    ]


def test_a_table_may_have_a_prefix():
    lines = option_table(f"{__name__}:Drawn", ["-gone", "people.NAME."]).splitlines()[2:]
    assert lines[1] == "| `people.NAME.share` | 0.5 | 0 to under 1 | of all |"
    assert not any("gone" in line for line in lines)
