"""Manifests of every kind name the same files, and what cannot be one is refused."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from counterface.apps.cluster.manifest import read_manifest
from counterface.apps.cluster.places import FetchError, local_copy
from counterface.apps.cluster.work import kind_of
from counterface.errors import ConfigError

fsspec = pytest.importorskip("fsspec", reason="needs counterface[cluster]")
NAMES = ("a.mp4", "sub/b.jpg", "sub/c.mkv")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in (*NAMES, "notes.txt", ".hidden/x.mp4"):
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "tree"


def write_csv(folder: Path, *rows: str, head: str = "path") -> str:
    path = folder / "files.csv"
    path.write_text("\n".join((head, *rows)) + "\n")
    return str(path)


def test_a_csv_a_parquet_and_a_folder_name_the_same_files(tree: Path) -> None:
    table = tree / "files.parquet"
    pq.write_table(pa.table({"path": list(NAMES), "label": [0, 1, 0]}), table)
    csv = write_csv(tree, *(f"{name},x" for name in NAMES), head="path,label")
    found = [read_manifest(place) for place in (csv, str(table), str(tree))]
    assert {one.names for one in found} == {NAMES}
    assert len({one.sha256 for one in found}) == 1
    assert {one.location(1) for one in found} == {str(tree / "sub/b.jpg")}


def test_addresses_name_files_beside_the_manifest(tree: Path) -> None:
    memory = fsspec.filesystem("memory")
    for name in (*NAMES, ".hidden/x.mp4", "notes.txt"):
        memory.pipe(f"/bucket/{name}", name.encode())
    memory.pipe("/bucket/list/files.csv", b"path\na.mp4\nmemory://bucket/sub/b.jpg\n/abs/c.mp4\n")
    folder = read_manifest("memory://bucket")
    assert folder.names == NAMES
    assert folder.location(1) == "memory://bucket/sub/b.jpg"
    listed = read_manifest("memory://bucket/list/files.csv")
    assert listed.location(0) == "memory://bucket/list/a.mp4"
    assert listed.location(1) == "memory://bucket/sub/b.jpg"
    with local_copy(folder.location(1), 1) as path:
        assert path.name == "b.jpg"
        assert path.read_text() == "sub/b.jpg"
    assert not path.exists()
    assert read_manifest(tree.as_uri()).names == NAMES


def test_a_copy_ends_at_the_limit_and_a_missing_file_is_told(tmp_path: Path) -> None:
    fsspec.filesystem("memory").pipe("/big.mp4", bytes(3_000_000))
    with pytest.raises(FetchError, match="larger than the limit of file_mb=2"):
        local_copy("memory://big.mp4", 2).__enter__()
    with pytest.raises(FetchError, match=r"memory://gone.mp4 does not exist") as caught:
        local_copy("memory://gone.mp4", 2).__enter__()
    assert kind_of(caught.value) == "missing"


def test_a_row_may_name_no_address_that_was_not_allowed(tmp_path: Path) -> None:
    place = write_csv(tmp_path, "a.mp4", "memory://host/b.mp4")
    with pytest.raises(ConfigError, match=r"row 1 names 'memory://host/b.mp4'.*--protocols memory"):
        read_manifest(place)
    assert read_manifest(place, protocols=["memory"]).location(1) == "memory://host/b.mp4"
    with pytest.raises(ConfigError, match="addresses inside addresses"):
        local_copy("zip://a.mp4::memory://x", 1).__enter__()


@pytest.mark.parametrize(
    ("rows", "head", "text"),
    [
        ((), "path", "holds no rows"),
        (("a.mp4",), "file", "has no column 'path', it has \\['file'\\].*--column"),
        (("a.mp4,1", ",2"), "path,label", "row 1 names no file"),
        (("a.mp4", "b.mp4", "./a.mp4"), "path", "named more than once: './a.mp4' \\(rows 0 and 2"),
    ],
)
def test_tables_that_cannot_be_used(
    tmp_path: Path, rows: tuple[str, ...], head: str, text: str
) -> None:
    with pytest.raises(ConfigError, match=text):
        read_manifest(write_csv(tmp_path, *rows, head=head))


def test_places_that_are_no_manifest(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    pq.write_table(pa.table({"path": [1, 2]}), tmp_path / "numbers.parquet")
    for name, text in (
        ("empty", "holds no images or videos"),
        ("gone.csv", "gone.csv"),
        ("gone", "neither a folder nor a table"),
        ("x.parquet", "x.parquet"),
        ("numbers.parquet", "row 0 names no file, its 'path' is 1"),
    ):
        with pytest.raises(ConfigError, match=text):
            read_manifest(str(tmp_path / name))
    with pytest.raises(ConfigError, match=r"memory://nothing/files.csv does not exist"):
        read_manifest("memory://nothing/files.csv")
    with pytest.raises(ConfigError, match="cannot be opened"):
        read_manifest("nobody://x/files.csv")


def test_the_column_can_be_named(tmp_path: Path) -> None:
    assert read_manifest(write_csv(tmp_path, "a.mp4", head="clip"), "clip").names == ("a.mp4",)
