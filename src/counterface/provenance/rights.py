"""The rights record that every making job needs."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from counterface.config import Record
from counterface.errors import RightsError
from counterface.project_files import read_toml, reading

RIGHTS_FILE = "rights.toml"


class Rights(Record):
    """Who is shown, why the footage may be used, and where that is written down."""

    shown: str = Field(
        description="person who is shown: a name, or how the data set describes its people"
    )
    basis: Literal["consent", "licence", "research", "synthetic"] = Field(
        description="basis: consent of the person, a licence of the footage, a public research "
        "data set, or synthetic (no real person)"
    )
    reference: str = Field(
        description="document that states the basis: a release form, licence text or address"
    )

    @field_validator("shown", "reference")
    @classmethod
    def _says_something(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("must not be empty")
        return value.strip()


def read_rights(path: Path) -> Rights:
    """The record in a `rights.toml`: the keys shown, basis and reference, nothing else.

    Raises:
        RightsError: the file cannot be read, is not TOML, or a field is missing, unknown or wrong.
    """
    advice = "the rights record holds the keys shown, basis and reference"
    values = read_toml(path, RightsError, advice)
    with reading(path, RightsError, advice, what="cannot be used", model=Rights):
        return Rights.model_validate(values)


def find_rights(source: Path) -> Rights | None:
    """The record in the `rights.toml` in a source folder or next to a source file, if there is one.

    Raises:
        RightsError: as `read_rights`.
    """
    path = (source if source.is_dir() else source.parent) / RIGHTS_FILE
    return read_rights(path) if path.is_file() else None
