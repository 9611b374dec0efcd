"""Whether a run may go on: the same model, and the same people by their footage and rights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from counterface.files import name_differences
from counterface.swap.swap_model import FacesetUsed, IdentityAbout, SwapAbout


def find_other_run(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What makes a training another run than the one whose checkpoint says `then`.

    Where the facesets lie, how many crops they hold and which more of the same people are read do
    not: a person is known again by one faceset with the same content and rights, and others may
    join that show the same person by their rights record.

    Args:
        then: the JSON of the checkpoint's `SwapAbout`.
        now: that of the run which wants to go on.
    """
    old, new = SwapAbout.model_validate(then), SwapAbout.model_validate(now)
    kinds = [about.model_dump(mode="json", include={"model", "options"}) for about in (old, new)]
    found = [told] if (told := name_differences(*kinds)) else []
    names = [[person.name for person in about.identities] for about in (old, new)]
    if names[0] != names[1]:
        return ", ".join([*found, f"people {', '.join(names[0])} -> {', '.join(names[1])}"])
    for known, person in zip(old.identities, new.identities, strict=True):
        found += _strangers(known, person)
    return ", ".join(found)


def _strangers(known: IdentityAbout, person: IdentityAbout) -> list[str]:
    """The facesets of a person that show somebody else than the run has learnt, one text each."""
    if not known.facesets:
        return []
    if not any(_same(one, other) for one in known.facesets for other in person.facesets):
        return [f"facesets of {person.name} {_listed(known)} -> {_listed(person)}"]
    shown = {one.rights.shown for one in known.facesets}
    return [
        f"faceset {other.folder} of {person.name} shows {other.rights.shown!r}, not "
        f"{' or '.join(map(repr, sorted(shown)))}"
        for other in person.facesets
        if other.rights.shown not in shown
    ]


def _same(one: FacesetUsed, other: FacesetUsed) -> bool:
    """The same faceset: by rights, and by content or, where it has grown in place, by its path."""
    if one.rights != other.rights:
        return False
    if one.content and one.content == other.content:
        return True
    return Path(one.folder).resolve() == Path(other.folder).resolve()


def _listed(person: IdentityAbout) -> str:
    return ", ".join(f"{used.folder} ({used.rights.shown})" for used in person.facesets)
