"""Face detectors and landmarkers by name, or by name and weights file: `NAME` or `NAME:PATH`.

Weights that a user names by path may come from anybody. Classes whose libraries read such a file in
native code say so (`guarded = True`) and then run in a process of their own, under limits.
"""

from __future__ import annotations

from inspect import signature
from pathlib import Path
from typing import Any

from counterface.errors import WeightsError
from counterface.registry import Registry


def split_name(text: str) -> tuple[str, Path | None]:
    """The registered name in `NAME` or `NAME:PATH`, and the path."""
    name, colon, path = text.partition(":")
    return name, Path(path).expanduser() if colon else None


def make_model(registry: Registry, text: str) -> Any:
    """The model that `NAME` or `NAME:PATH` names, loaded.

    Raises:
        RegistryError: nothing of that name.
        WeightsError: it takes no weights file, its file is not there or cannot be used, or it needs
            one and none was named.
    """
    name, path = split_name(text)
    kind = registry.load(name)
    if path is None:
        return kind()
    if "weights" not in signature(kind).parameters:
        raise WeightsError(
            f"{registry.kind} {name!r} takes no weights file, got {str(path)!r}; "
            f"name it as {name!r} alone"
        )
    if not path.exists():
        raise WeightsError(f"{path}: no such file; {registry.kind} {name!r} was to read it")
    if getattr(kind, "guarded", False):
        from counterface.faces.own_process import OwnProcess

        return OwnProcess(registry, name, path)
    return kind(weights=path)


def needs_weights(name: str, what: str) -> WeightsError:
    """The error of a model whose weights no registry of packages has.

    Args:
        name: the registered name.
        what: which file it is, and where it comes from.
    """
    return WeightsError(f"{name!r} needs its weights file, {what}; name it as '{name}:PATH'")
