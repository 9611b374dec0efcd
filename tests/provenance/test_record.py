"""The record of a made file: reads back equal, stays compact, refuses what is no record."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterface.errors import ProvenanceError
from counterface.provenance.record import (
    FrameSwaps,
    MadeInput,
    MadeMarks,
    MadeModel,
    MadeOutput,
    MadeRecord,
    MadeRights,
    SwapPlace,
    read_record,
    record_path,
    require_room,
    write_record,
)
from counterface.provenance.record_check import check_facts
from counterface.provenance.rights import Rights

RIGHTS = Rights(shown="a drawn actor", basis="synthetic", reference="tests/actors.py")
MATRIX = ((1.0, -0.0625, 3.0), (0.0625, 1.0, -7.25))


def a_record(frames: int = 3, **changes: object) -> MadeRecord:
    fields: dict[str, object] = {
        "created": datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
        "output": MadeOutput(name="out.mp4"),
        "inputs": (MadeInput(role="target", name="höher ☃.mp4", sha256="ab" * 32),),
        "models": (MadeModel(name="df", sha256="cd" * 32, step=400, options={"ae": 64}),),
        "settings": {"mask": "hull", "erode": 2.5, "spans": [{"from": 0, "to": None}]},
        "rights": (MadeRights(of="source", rights=RIGHTS),),
        "frames": tuple(
            FrameSwaps(
                index=i,
                pts=Fraction(1001 * i, 30000),
                swaps=(SwapPlace(track=0, box=(1 / 3, 2, 3, 4), matrix=MATRIX),),
            )
            for i in range(frames)
        ),
    }
    return MadeRecord(**{**fields, **changes})  # type: ignore[arg-type]


def test_a_record_reads_back_equal(tmp_path: Path):
    record = a_record()
    write_record(record, tmp_path / "r.json")
    again = read_record(tmp_path / "r.json")
    assert again == record
    assert again.facts_sha256() == record.facts_sha256()
    assert again.frames[2].pts == Fraction(2002, 30000)


@settings(max_examples=30, deadline=None)
@given(
    box=st.tuples(*[st.floats(-1e5, 1e5)] * 4),
    row=st.tuples(*[st.floats(-1e4, 1e4, width=32)] * 3),
    pts=st.fractions(),
)
def test_any_numbers_read_back_equal(tmp_path_factory, box, row, pts):
    place = SwapPlace(track=7, box=box, matrix=(row, row))
    assert all(abs(a - b) <= 0.0051 for a, b in zip(box, place.box, strict=True))
    record = a_record(0)
    record = record.model_copy(update={"frames": (FrameSwaps(index=1, pts=pts, swaps=(place,)),)})
    path = tmp_path_factory.getbasetemp() / "numbers.json"
    write_record(record, path)
    assert read_record(path) == record


def test_a_frame_is_one_line(tmp_path: Path):
    lengths = []
    for count in (0, 1, 500):
        write_record(a_record(count), tmp_path / "r.json")
        text = (tmp_path / "r.json").read_text()
        assert len(json.loads(text)["frames"]) == count
        lengths.append(len(text.splitlines()))
    assert lengths[2] - lengths[1] == 499
    assert len(text) < 500 * 140


def test_the_facts_are_what_is_known_before_signing():
    record = a_record()
    signed = MadeOutput(name="out.mp4", sha256="ef" * 32, bytes=5)
    marks = MadeMarks(credentials="embedded", signer="12" * 32, watermark=3)
    done = record.model_copy(update={"output": signed, "marks": marks})
    assert done.facts_sha256() == record.facts_sha256()
    for changed in (
        record.model_copy(update={"frames": record.frames[:-1]}),
        record.model_copy(update={"output": MadeOutput(name="other.mp4")}),
        record.model_copy(update={"rights": ()}),
    ):
        assert changed.facts_sha256() != record.facts_sha256()


def test_the_record_lies_beside_its_output(tmp_path: Path):
    assert record_path(tmp_path / "a.mp4").name == "a.mp4.record.json"
    assert record_path(tmp_path / "a.mp4") != record_path(tmp_path / "a.mov")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "no record"),
        ("[" * 100_000, "no record"),
        ("{}", "output: is missing"),
        ('{"kind": "faceset"}', "kind"),
        ('{"more": 1, "output": {"name": "a"}, "inputs": []}', "unknown key 'more'"),
        ('{"output": {"name": "a"}, "inputs": [], "format": 2}', "format"),
    ],
)
def test_what_is_no_record_is_refused_in_words(tmp_path: Path, text: str, says: str):
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(ProvenanceError, match=says):
        read_record(tmp_path / "r.json")


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), Path("a"), {1, 2}])
def test_what_json_does_not_know_is_refused(wrong: object):
    with pytest.raises(ValueError, match="settings"):
        a_record(settings={"a": [wrong]})
    if isinstance(wrong, float):
        with pytest.raises(ValueError, match="finite"):
            SwapPlace(track=0, box=(0, 0, wrong, 1))


def test_tuples_are_the_lists_that_they_read_back_as(tmp_path: Path):
    write_record(a_record(settings={"size": (1, 2)}), tmp_path / "r.json")
    assert read_record(tmp_path / "r.json") == a_record(settings={"size": [1, 2]})


def test_a_record_that_cannot_be_written_is_an_error(tmp_path: Path):
    with pytest.raises(ProvenanceError, match="cannot be written"):
        write_record(a_record(), tmp_path / "no folder" / "r.json")


@pytest.mark.parametrize("letter", ["y", "\u732b"])  # one and three bytes
def test_an_output_whose_record_would_have_too_long_a_name_is_refused_before_the_work(
    tmp_path: Path, letter: str
):
    size = len(letter.encode())
    room = (255 - len(".record.json") - len(".mp4")) // size
    fits = tmp_path / f"{letter * room}.mp4"
    require_room(fits)
    record_path(fits).touch()  # it does fit
    with pytest.raises(ProvenanceError, match="choose a shorter one"):
        require_room(tmp_path / f"{letter * (room + 1)}{'y' * (size - 1)}.mp4")


def test_a_record_beyond_a_limit_is_refused_before_it_is_parsed(tmp_path: Path):
    file = tmp_path / "a.jpg.record.json"
    file.write_text('{"frames":[' + ",".join(['{"index":0}'] * 50) + "]}")
    with pytest.raises(ProvenanceError, match="51 parts, more than the 50"):
        read_record(file, most_parts=50)
    with pytest.raises(ProvenanceError, match="more than the 100 that are read"):
        read_record(file, most_bytes=100)


@given(st.integers(0, 4), st.booleans(), st.text(max_size=5))
@settings(max_examples=20, deadline=None)
def test_line_by_line_gives_the_hash_of_the_whole(
    tmp_path_factory: pytest.TempPathFactory, frames: int, indented: bool, text: str
):
    """However the settings look, and for records that somebody laid out anew."""
    file = tmp_path_factory.getbasetemp() / "lines.json"
    told = {"frames": [], text: '"frames": []', "deeper": {"frames": [{"index": 1}]}}
    output = MadeOutput(name="out.mp4", sha256="ab" * 32)
    record = a_record(frames, settings=told, notes=(text,) if text else (), output=output)
    write_record(record, file)
    if indented:
        file.write_text(json.dumps(json.loads(file.read_text()), indent=2))
    assert check_facts(file, "ab" * 32) == record.facts_sha256()
    assert check_facts(file, "cd" * 32) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\n ]\n}\n", "\n"),
        ("\n ]\n}\n", "\n ]\n}\n{}"),
        ("\n ]\n}\n", ",\n ]\n}\n"),
        ("},\n", "}\n"),
        ('"index":1', '"index":-1'),
        ('"index":1', '"more":1,"index":1'),
        ('"inputs"', '"in"'),
    ],
)
def test_a_record_with_a_wrong_line_is_refused(tmp_path: Path, old: str, new: str):
    file = tmp_path / "r.json"
    write_record(a_record(output=MadeOutput(name="out.mp4", sha256="ab" * 32)), file)
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    with pytest.raises(ProvenanceError, match="is no record of a made file"):
        check_facts(file, "ab" * 32)


def test_a_hostile_record_ends_at_its_first_wrong_line(tmp_path: Path):
    """It is not read on: what follows could not even be decoded as text."""
    file = tmp_path / "r.json"
    write_record(a_record(1, output=MadeOutput(name="out.mp4", sha256="ab" * 32)), file)
    start = file.read_bytes().partition(b"\n ]\n")[0]
    file.write_bytes(start + b",\n  {},\n" + b"\xff" * 5_000_000)
    with pytest.raises(ProvenanceError, match="frame 2: index"):
        check_facts(file, "ab" * 32)


def test_a_record_of_too_many_frames_is_refused_before_they_are_read(tmp_path: Path):
    file = tmp_path / "r.json"
    write_record(a_record(1), file)
    file.write_bytes(file.read_bytes() + b"\n" * 1_000_000)
    with pytest.raises(ProvenanceError, match="lines, more than the 1000000 that are read"):
        check_facts(file, "ab" * 32)
