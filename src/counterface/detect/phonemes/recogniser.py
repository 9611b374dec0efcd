"""What a recogniser of phonemes is, and the one that is installed."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from counterface.media.sound import Sound
from counterface.registry import PHONEME_RECOGNISERS

CLOSED_LIPS = frozenset("PBM")  # the phonemes of ARPAbet for which the lips are shut


class Phoneme(NamedTuple):
    """One phoneme and when it is heard."""

    name: str  # ARPAbet, upper case, without stress; anything else is no phoneme
    start_s: float  # seconds on the file's own clock
    end_s: float


class PhonemeRecogniser(Protocol):
    """The contract of a recogniser; its class is called without arguments."""

    name: str

    def is_installed(self) -> bool:
        """Whether what it needs is there; without, `recognise` is not called."""
        ...

    def recognise(self, sound: Sound) -> tuple[Phoneme, ...]:
        """The phonemes of a sound of 16,000 samples a second, in time order."""
        ...


def installed_recogniser() -> PhonemeRecogniser | None:
    """The first that can be used, those of plug-in packages before our own; None without any."""
    ours = list(PHONEME_RECOGNISERS.built_in)
    for name in sorted(PHONEME_RECOGNISERS.names(), key=lambda name: (name in ours, name)):
        recogniser: PhonemeRecogniser = PHONEME_RECOGNISERS.load(name)()
        if recogniser.is_installed():
            return recogniser
    return None
