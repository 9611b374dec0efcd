"""What every reader of a data set's layout keeps to, and how a wrong tree is refused.

A reader knows one published layout: which file is real, whose face and whose footage it shows, and
which split its authors gave it. It opens no media. Names of people and footage carry the data
set's name (`ff:003`), so that two sets may lie in one manifest without becoming one person.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, NamedTuple

from pydantic import ConfigDict, Field, PrivateAttr

from counterface.config import Record, validate
from counterface.datasets.manifest import Entry
from counterface.errors import DatasetError
from counterface.media.find_media import find_media
from counterface.media.open_file import show
from counterface.project_files import read_bytes, read_json, reading
from counterface.registry import DATASET_READERS

FACE_SWAP, REENACTMENT = "face_swap", "reenactment"  # families, for `Entry.method`
SHOWN = 12  # names of a folder that an error lists
_MOST_WORDS = 1000  # characters of what is wrong


class Ties(NamedTuple):
    """What a file's name says of who and what is in it."""

    source: str
    identities: tuple[str, ...]


class DatasetReader(Record):
    """A layout; its fields are its options. A child fills `expected` and `entries`."""

    model_config = ConfigDict(coerce_numbers_to_str=True)  # a folder may be called 0 or 1
    expected: ClassVar[str]  # the tree, as a person would draw it
    _list: Path = PrivateAttr(Path())  # that was read last

    leave_out_missing: bool = Field(
        False, description="leave out what is listed but absent, or not listed, without an error"
    )

    @abstractmethod
    def entries(self, folder: Path) -> Iterator[Entry]:
        """What the folder's lists and names say; listed files need not exist.

        Raises:
            DatasetError: a part of the tree is wrong or missing.
        """

    def read(self, folder: Path) -> list[Entry]:
        """The entries of a data set, by path; paths start with `folder`, hashes are not filled.

        Raises:
            DatasetError: a part of the tree is wrong or missing, or listed files are absent.
        """
        if not folder.exists():
            raise self.wrong(folder, "it does not exist")
        self._list = folder
        try:
            with reading(folder, DatasetError, what="holds what cannot be used"):
                found = self._each_once(folder, self.entries(folder))
        except DatasetError as error:
            if error.tree:
                raise
            raise self._unreadable(self._list, error, folder) from error
        there = [entry for entry in found if os.path.isfile(entry.path)]  # noqa: PTH113
        absent = [entry.path for entry in found if not os.path.isfile(entry.path)]  # noqa: PTH113
        if absent and not self.leave_out_missing:
            raise self.wrong(
                folder,
                f"{len(absent)} of {len(found)} listed files are absent, first {_few(absent)}; "
                "fetch them, or leave them out with --set leave_out_missing=true",
            )
        if not there:
            raise self.wrong(folder, "no file of the data set is in it")
        return there

    def _each_once(self, folder: Path, entries: Iterator[Entry]) -> list[Entry]:
        """The entries by path; lists may name a file again, but not with the other label."""
        known: dict[Path, Entry] = {}
        for entry in entries:
            first = known.setdefault(entry.path, entry)
            if first.label != entry.label:
                raise self.wrong(
                    folder,
                    f"{show(entry.path)} stands there as real and as fake; correct the lists",
                )
        return [known[path] for path in sorted(known)]

    def wrong(self, folder: Path, what: str) -> DatasetError:
        """An error that says what is wrong and what was found instead, and shows the tree."""
        short = what if len(what) <= _MOST_WORDS else f"{what[:_MOST_WORDS]}..."
        return DatasetError(f"{show(folder)}: {short}; found {found_in(folder)}", self.expected)

    def videos(self, folder: Path) -> list[Path]:
        """The pictures and videos right in a folder, by name.

        Raises:
            DatasetError: it is no folder, or holds none.
        """
        if not folder.is_dir():
            raise self.wrong(folder.parent, f"no folder {folder.name!r}")
        media = [path for path in find_media([folder]) if path.parent == folder]
        if not media:
            raise self.wrong(folder, "no video or picture in it")
        return media

    def beside_lists(self, folder: Path, listed: Collection[Path], name: str) -> None:
        """Check that each folder right below that holds media has its list.

        Raises:
            DatasetError: one has none, unless what is missing may be left out.
        """
        tops = {folder / path.relative_to(folder).parts[0] for path in _media_below(folder)}
        bare = sorted(top.name for top in tops - set(listed) if top.is_dir())
        if bare and not self.leave_out_missing:
            folders = f"{len(bare)} folder{'s' * (len(bare) > 1)}"
            raise self.wrong(
                folder,
                f"{folders} without {name}: {', '.join(map(show, bare[:3]))}; fetch the list, or "
                "leave them out with --set leave_out_missing=true",
            )

    def read_json(self, path: Path) -> Any:
        """What a JSON file holds.

        Raises:
            DatasetError: it is absent or no JSON.
        """
        self._list = path
        try:
            return read_json(path, DatasetError, finite=False)
        except DatasetError as error:
            raise self._unreadable(path, error, path) from error

    def read_lines(self, path: Path) -> list[str]:
        """The lines of a text file that hold something, without spaces around them.

        Raises:
            DatasetError: it is absent or no text.
        """
        self._list = path
        try:
            with reading(path, DatasetError):
                lines = read_bytes(path).decode("utf-8-sig").splitlines()
        except DatasetError as error:
            raise self._unreadable(path, error, path) from error
        return [line.strip() for line in lines if line.strip()]

    def _unreadable(self, path: Path, error: DatasetError, named: Path) -> DatasetError:
        """The error of a list with the expected layout, and the folder in place of its `named`."""
        return self.wrong(path.parent, path.name + str(error).removeprefix(str(named)))


def load_reader(layout: str, options: dict[str, Any] | None = None) -> DatasetReader:
    """The reader of a layout, with its options set.

    Raises:
        RegistryError: no such layout.
        ConfigError: an option that it does not have, or with a wrong value.
    """
    kind: type[DatasetReader] = DATASET_READERS.load(layout)
    return validate(kind, options or {}, f"options of {layout}")


def without_start(name: str, start: str) -> PurePosixPath:
    """A path of a list, relative, without the start that was true on its author's machine.

    Both kinds of slashes are read; a start that the path does not have is left alone.
    """
    whole = PurePosixPath(name.replace("\\", "/"))
    head = PurePosixPath(start.replace("\\", "/"))
    return whole.relative_to(head) if start and whole.is_relative_to(head) else whole


def found_in(folder: Path) -> str:
    """The first names in a folder, for an error message; folders end in a slash."""
    if folder.is_file():
        return f"a file of {folder.stat().st_size} bytes"
    if not folder.is_dir():
        return "nothing"
    names = sorted(p.name + "/" * p.is_dir() for p in folder.iterdir())
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(show(name) for name in names[:SHOWN]) + more if names else "an empty folder"


def _media_below(folder: Path) -> list[Path]:
    """Every picture and video below a folder; an empty list where there is none."""
    return [path for path in find_media([folder]) if path != folder]


def _few(paths: list[Path]) -> str:
    return ", ".join(show(path) for path in paths[:3])
