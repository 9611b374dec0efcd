"""What a build is told is checked before anything is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from drawn_people import build_config, write_recipes

from counterface.builds.build import build
from counterface.builds.plan import BuildConfig, describe_spread, read_plan, spread
from counterface.config import read_config
from counterface.errors import ConfigError, MediaError, RightsError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def people(tmp_path: Path) -> dict[str, Path]:
    """Folders with a file each that is named like a video; nothing reads it."""
    folders = {name: tmp_path / "clips" / name for name in ("ann", "bob", "cleo", "dan")}
    for folder in folders.values():
        folder.mkdir(parents=True)
        (folder / "talk.mp4").write_bytes(b"nothing")
    return folders


def bare(out: Path, people: dict[str, Path], methods: list[Path], **given: Any) -> BuildConfig:
    """Without rights records."""
    values = {"out": out, "people": {n: {"clips": p} for n, p in people.items()}}
    return BuildConfig.model_validate({**values, "methods": methods, **given})


def test_without_rights_nothing_is_made_and_all_are_named(
    tmp_path: Path, people: dict[str, Path]
) -> None:
    methods = list(write_recipes(tmp_path).values())
    (people["bob"] / "rights.toml").write_text(
        'shown = "bob"\nbasis = "consent"\nreference = "form 3"\n'
    )
    config = bare(tmp_path / "out", people, methods)
    with pytest.raises(RightsError, match=r"for ann, cleo, dan, .*\[people\.ann\.rights\]"):
        build(config)
    assert not config.out.exists()
    for name in ("ann", "cleo", "dan"):
        text = 'shown = "x"\nbasis = "consent"\nreference = "form 4"\n'
        (people[name] / "rights.toml").write_text(text)
    assert read_plan(config).rights["bob"].reference == "form 3"


def test_rights_on_top_of_the_folder_count_for_all_below(tmp_path: Path) -> None:
    for name in ("ann", "bob"):
        deep = tmp_path / name / "monday"
        deep.mkdir(parents=True)
        (deep / "a.mp4").write_bytes(b"")
        (tmp_path / name / "rights.toml").write_text(
            'shown = "x"\nbasis = "research"\nreference = "set"\n'
        )
    people = {name: tmp_path / name for name in ("ann", "bob")}
    plan = read_plan(bare(tmp_path / "out", people, list(write_recipes(tmp_path).values())))
    assert {rights.basis for rights in plan.rights.values()} == {"research"}


PEOPLE = {"people": {name: {"clips": f"clips/{name}"} for name in ("ann", "bob")}}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"pairs": [("ann", "eve")]}, r"pairs name \['eve'\]"),
        ({"pairs": [("ann", "ann")]}, "with themselves"),
        ({"pairs": [("ann", "bob"), ("bob", "ann")]}, "named twice"),
        ({"convert": {"crf": 20}}, "the build itself decides crf"),
        ({"crf": [55]}, "0 to 40"),
        ({"people": {"../a": {"clips": "x"}, "b": {"clips": "y"}}}, "names become folders"),
        ({"people": {"a": {"clips": "x"}}}, "takes two people"),
        ({"methods": ["a/df.toml", "b/df.toml"]}, "must differ"),
        ({"wat": 1}, "wat"),
    ],
)
def test_settings_that_cannot_be_are_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        BuildConfig.model_validate({**PEOPLE, **given})


def test_absent_files_and_shared_clips_are_named(tmp_path: Path, people: dict[str, Path]) -> None:
    methods = list(write_recipes(tmp_path).values())
    with pytest.raises(ConfigError, match=r"no such recipe: gone\.toml"):
        read_plan(build_config(tmp_path, people, [Path("gone.toml")]))
    with pytest.raises(MediaError, match=r"people\.eve: .*nowhere does not exist"):
        read_plan(build_config(tmp_path, {**people, "eve": tmp_path / "nowhere"}, methods))
    (tmp_path / "empty").mkdir()
    with pytest.raises(MediaError, match=r"people\.eve: no footage in"):
        read_plan(build_config(tmp_path, {**people, "eve": tmp_path / "empty"}, methods))
    with pytest.raises(ConfigError, match="is a clip of both ann and eve"):
        read_plan(build_config(tmp_path, {**people, "eve": people["ann"]}, methods))


def test_methods_and_compressions_do_not_go_by_each_other(people: dict[str, Path]) -> None:
    config = build_config(Path("out"), people, [Path("a.toml"), Path("b.toml")], crf=[18, 23, 28])
    pairs = spread([(f"s{n}", f"t{n}") for n in range(12)], config)
    met = [(pair.method.stem, pair.compression) for pair in pairs]
    assert {one: met.count(one) for one in met} == {
        (m, c): 2 for m in "ab" for c in ("crf18", "crf23", "crf28")
    }


@pytest.mark.parametrize("methods", range(1, 7))
@pytest.mark.parametrize("crfs", range(1, 7))
def test_each_method_and_crf_has_its_turn_at_once_and_each_combination_in_time(
    people: dict[str, Path], methods: int, crfs: int
) -> None:
    recipes = [Path(f"{n}.toml") for n in range(methods)]
    config = build_config(Path("out"), people, recipes, crf=[18 + n for n in range(crfs)])
    made = spread([(f"s{n}", f"t{n}") for n in range(methods * crfs)], config)
    assert len({(pair.method, pair.crf) for pair in made}) == methods * crfs
    assert {pair.method for pair in made[:methods]} == set(recipes)
    assert {pair.crf for pair in made[:crfs]} == set(config.crf)
    assert describe_spread(methods * crfs, config) is None


def test_what_few_pairs_cannot_show_is_told(people: dict[str, Path]) -> None:
    config = build_config(Path("o"), people, [Path("a.toml"), Path("b.toml")], crf=[18, 23, 28])
    assert describe_spread(1, config) == (
        "1 pair for 2 methods and 3 crf values: crf 23, crf 28, b will not be used"
    )
    assert "a detector could tell one by the other" in str(describe_spread(3, config))


def test_two_clips_of_one_name_do_not_meet(tmp_path: Path) -> None:
    for day in ("monday", "friday"):
        (tmp_path / "ann" / day).mkdir(parents=True)
        (tmp_path / "ann" / day / "a.mp4").write_bytes(b"")
    (tmp_path / "bob.mp4").write_bytes(b"")
    people = {"ann": tmp_path / "ann", "bob": tmp_path / "bob.mp4"}
    plan = read_plan(build_config(tmp_path / "out", people, list(write_recipes(tmp_path).values())))
    [pair] = spread([("ann", "bob")], plan.config)
    real = {plan.real("ann", clip, pair) for clip in plan.clips["ann"]}
    assert {path.name for path in real} == {"monday_a.mp4", "friday_a.mp4"}
    fake = {plan.fake("bob", clip, pair) for clip in plan.clips["ann"]}
    assert {path.parent.name for path in fake} == {"bob--ann"}
    assert len(fake) == 2
    deeper = tmp_path / "ann" / "more" / "monday"
    deeper.mkdir(parents=True)
    (deeper / "a.mp4").write_bytes(b"")
    with pytest.raises(ConfigError, match="have one name"):
        read_plan(plan.config)


def test_the_shipped_recipe_is_valid() -> None:
    config = read_config(BuildConfig, ROOT / "recipes" / "pairs.toml")
    assert all((ROOT / method).is_file() for method in config.methods)


def test_a_link_in_the_folder_of_a_build_is_refused(
    tmp_path: Path, people: dict[str, Path]
) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("x")
    out = tmp_path / "out"
    (out / "work").mkdir(parents=True)
    (out / "work" / "faces").symlink_to(mine)
    config = build_config(out, people, list(write_recipes(tmp_path).values()))
    with pytest.raises(ConfigError, match="faces is a link to"):
        build(config)
    assert [path.name for path in mine.iterdir()] == ["thesis.txt"]
