"""Facts about a file that whoever relies on its frames must know, in plain words."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MediaNote:
    """One such fact.

    Attributes:
        code: what kind of fact, for programs: `cut_short`, `several_streams`, `no_duration`,
            `interlaced`, `animated`, `hdr`.
        text: one sentence in plain English, without the file's name.
    """

    code: str
    text: str


Tell = Callable[[MediaNote], None]  # takes the notes that only reading the frames brings up


def merge_notes(known: Iterable[MediaNote], found: Iterable[MediaNote]) -> tuple[MediaNote, ...]:
    """Each kind of note once, in order; what reading found replaces what the header promised."""
    return tuple({note.code: note for note in (*known, *found)}.values())
