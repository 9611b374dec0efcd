"""What the browser may name: files below the folders that the user gave, and nothing else.

A place is `NAME/below/it`, where NAME stands for a folder that the user named when the studio was
started. No path of the machine goes out, and no name leads out of its folder: links are followed
before the check.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from counterface.errors import CounterfaceError


class PlaceError(CounterfaceError):
    """A name that stands for no place below a folder that the user gave."""


class Places:
    """The folders that the browser may look into, by the names that it sees."""

    def __init__(self, roots: Iterable[Path], own: Mapping[str, Path]) -> None:
        """Name the folders.

        Args:
            roots: folders that the user gave; each is named as its last part, with a number behind
                it where that is taken.
            own: the studio's folders by name, such as uploads.

        Raises:
            PlaceError: one is no folder.
        """
        self.own = {name: path.resolve() for name, path in own.items()}
        self.roots: dict[str, Path] = {}
        for root in roots:
            real = root.resolve()
            if not real.is_dir():
                raise PlaceError(f"--root {root}: no such folder; name one that is there")
            name, number = real.name or "disk", 2
            while name in self.roots or name in self.own:
                name, number = f"{real.name}-{number}", number + 1
            if real not in self.roots.values():
                self.roots[name] = real

    def path(self, place: str) -> Path:
        """The absolute path of a place, with links followed; it need not be there.

        Raises:
            PlaceError: it names no folder that the user gave, or leads out of it.
        """
        name, _, below = place.strip("/").partition("/")
        root = {**self.roots, **self.own}.get(name)
        if root is None or "\0" in place:
            known = ", ".join(self.roots)
            raise PlaceError(f"{place!r}: no place below a folder of the studio; those are {known}")
        try:
            real = (root / below).resolve()
            real.lstat() if real.exists() else None  # a name that is too long fails here
        except (OSError, RuntimeError) as error:
            raise PlaceError(f"{place!r}: cannot be used: {error.__class__.__name__}") from error
        if real != root and root not in real.parents:
            raise PlaceError(f"{place!r}: leads out of {name}; name something below it")
        return real

    def readable(self, place: str) -> Path:
        """The path of a place that is there.

        Raises:
            PlaceError: as `path`, or there is nothing.
        """
        path = self.path(place)
        if not path.exists():
            raise PlaceError(f"{place!r}: is not there")
        return path

    def name(self, path: Path) -> str:
        """The place of an absolute path; its last part alone where it lies in none."""
        for name, root in {**self.roots, **self.own}.items():
            if path == root:
                return name
            if root in path.parents:
                return f"{name}/{path.relative_to(root).as_posix()}"
        return path.name

    def outward(self, text: str) -> str:
        """The text with the paths of folders replaced by their names."""
        for name, root in sorted(
            {**self.roots, **self.own}.items(), key=lambda item: -len(str(item[1]))
        ):
            text = text.replace(str(root), name)
        return text

    def outward_json(self, value: Any) -> Any:
        """A value of JSON with every text in it as `outward` gives it."""
        escaped = json.dumps(value)
        return value if "/" not in escaped else _map_texts(value, self.outward)


def _map_texts(value: Any, change: Any) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_map_texts(one, change) for one in value]
    if isinstance(value, dict):
        return {key: _map_texts(one, change) for key, one in value.items()}
    return value
