"""Phonemes of American English by PocketSphinx, with the model that comes in its wheel.

PocketSphinx (Carnegie Mellon University, https://github.com/cmusphinx/pocketsphinx), BSD licence;
`pip install counterface[phonemes]`. It loops over all phonemes, guided by how often one follows the
other, not over words: other languages than English are heard with English ears.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from counterface.detect.phonemes.recogniser import Phoneme
from counterface.detect.sound.log_mel import require_rate
from counterface.media.sound import Sound

FRAMES = 100  # of the recogniser in a second
# PocketSphinx's own advice for phonemes: the weight of the phoneme model, and wide beams.
WEIGHT, BEAM = 2.0, 1e-20


class SphinxPhonemes:
    """The recogniser `pocketsphinx`."""

    name = "pocketsphinx"

    def is_installed(self) -> bool:
        """Whether PocketSphinx can be imported."""
        return find_spec("pocketsphinx") is not None

    def recognise(self, sound: Sound) -> tuple[Phoneme, ...]:
        """The phonemes of a sound; takes about a third of its length.

        Raises:
            ShapeError: sound of another rate than 16,000 samples a second.
            ValueError: PocketSphinx gives up on the sound, or its model is damaged.
        """
        require_rate(sound)
        if not len(sound.samples):
            return ()
        try:
            return _decode(sound)
        except RuntimeError as error:
            raise ValueError(f"PocketSphinx failed: {error}") from error


def _decode(sound: Sound) -> tuple[Phoneme, ...]:
    from pocketsphinx import Decoder, get_model_path

    model = Path(get_model_path("en-us"))
    decoder = Decoder(  # a fresh one each time: it adapts to what it has heard
        hmm=str(model / "en-us"),
        allphone=str(model / "en-us-phone.lm.bin"),
        lw=WEIGHT,
        beam=BEAM,
        pbeam=BEAM,
        loglevel="FATAL",
    )
    decoder.start_utt()
    samples = np.clip(sound.samples * 32767, -32768, 32767).astype("<i2")
    decoder.process_raw(samples.tobytes(), no_search=False, full_utt=True)
    decoder.end_utt()
    start = float(sound.start)
    return tuple(
        Phoneme(part.word, start + part.start_frame / FRAMES, start + ended / FRAMES)
        for part in decoder.seg() or ()
        if part.word.isalpha() and part.word != "SIL"
        for ended in [part.end_frame + 1]
    )
