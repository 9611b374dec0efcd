"""Phonemes: which recogniser is used, and what PocketSphinx hears."""

from __future__ import annotations

import shutil
import subprocess
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from counterface.detect.phonemes import recogniser
from counterface.detect.phonemes.recogniser import CLOSED_LIPS, installed_recogniser
from counterface.detect.phonemes.sphinx import SphinxPhonemes
from counterface.errors import ShapeError
from counterface.media.sound import RATE, Sound, read_sound
from counterface.registry import PHONEME_RECOGNISERS, Registry

SPEAKER = "espeak-ng"


class Absent(SphinxPhonemes):
    name = "absent"

    def is_installed(self) -> bool:
        return False


class Present(Absent):
    name = "present"

    def is_installed(self) -> bool:
        return True


def use(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    built_in = {name.lower(): f"{__name__}:{name}" for name in names}
    known = Registry("phoneme recogniser", "counterface.no_phonemes", built_in)
    monkeypatch.setattr(recogniser, "PHONEME_RECOGNISERS", known)


def test_the_recogniser_that_is_installed_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, "Absent", "Present")
    found = installed_recogniser()
    assert found is not None
    assert found.name == "present"


def test_without_any_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch)
    assert installed_recogniser() is None
    use(monkeypatch, "Absent")
    assert installed_recogniser() is None


def test_every_recogniser_bears_its_name() -> None:
    for name in PHONEME_RECOGNISERS.built_in:
        assert PHONEME_RECOGNISERS.load(name)().name == name


@pytest.mark.slow
def test_pocketsphinx_hears_where_the_lips_close(tmp_path: Path) -> None:
    pytest.importorskip("pocketsphinx")
    if shutil.which(SPEAKER) is None:
        pytest.skip(f"{SPEAKER}, which speaks, is not installed")
    path = tmp_path / "said.wav"
    subprocess.run(
        [SPEAKER, "-v", "en-us", "-s", "120", "-w", str(path), "my mama. see us say yes"],
        check=True,
    )
    sound = read_sound(path)
    assert sound is not None
    heard = SphinxPhonemes().recognise(sound)
    assert heard == SphinxPhonemes().recognise(sound)
    assert any(phoneme.name in CLOSED_LIPS and phoneme.start_s < 1 for phoneme in heard)
    assert all(0 <= p.start_s < p.end_s <= sound.duration + 0.02 for p in heard)
    assert all(one.end_s <= other.start_s for one, other in pairwise(heard))


@pytest.mark.slow
def test_pocketsphinx_hears_nothing_in_silence() -> None:
    pytest.importorskip("pocketsphinx")
    silence = Sound(np.zeros(2 * RATE, np.float32), RATE, Fraction(5), "", RATE, 1, 1)
    assert not any(p.name in CLOSED_LIPS for p in SphinxPhonemes().recognise(silence))


@pytest.mark.slow
@pytest.mark.parametrize("count", [0, 1, 100, 800])
def test_pocketsphinx_bears_hardly_any_sound(count: int) -> None:
    pytest.importorskip("pocketsphinx")
    noise = np.random.default_rng(0).normal(0, 0.1, count).astype(np.float32)
    assert SphinxPhonemes().recognise(Sound(noise, RATE, Fraction(0), "", RATE, 1, 1)) == ()


def test_a_failure_of_pocketsphinx_is_an_error_that_a_scan_bears(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pocketsphinx = pytest.importorskip("pocketsphinx")

    def fail(**settings: object) -> None:
        raise RuntimeError("no model")

    monkeypatch.setattr(pocketsphinx, "Decoder", fail)
    with pytest.raises(ValueError, match="PocketSphinx failed: no model"):
        SphinxPhonemes().recognise(Sound(np.ones(9, np.float32), RATE, Fraction(0), "", 1, 1, 1))


def test_sound_of_another_rate_is_refused() -> None:
    pytest.importorskip("pocketsphinx")
    with pytest.raises(ShapeError, match="8000"):
        SphinxPhonemes().recognise(Sound(np.zeros(9, np.float32), 8000, Fraction(0), "", 1, 1, 1))
