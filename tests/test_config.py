"""Settings survive the way through TOML, and nothing unknown or out of range gets in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, ValidationError

import counterface
from counterface.config import (
    Record,
    Settings,
    describe_flags,
    merge_flags,
    parse_settings,
    read_config,
    read_config_with,
    to_toml,
    write_config,
)
from counterface.errors import ConfigError
from counterface.project_files import parse_toml


class Inner(Record):
    label: str = "a"
    weight: float = 0.5


class Outer(Record):
    steps: int = Field(10, ge=1)
    mode: Literal["fast", "slow"] = "fast"
    names: tuple[str, ...] = ()
    limit: int | None = None
    on: bool = True
    inner: Inner = Inner()
    by_name: dict[str, float] = Field({})


class NotNone(BaseModel):
    limit: int | None = 3


@given(
    st.builds(
        Outer,
        steps=st.integers(1, 10**12),
        names=st.lists(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
        ).map(tuple),
        limit=st.none() | st.integers(-(2**63), 2**63 - 1),
        on=st.booleans(),
        inner=st.builds(
            Inner,
            label=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
            weight=st.floats(allow_nan=False),
        ),
        by_name=st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
            st.floats(allow_nan=False),
        ),
    )
)
def test_toml_gives_back_an_equal_model(config: Outer):
    assert Outer.model_validate(parse_toml(to_toml(config))) == config


def test_a_file_gives_back_an_equal_model(tmp_path: Path):
    config = Outer(steps=3, names=("ä", "\n"), by_name={"a b": 0.5})
    write_config(config, tmp_path / "c.toml")
    assert read_config(Outer, tmp_path / "c.toml") == config


def test_an_unknown_key_is_named_with_the_nearest_known_one(tmp_path: Path):
    path = tmp_path / "c.toml"
    path.write_text("stpes = 3\n")
    with pytest.raises(ConfigError, match=r"'stpes'.*'steps'"):
        read_config(Outer, path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("steps = 0", "steps.*0"),
        ('mode = "medium"', "mode.*medium"),
        ("[inner]\nlable = 'x'", "inner.lable"),
        ("steps =", "TOML"),
    ],
)
def test_a_wrong_value_is_named_with_file_and_key(tmp_path: Path, text: str, said: str):
    path = tmp_path / "c.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=f"c.toml.*{said}"):
        read_config(Outer, path)


@pytest.mark.parametrize("name", ["absent.toml", "."])
def test_a_file_that_cannot_be_read_is_a_config_error(tmp_path: Path, name: str):
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(Outer, tmp_path / name)


def test_flags_that_were_typed_win_even_where_they_repeat_the_default(tmp_path: Path):
    path = tmp_path / "c.toml"
    path.write_text('steps = 50\nmode = "slow"\n[inner]\nlabel = "file"\nweight = 2.0\n')
    flags = Outer(steps=10, inner=Inner(weight=0.5))  # both are the defaults, but typed
    merged = merge_flags(path, flags)
    assert (merged.steps, merged.mode) == (10, "slow")
    assert merged.inner == Inner(label="file", weight=0.5)


def test_without_a_recipe_the_flags_stand():
    flags = Outer(steps=4)
    assert merge_flags(None, flags) is flags


def test_what_toml_cannot_say_is_refused():
    with pytest.raises(ConfigError, match="limit"):
        to_toml(NotNone(limit=None))


def test_single_settings_go_over_a_recipe(tmp_path: Path):
    recipe = tmp_path / "r.toml"
    recipe.write_text('steps = 20\nmode = "slow"\n[inner]\nlabel = "recipe"\n')
    words = ["inner.weight=2", "mode = fast", "names=['a b']", "by_name.x=1e-3"]
    config = read_config_with(Outer, recipe, parse_settings(words))
    wanted = Outer(
        steps=20, names=("a b",), inner=Inner(label="recipe", weight=2), by_name={"x": 1e-3}
    )
    assert config == wanted
    assert read_config_with(Outer, None, {"steps": 3}) == Outer(steps=3)


@pytest.mark.parametrize("word", ["steps", "=3", "a b=3", "a.=1"])
def test_words_that_are_no_settings_are_refused(word: str):
    with pytest.raises(ConfigError, match="no setting"):
        parse_settings([word])


def test_a_wrong_flag_is_named(tmp_path: Path):
    with pytest.raises(ConfigError, match="the flags given: steps"):
        read_config_with(Outer, None, parse_settings(["steps=0"]))


class Host(Settings):
    inner: Inner = Inner(label="host", weight=2.0)
    maybe: Inner | None = None
    many: tuple[Inner, ...] = ()


class Nest(Settings):
    host: Host = Host(inner=Inner(label="nest"))


def test_an_inner_table_keeps_the_defaults_of_its_field() -> None:
    assert Host.model_validate({"inner": {"weight": 3.0}}).inner == Inner(label="host", weight=3.0)
    assert Host.model_validate({}).inner == Inner(label="host", weight=2.0)
    assert Host(inner=Inner()).inner == Inner()  # a whole model is taken as it is
    deep = Nest.model_validate({"host": {"inner": {"weight": 4.0}}}).host.inner
    assert deep == Inner(label="nest", weight=4.0)


def test_every_settings_model_with_own_inner_defaults_keeps_them() -> None:
    pytest.importorskip("torch")
    import counterface.builds.blended
    import counterface.detect.training.recipe
    import counterface.swap.training.train  # noqa: F401  (the registry of classes is pydantic's)

    kinds, todo = set(), [BaseModel]
    while todo:
        found = set(todo.pop().__subclasses__()) - kinds
        kinds |= found
        todo += found
    own = [
        (kind, name, default)
        for kind in kinds
        if kind.__module__.startswith("counterface.")
        for name, field in kind.model_fields.items()
        if isinstance(default := field.get_default(), BaseModel) and default.model_fields_set
    ]
    assert len(own) >= 4, "the walk found no settings"
    forgetful = [
        f"{kind.__name__}.{name}" for kind, name, _ in own if not issubclass(kind, Settings)
    ]
    assert not forgetful, f"make these models Settings: {forgetful}"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"inner": {"weihgt": 1}}, "unknown key 'inner.weihgt'; did you mean 'inner.weight'?"),
        ({"inner": {"zzz": 1}}, "unknown key 'inner.zzz'; known: label, weight"),
        ({"maybe": {"zzz": 1}}, "unknown key 'maybe.zzz'; known: label, weight"),
        ({"many": [{"zzz": 1}]}, "unknown key 'many.0.zzz'; known: label, weight"),
        ({"innre": {}}, "unknown key 'innre'; did you mean 'inner'?"),
    ],
)
def test_an_unknown_inner_key_lists_the_keys_of_its_own_table(
    values: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigError) as error:
        read_config_with(Host, None, values)
    assert said in str(error.value)


class Numbers(BaseModel):
    count: int = Field(32, ge=1, le=100)
    share: float | None = Field(None, gt=0, lt=1)
    kind: Literal["a", "b"] = "a"
    inner: Outer = Outer()
    name: str = ""


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"count": "0"}, "--count 0: takes a whole number from 1 up to 100"),
        ({"count": "many"}, "--count many: takes a whole number from 1 up to 100"),
        ({"share": 2}, "--share 2: takes a number above 0 below 1"),
        ({"kind": "c"}, "--kind c: takes one of a, b"),
        ({"name": 3}, "--name 3: must be a valid string"),
    ],
)
def test_a_refused_flag_says_what_it_takes(values: dict[str, object], said: str):
    with pytest.raises(ValidationError) as refused:
        Numbers.model_validate(values)
    assert describe_flags(refused.value, Numbers) == said


def test_a_file_nested_without_end_is_one_error(tmp_path: Path):
    path = tmp_path / "deep.toml"
    path.write_text("x = " + "[" * 3000 + "]" * 3000)
    with pytest.raises(ConfigError, match=r"deep\.toml: is not TOML: values nested deeper"):
        read_config(Settings, path)


def test_every_model_of_the_package_is_a_record():
    for path in Path(counterface.__file__).parent.rglob("*.py"):
        found = re.findall(r"class (\w+)\(BaseModel", path.read_text(encoding="utf-8"))
        assert found == (["Record"] if path.name == "config.py" else []), path
