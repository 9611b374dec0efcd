"""How counts and names read in texts for people."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_HYPHENED = frozenset({"self_blended"})


def counted(count: int, noun: str, several: str = "") -> str:
    """`1 frame`, `3 frames`; `several` is the plural where it takes more than an s."""
    return f"{count} {noun if count == 1 else several or noun + 's'}"


def spoken(key: str) -> str:
    """A key as text: `face_swap` is "face swap", `self_blended` "self-blended"."""
    return key.replace("_", "-" if key in _HYPHENED else " ")


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """The text of an error about an unknown name: the nearest known name, then all known names."""
    names = list(dict.fromkeys(known))
    near = get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}? Known" if near else "known"
    return f"no {kind} is named {name!r}; {hint}: {', '.join(names)}"
