"""Whatever a disk refuses, a writer says in one error which file, why, and what helps."""

from __future__ import annotations

import errno
import os
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from project_writers import WRITERS, Writer

from counterface.errors import CounterfaceError, TrainingError, is_disk_full
from counterface.project_files import writing

every_writer = pytest.mark.parametrize("make", WRITERS, ids=lambda make: make.__name__)
Make = Callable[[Path], Writer]


def refusal(path: Path, write: Callable[[], object]) -> CounterfaceError | None:
    """The error that names the file or its folder and the next step; None where it is written."""
    try:
        write()
    except CounterfaceError as error:
        text = str(error)
        assert path.name in text or str(path.parent) in text
        assert ";" in text
        assert "Errno" not in text
        return error
    return None


def leftovers(folder: Path) -> list[Path]:
    """Temporary files that were not swept."""
    return [path for path in folder.rglob("*") if path.name.startswith(".counterface-")]


@contextmanager
def at_most(size: int) -> Iterator[None]:
    """No file can grow beyond so many bytes: a disk that is full, for every library."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@every_writer
def test_a_folder_in_the_place_of_a_file_is_named(make: Make, tmp_path: Path) -> None:
    path, write = make(tmp_path)
    path.unlink(missing_ok=True)
    path.mkdir()
    (path / "kept").touch()
    assert refusal(path, write) or path.name == "part"  # scores have a new name each time
    assert (path / "kept").exists()
    assert not leftovers(tmp_path)


@every_writer
def test_a_file_in_the_place_of_the_folder_is_named(make: Make, tmp_path: Path) -> None:
    inside = tmp_path / "x"
    inside.mkdir()
    path, write = make(inside)
    shutil.rmtree(path.parent)
    path.parent.write_text("no folder")
    assert refusal(path, write)


@every_writer
@pytest.mark.parametrize("size", [0, 300])
def test_a_file_that_cannot_grow_is_named(make: Make, size: int, tmp_path: Path) -> None:
    path, write = make(tmp_path)
    with at_most(size):
        error = refusal(path, write)
    assert error or path.stat().st_size <= size or path.stat().st_nlink > 1
    assert not leftovers(tmp_path)


@every_writer
def test_a_full_disk_is_told_with_what_helps(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path, write = make(tmp_path)
    monkeypatch.setattr(os, "fsync", full)
    error = refusal(path, write)
    if error:
        assert is_disk_full(error)
        assert str(error).endswith("make room")


def test_a_fault_of_the_program_is_no_fault_of_the_disk(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), writing(tmp_path, TrainingError):
        raise ZeroDivisionError
