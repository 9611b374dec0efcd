"""Rights records: read from TOML, taken up by extraction, refused with the name of the field."""

from __future__ import annotations

from pathlib import Path

import actors
import pytest

from counterface.errors import ConfigError, RightsError
from counterface.faceset.extract import ExtractConfig, extract
from counterface.faceset.store import Faceset
from counterface.media.image import write_image
from counterface.provenance.rights import Rights, find_rights, read_rights

TEXT = 'shown = "a drawn actor"\nbasis = "synthetic"\nreference = "tests/actors.py"\n'
RECORD = Rights(shown="a drawn actor", basis="synthetic", reference="tests/actors.py")
SMALL = ExtractConfig(size=64, min_size=20)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    write_image(folder / "one.png", actors.draw_actor(1, size=160).image)
    return folder


def test_a_record_is_read_as_it_was_written(tmp_path: Path):
    (tmp_path / "rights.toml").write_text(TEXT)
    assert read_rights(tmp_path / "rights.toml") == RECORD
    assert find_rights(tmp_path) == find_rights(tmp_path / "clip.mp4") == RECORD


@pytest.mark.parametrize("field", ["shown", "basis", "reference"])
def test_a_missing_field_is_named(tmp_path: Path, field: str):
    lines = [line for line in TEXT.splitlines() if not line.startswith(field)]
    (tmp_path / "rights.toml").write_text("\n".join(lines))
    with pytest.raises(RightsError, match=f"{field}: is missing"):
        find_rights(tmp_path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (TEXT.replace("synthetic", "because"), "basis"),
        (TEXT.replace("a drawn actor", "  "), "shown: .*empty"),
        (TEXT + 'until = "2030"\n', "unknown key 'until'"),
        (TEXT.replace('"', ""), "not TOML"),
    ],
)
def test_a_wrong_field_is_named(tmp_path: Path, text: str, says: str):
    (tmp_path / "rights.toml").write_text(text)
    with pytest.raises(RightsError, match=says):
        read_rights(tmp_path / "rights.toml")


def test_a_record_that_is_not_there_is_an_error_only_when_it_was_named(tmp_path: Path):
    assert find_rights(tmp_path) is None
    with pytest.raises(RightsError, match="cannot be read"):
        read_rights(tmp_path / "rights.toml")


def test_extraction_takes_up_the_record_beside_the_source(photos: Path, tmp_path: Path):
    (photos / "rights.toml").write_text(TEXT)
    extract(photos, tmp_path / "of_folder", SMALL)
    extract(photos / "one.png", tmp_path / "of_file", SMALL)
    for name in ("of_folder", "of_file"):
        assert Faceset.open(tmp_path / name).require_rights() == (RECORD,)


def test_a_named_record_wins_over_the_one_beside_the_source(photos: Path, tmp_path: Path):
    (photos / "rights.toml").write_text(TEXT)
    other = tmp_path / "other.toml"
    other.write_text(TEXT.replace("a drawn actor", "another"))
    extract(photos, tmp_path / "f", SMALL.model_copy(update={"rights_file": other}))
    assert Faceset.open(tmp_path / "f").require_rights()[0].shown == "another"
    both = SMALL.model_copy(update={"rights_file": other, "rights": RECORD})
    with pytest.raises(ConfigError, match="leave one out"):
        extract(photos, tmp_path / "g", both)


def test_a_faceset_is_not_begun_with_a_broken_record(photos: Path, tmp_path: Path):
    (photos / "rights.toml").write_text('shown = "a"\n')
    with pytest.raises(RightsError, match="basis"):
        extract(photos, tmp_path / "f", SMALL)
    assert not (tmp_path / "f").exists()
