"""A data set as one table: each file, its label, and what is known of who and what made it.

A Parquet file (`write_manifest`), or a CSV that a person wrote; both read to the same entries.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from counterface.errors import ConfigError
from counterface.files import write_bytes
from counterface.project_files import read_bytes, read_parquet, reading
from counterface.spreadsheet import bare_cell, guard_cell
from counterface.table import Int8, Int32, Table, read_about, write_table

FORMAT = 1
LABELS = ("real", "fake")  # by label
SPLITS = ("train", "val", "test")
SHOWN = 40  # characters of a wrong value that an error repeats
LONGEST_NAME = 4000  # characters
_LONGEST_PART = 255  # bytes between two slashes; no common file system allows more
_LABEL_OF = {"real": 0, "0": 0, "0.0": 0, "fake": 1, "1": 1, "1.0": 1}
_SEPARATORS = ",;\t|"
_OLD_NAMES = {"file": "path", "group": "source"}  # of columns in a CSV


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a data set; an empty string is "not known"."""

    path: Path  # in a manifest, relative to it or absolute
    label: Int8  # 0 real, 1 fake
    method: str = ""  # family of the manipulation, or kind of genuine footage
    source: str = ""  # the footage it shows or was made from; a clip and its fakes share it
    identities: tuple[str, ...] = ()  # who is shown or gave the face; a swap has two
    generator: str = ""  # the very program or model
    compression: str = ""  # as the data set names it: raw, c23, lq, crf28
    split: str = ""  # train, val, test
    licence: str = ""
    sha256: str = ""  # of the content; "" until it was read
    mask: Path | None = None  # video or picture: white where it was manipulated
    repeat: Int32 = 1  # sequences or frames that training draws from it, in multiples of others
    origin: str = ""  # where it was published: a collection or a repository


ENTRIES = Table(Entry, later=("origin",))


def read_manifest(path: Path) -> list[Entry]:
    """The entries of a Parquet manifest, or of a CSV with the columns `path` and `label`.

    Paths are relative to the manifest's folder. A CSV may have any other column of `Entry`,
    identities separated by `;`, labels real or fake (or 0, 1), and call `path` `file` and
    `source` `group`; see `read_rows` for how its cells may be separated.

    Raises:
        ConfigError: unreadable, a missing column or name, an unknown label or split, a file named
            twice.
    """
    if path.suffix.lower() == ".csv":
        return entries_of_rows(_named_rows(path), path)
    return _entries(enumerate(_read_parquet(path), start=2), path)


def entries_of_rows(rows: Iterable[tuple[int, dict[str, Any]]], path: Path) -> list[Entry]:
    """The entries of a CSV's rows, by the manifest's columns; identities are one text.

    Args:
        rows: each with its line in the file.
        path: the file, for paths relative to it and for errors.

    Raises:
        ConfigError: as `read_manifest`.
    """
    split = []
    for number, row in rows:
        people = row.get("identities") or ""
        names = [name.strip() for name in people.split(";") if name.strip()]
        split.append((number, row | {"identities": names}))
    return _entries(split, path)


def _entries(records: Iterable[tuple[int, dict[str, Any]]], path: Path) -> list[Entry]:
    with reading(path, ConfigError, "mend the row, or make the manifest anew"):
        entries = [_entry(record, path, number) for number, record in records]
    twice = [str(p) for p, count in Counter(item.path for item in entries).items() if count > 1]
    if twice:
        raise ConfigError(f"{path}: named more than once: {twice[:3]}; each file may stand once")
    return entries


def write_manifest(entries: Sequence[Entry], path: Path) -> None:
    """Write a manifest, Parquet or (by its suffix) CSV, whole or not at all.

    Raises:
        MediaError: it cannot be written there.
    """
    placed = [_placed(entry, path.parent) for entry in entries]
    if path.suffix.lower() == ".csv":
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, ENTRIES.schema.names)
        writer.writeheader()
        for entry in placed:
            labelled = {"label": LABELS[entry.label], "identities": ";".join(entry.identities)}
            values = ENTRIES.plain(entry) | labelled
            writer.writerow(
                {k: guard_cell(v) if isinstance(v, str) else v for k, v in values.items()}
            )
        write_bytes(path, text.getvalue().encode())
        return
    write_table(path, ENTRIES.to_arrow(placed), about={"format": FORMAT})


def update_manifest(entries: Sequence[Entry], path: Path, out: Path | None = None) -> None:
    """Write entries that were read from `path` to `out`, or back to it.

    Raises:
        ConfigError: `path` is a CSV with columns of its own, which writing it back would lose.
        MediaError: it cannot be written there.
    """
    if out is None and path.suffix.lower() == ".csv":
        known = {*ENTRIES.schema.names, *_OLD_NAMES}
        rows = read_rows(path)
        own = [name for name in (rows[0] if rows else ()) if name not in known]
        if own:
            raise ConfigError(
                f"{path}: writing it back would lose its columns {own}; write a new manifest "
                "with --out"
            )
    write_manifest(entries, out or path)


def of_split(entries: Iterable[Entry], *splits: str) -> list[Entry]:
    """The entries of the named splits, in order."""
    return [entry for entry in entries if entry.split in splits]


def read_label(text: str) -> int | None:
    """0 for real, 1 for fake, however a list spells them (1.0, FAKE); None for anything else."""
    return _LABEL_OF.get(text.strip().lower())


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV by column, whatever separates its cells and whether UTF-8 or UTF-16.

    The separator is the one of `, ; tab |` that stands most often in the line of column names.

    Raises:
        ConfigError: it cannot be read, or is neither UTF-8 nor UTF-16 with its mark of order.
    """
    with reading(path, ConfigError, "save it as UTF-8 text", what="not a readable CSV"):
        data = read_bytes(path)
        wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = data.decode("utf-16" if wide else "utf-8-sig")
        head = text.partition("\n")[0]
        separator = max(_SEPARATORS, key=head.count)
        if "\0" in text:
            raise ValueError("it holds a NUL")
        return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=separator))


def _named_rows(path: Path) -> list[tuple[int, dict[str, Any]]]:
    rows = read_rows(path)
    named: list[dict[str, Any]] = [
        {
            _OLD_NAMES.get(key, key): bare_cell(value) if isinstance(value, str) else value
            for key, value in row.items()
        }
        for row in rows
    ]
    if not named or not {"path", "label"} <= set(named[0]):
        found = [str(name)[:40] for name in rows[0]][:12] if rows else []
        raise ConfigError(f"{path}: needs rows with the columns 'path' and 'label', found {found}")
    return list(enumerate(named, start=2))


def _read_parquet(path: Path) -> list[dict[str, Any]]:
    advice = "make one with 'counterface dataset index'"
    table = read_parquet(path, ConfigError, advice)
    with reading(path, ConfigError, advice, what="not a readable manifest"):
        about = read_about(table)
        if about.get("format") != FORMAT:
            raise ConfigError(
                f"{path}: format {about.get('format')}, this Counterface reads {FORMAT}; {advice}"
            )
        records: list[dict[str, Any]] = ENTRIES.fit(table).to_pylist()
        return records


def _entry(record: dict[str, Any], path: Path, number: int) -> Entry:
    where = f"{path}, line {number}"
    texts = {name: str(record.get(name) or "").strip() for name in _TEXTS}
    label = read_label(str(record["label"] if record["label"] is not None else ""))
    if label is None:
        shown = record["label"] and str(record["label"])[:SHOWN]
        raise ConfigError(f"{where}: label {shown!r}; use real or fake")
    name = str(record["path"] or "").strip()
    if not name:
        raise ConfigError(f"{where}: no file is named")
    mask = str(record.get("mask") or "")
    for given in (name, mask):
        if len(given) > LONGEST_NAME or _has_long_part(given):
            raise ConfigError(f"{where}: a name of {len(given)} characters; no file can have it")
    if texts["split"] not in ("", *SPLITS):
        split = texts["split"][:SHOWN]
        raise ConfigError(f"{where}: split {split!r}; use {', '.join(SPLITS)} or nothing")
    repeat = str(record.get("repeat") or 1)
    if not repeat.isdigit() or int(repeat) < 1:
        raise ConfigError(f"{where}: repeat {repeat[:SHOWN]!r}; use a whole number, at least 1")
    return Entry(
        path=path.parent / name,
        label=label,
        identities=tuple(record.get("identities") or ()),
        mask=path.parent / mask if mask else None,
        repeat=int(repeat),
        **texts,
    )


_TEXTS = ("method", "source", "generator", "compression", "split", "licence", "sha256", "origin")


def _placed(entry: Entry, folder: Path) -> Entry:
    """The entry with the paths that stand in a manifest of the folder."""
    mask = None if entry.mask is None else _relative(entry.mask, folder)
    return replace(entry, path=_relative(entry.path, folder), mask=mask)


def _has_long_part(name: str) -> bool:
    parts = (part.encode(errors="surrogateescape") for part in Path(name).parts)
    return any(len(part) > _LONGEST_PART for part in parts)


def _relative(path: Path, folder: Path) -> Path:
    """The path, relative where the file lies below the manifest, so that both can move."""
    resolved, base = path.resolve(), folder.resolve()
    return resolved.relative_to(base) if resolved.is_relative_to(base) else resolved
