"""Entry lists: what is read, what is refused, and folds that keep groups together."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from counterface.datasets.manifest import (
    Entry,
    of_split,
    read_manifest,
    update_manifest,
    write_manifest,
)
from counterface.errors import ConfigError


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_rows_are_read_with_paths_beside_the_list(tmp_path: Path):
    text = "file,label,method,group\na.mp4,real,,ann\nsub/b.png,FAKE,swap,\nc.mp4,1,,\n"
    items = read_manifest(write(tmp_path / "list.csv", text))
    assert items == [
        Entry(tmp_path / "a.mp4", 0, "", "ann"),
        Entry(tmp_path / "sub" / "b.png", 1, "swap"),
        Entry(tmp_path / "c.mp4", 1),
    ]


def test_method_and_group_may_be_absent_and_paths_may_be_whole(tmp_path: Path):
    other = tmp_path / "elsewhere" / "x.mp4"
    (item,) = read_manifest(write(tmp_path / "list.csv", f"label,file\n0,{other}\n"))
    assert item == Entry(other, 0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", r"needs rows with the columns 'path' and 'label', found \[\]"),
        ("file,label\n", "needs rows"),
        ("name,label\na,real\n", r"found \['name', 'label'\]"),
        ("file,label\na,real\nb,maybe\n", "line 3: label 'maybe'; use real or fake"),
        ("file,label\na\n", "line 2: label None"),
        ("file,label\n,real\n", "line 2: no file"),
        ("path,label,split\na,real,dev\n", "line 2: split 'dev'; use train, val, test or nothing"),
        ("path,label,repeat\na,real,0\n", "line 2: repeat '0'; use a whole number"),
        ("file,label\na,real\na,fake\n", r"named more than once: \[.*a'\]"),
    ],
)
def test_a_wrong_list_is_refused_with_the_reason(tmp_path: Path, text: str, says: str):
    path = write(tmp_path / "list.csv", text)
    with pytest.raises(ConfigError, match=says) as caught:
        read_manifest(path)
    assert str(path) in str(caught.value)


def test_what_is_no_text_is_refused(tmp_path: Path):
    path = tmp_path / "list.csv"
    for data in (b"file,label\n\x81,real\n", b"\xff\xfe\x00", b"f\0i\0l\0e\0"):
        path.write_bytes(data)
        with pytest.raises(ConfigError, match=r"not a readable CSV|needs rows"):
            read_manifest(path)
    with pytest.raises(ConfigError, match="not a readable CSV"):
        read_manifest(tmp_path / "absent.csv")


def test_a_list_with_a_byte_order_mark_is_read(tmp_path: Path):
    path = tmp_path / "list.csv"
    path.write_bytes(b"\xef\xbb\xbffile,label\na.mp4,fake\n")  # as spreadsheets write it
    assert read_manifest(path)[0].label == 1


FULL = Entry(
    Path("clips/a.mp4"),
    1,
    method="face_swap",
    source="a",
    identities=("ann", "bob"),
    generator="df",
    compression="c23",
    split="val",
    licence="CC BY 4.0",
    sha256="0" * 64,
    mask=Path("masks/a.mp4"),
    repeat=3,
    origin="a/collection",
)


@pytest.mark.parametrize("name", ["manifest.parquet", "manifest.csv"])
def test_nothing_is_lost_between_writing_and_reading(tmp_path: Path, name: str):
    placed = replace(FULL, path=tmp_path / FULL.path, mask=tmp_path / "masks/a.mp4")
    entries = [placed, Entry(Path("/elsewhere/b.png"), 0)]
    write_manifest(entries, tmp_path / name)
    assert read_manifest(tmp_path / name) == entries


def test_a_manifest_of_an_earlier_version_has_no_origin_and_is_read(tmp_path: Path):
    entries = [replace(FULL, path=tmp_path / "a.mp4", mask=None)]
    write_manifest(entries, tmp_path / "m.parquet")
    table = pq.read_table(tmp_path / "m.parquet")
    pq.write_table(table.drop_columns(["origin"]), tmp_path / "m.parquet")
    assert read_manifest(tmp_path / "m.parquet") == [replace(entries[0], origin="")]
    pq.write_table(table.drop_columns(["source"]), tmp_path / "m.parquet")
    with pytest.raises(ConfigError, match=r"lacks the columns \['source'\]"):
        read_manifest(tmp_path / "m.parquet")


def test_a_name_that_a_spreadsheet_would_run_is_text_in_the_csv_and_reads_back(tmp_path: Path):
    names = ["=1+1.mp4", "+a.mp4", "-rf.mp4", "@b.mp4", "'=c.mp4"]
    entries = [Entry(tmp_path / name, 1, method="=cmd()") for name in names]
    write_manifest(entries, tmp_path / "m.csv")
    text = (tmp_path / "m.csv").read_text(encoding="utf-8")
    cells = [cell for line in text.splitlines()[1:] for cell in line.split(",")]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    assert read_manifest(tmp_path / "m.csv") == entries


def test_a_folder_and_its_manifest_may_move_together(tmp_path: Path):
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    write_manifest([replace(FULL, path=before / "a.mp4", mask=None)], before / "m.parquet")
    before.rename(after)
    assert read_manifest(after / "m.parquet")[0].path == after / "a.mp4"


def test_a_table_that_is_no_manifest_is_refused(tmp_path: Path):
    path = tmp_path / "m.parquet"
    pq.write_table(pa.table({"path": ["a"], "label": [0]}), path)
    with pytest.raises(ConfigError, match="format None, this Counterface reads 1"):
        read_manifest(path)
    path.write_bytes(b"PAR1 and nothing")
    with pytest.raises(ConfigError, match=r"cannot be read.*dataset index"):
        read_manifest(path)


def test_a_split_is_picked_in_order():
    entries = [Entry(Path(s), 0, split=s) for s in ("val", "train", "test", "", "train")]
    assert [e.path.name for e in of_split(entries, "train", "test")] == ["train", "test", "train"]


def test_columns_of_a_list_s_own_are_not_lost(tmp_path: Path):
    text = "file,label,group,note\na.mp4,real,ann,blurred\n"
    path = write(tmp_path / "list.csv", text)
    entries = [replace(entry, split="val") for entry in read_manifest(path)]
    with pytest.raises(ConfigError, match=r"would lose its columns \['note'\].*--out"):
        update_manifest(entries, path)
    assert path.read_text() == text
    update_manifest(entries, path, tmp_path / "new.csv")
    assert read_manifest(tmp_path / "new.csv") == entries
    update_manifest(entries[:0], tmp_path / "new.csv")  # has none of its own: may be written over
    assert path.read_text() == text


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16"])
def test_lists_of_spreadsheets_are_read(tmp_path: Path, separator: str, coding: str):
    rows = [("file", "label", "method"), ("a, b.mp4", "0.0", "café"), ("c;d.mp4", "1.0", "swap")]
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator).writerows(rows)
    path = tmp_path / "list.csv"
    path.write_bytes(text.getvalue().encode(coding))
    assert read_manifest(path) == [
        Entry(tmp_path / "a, b.mp4", 0, "café"),
        Entry(tmp_path / "c;d.mp4", 1, "swap"),
    ]
    out = tmp_path / "out.csv"
    update_manifest(read_manifest(path), path, out)
    assert read_manifest(out) == read_manifest(path)
