"""The parts of the contract of data set readers; `testing.check_dataset_reader` runs them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from counterface.datasets.manifest import Entry, read_manifest, write_manifest
from counterface.datasets.readers.layout import DatasetReader
from counterface.errors import DatasetError
from counterface.testing.refusal import check_refused


def check_options(kind: Any) -> None:
    """Fail if an option lacks a default or a word on what it does, or an unknown one is taken."""
    assert issubclass(kind, DatasetReader), f"{kind!r} is no DatasetReader"
    assert kind.expected.strip(), "`expected` shows no tree"
    for name, field in kind.model_fields.items():
        assert field.description, f"option {name!r} has no description"
        assert not field.is_required(), f"option {name!r} has no default"
    check_refused(ValidationError, "an unknown option", lambda: kind(no_such_option=1))


def check_reading(kind: Any, folder: Path) -> list[Entry]:
    """The entries of a complete tree, once they are what a reader may give."""
    before = _names(folder)
    entries: list[Entry] = kind().read(folder)
    assert entries, "no entry was read"
    assert entries == kind().read(folder), "a second reading differs"
    assert _names(folder) == before, "reading changed the folder"
    paths = [entry.path for entry in entries]
    assert paths == sorted(set(paths)), "entries are not by path, each file once"
    for entry in entries:
        assert entry.path.is_file(), f"{entry.path} does not exist"
        assert entry.mask is None or entry.mask.is_file(), f"mask {entry.mask} does not exist"
        assert entry.sha256 == "", "a reader opens no media, so it knows no hash"
        assert entry.repeat == 1, "how often training sees a file is not the reader's to say"
    return entries


def check_manifest(entries: list[Entry], path: Path) -> None:
    """Fail if the entries do not survive a manifest at `path`."""
    write_manifest(entries, path)
    told = [(e.path.resolve(), e.label, e.split, e.source, e.identities) for e in entries]
    kept = [(e.path, e.label, e.split, e.source, e.identities) for e in read_manifest(path)]
    assert told == kept, "what was read does not survive a manifest"


def check_no_tree(kind: Any, folder: Path) -> None:
    """Fail if a folder that is absent or empty is not refused with the expected tree."""
    what = f"{folder.name!r}, which is absent or empty"
    error = check_refused(DatasetError, what, kind().read, folder)
    assert error.tree == kind.expected, "the error does not show the expected tree"
    assert "found" in str(error), "the error does not say what was found instead"


def _names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
