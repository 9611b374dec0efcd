"""A small network in an ONNX file: the one that ships, opened here, or a user's, under guard."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field

from counterface.config import Record
from counterface.errors import DetectorError
from counterface.onnx.session import GuardedSession, open_here
from counterface.project_files import read_bytes, reading


class NetInfo(Record):
    """What the file of a network says of itself."""

    format: int = Field(1, ge=1, le=1, description="version of the format")
    name: str = Field(description="name in reports")
    version: str = Field(description="version of the weights")
    card: dict[str, Any] = Field(default_factory=dict, description="summary of the model card")


Info = TypeVar("Info", bound=NetInfo)


def open_net(
    path: Path | None, shipped: str, key: str, model: type[Info], absent: str
) -> tuple[Any, Info]:
    """A session of the network, and what the file says of itself.

    Args:
        path: the file; None: the one that comes with the package.
        shipped: name of that one in `detect/data`.
        key: name of the metadata entry that describes the network.
        model: record of the description.
        absent: words for a file without that entry, to stand after its name.

    Raises:
        DetectorError: the file cannot be read, or is of another kind.
    """
    if path is None:
        session, said = _open_shipped(shipped)
    else:
        with reading(path, DetectorError):
            content = read_bytes(path)
        session = GuardedSession(content, path, "detector file", DetectorError)
        said = session.metadata
    where = path or Path(shipped)
    if key not in said:
        raise DetectorError(f"{where}: {absent}")
    with reading(where, DetectorError, what="its description cannot be read"):
        return session, model.model_validate_json(said[key])


@cache
def _open_shipped(name: str) -> tuple[Any, dict[str, str]]:
    session = open_here(files("counterface.detect.data").joinpath(name).read_bytes())
    return session, session.get_modelmeta().custom_metadata_map
