"""Real and synthetic speech for the cue `synthetic_speech`, and its manifest.

    python benchmarks/speech_data.py --packages FOLDER [--data ../shared/data]

Real: sound of genuine clips, and spoken prompts of free Debian packages that were unpacked into a
folder each (`dpkg -x`): the Asterisk prompts in five languages (CC BY-SA 3.0), those by Menardi
and of es-co and fr-armelle (GPL, CC BY-SA), KDE's klettres and ktuberling (GPL, about 25 languages,
one or two speakers each), and the samples of codec2 and ALSA (LGPL, GPL). Short prompts of one
speaker are joined to about four seconds.

Synthetic: espeak-ng, flite and festival with the voices that Debian has, and the same real speech
made anew by the programs of `voice_copies.py` (`pip install pyworld`, and FFmpeg with Rubber Band),
which hold real voices whose pitch and pace were altered too. No voice is cloned. Nothing of it is
committed.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import wave
import zlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
from default_data import RUNS
from voice_copies import JUDGED, TRAINED

from counterface.datasets.manifest import Entry, write_manifest
from counterface.detect.sound.speech import speech_spans
from counterface.errors import MediaError
from counterface.media.sound import RATE, Sound, read_sound, to_floats
from counterface.types import Floats

RUN = RUNS / "synthetic_speech"
MANIFEST = RUN / "manifest.csv"
LONG_S, SHORT_S = 4.0, 1.2  # of a piece; with less speech it is left out
PIECES = 12  # of one speaker, at most
KDE_PIECES = 5
RAW = {".g722": "g722", ".gsm": "gsm"}
SENTENCES = {
    "en": (
        "The committee will meet again on Thursday to decide about the new bridge.",
        "She said that nobody had told her, and closed the door behind her.",
        "If the weather holds, we could walk along the river and have lunch outside.",
        "Prices rose by three percent last year, while wages hardly changed at all.",
        "Could you please send me the photographs before the end of the week?",
        "A short text like this one shows how a voice sounds in an ordinary sentence.",
    ),
    "es": (
        "Mañana por la mañana vamos a visitar a mis abuelos en el pueblo.",
        "El gobierno anunció ayer una nueva ley sobre el uso del agua.",
        "¿Me puede decir dónde está la estación de trenes más cercana?",
    ),
    "fr": (
        "Le conseil municipal se réunira jeudi pour parler du nouveau pont.",
        "Elle a fermé la fenêtre parce qu'il faisait trop froid dehors.",
        "Pourriez-vous me dire à quelle heure part le prochain train ?",
    ),
    "it": (
        "Domani mattina andiamo a trovare i nonni in campagna.",
        "Il treno per Milano parte dal terzo binario alle sette e mezza.",
        "Mi potrebbe dire dove si trova la biblioteca comunale?",
    ),
    "de": (
        "Der Ausschuss trifft sich am Donnerstag, um über die neue Brücke zu reden.",
        "Sie machte das Fenster zu, weil es draußen zu kalt geworden war.",
    ),
    "ru": (
        "Завтра утром мы поедем в деревню к бабушке и дедушке.",
        "Поезд отправляется с третьего пути в семь часов вечера.",
    ),
    "cs": (
        "Zítra ráno pojedeme na venkov navštívit babičku a dědečka.",
        "Vlak odjíždí ze třetího nástupiště v sedm hodin večer.",
    ),
    "fi": (
        "Huomenna aamulla menemme maalle tapaamaan isovanhempia.",
        "Juna lähtee kolmannelta raiteelta kello seitsemän illalla.",
    ),
}
ESPEAK = (
    *("af", "bg", "bs", "ca", "cs", "cy", "da", "de", "el", "en-029", "en-gb", "en-gb-scotland"),
    *("en-gb-x-rp", "en-us", "en-us-nyc", "eo", "es", "es-419", "et", "eu", "fi", "fr-be"),
    *("fr-ch", "fr-fr", "ga", "gd", "hr", "hu", "hy", "id", "is", "it", "ka", "lt", "lv", "mk"),
    *("ms", "nl", "pl", "pt", "pt-br", "ro", "ru", "sk", "sl", "sq", "sr", "sv", "sw", "tr", "uk"),
    *("vi"),
)
ESPEAK_KINDS = ("", "+m1", "+m3", "+m7", "+f1", "+f2", "+f4", "+f5", "+croak", "+whisper", "+klatt")
FLITE = ("kal", "awb", "kal16", "rms", "slt")
FESTIVAL = {  # voice -> language of its text
    "kal_diphone": "en",
    "ked_diphone": "en",
    "lp_diphone": "it",
    "pc_diphone": "it",
    "czech_dita": "cs",
    "czech_krb": "cs",
    "czech_machac": "cs",
    "czech_ph": "cs",
    "hy_fi_mv_diphone": "fi",
    "suo_fi_lj_diphone": "fi",
    "msu_ru_nsh_clunits": "ru",
    "cmu_us_slt_arctic_hts": "en",
    "upc_ca_ona_hts": "es",
}
CLIPS = (  # of the shared data: patterns with the speaker's name in group 1
    r"av_grid/(\w+)\.mpg",
    r"clips_talking_heads/(\w+)\.mp4",
    r"many_methods/diffusion_video_editing/(\d+)_\w+\.mp4",
    r"many_methods/(?:pc_avs|edtalk|wav2lip)/\w*(RD_Radio\d+)_000\w*\.mp4",
    r"many_methods/fsgan_inputs/(\w+)_real\.mp4",
    r"many_methods/edtalk/(pose_source2)_real\.mp4",
    r"many_methods/dreamtalk/256_(male_face)\.mp4",
)


def packages(folder: Path) -> Iterator[tuple[str, str, list[Path], int]]:
    """Speaker, licence, files of prompts and most pieces, of what Debian's packages hold."""
    for package in sorted(folder.glob("asterisk-core-sounds-*-g722")):
        files = sorted(package.rglob("*.g722"))
        yield package.name.removesuffix("-g722"), "CC BY-SA 3.0", files, PIECES
    for name in ("asterisk-prompt-it-menardi-wav", "asterisk-prompt-es-co"):
        files = [p for p in sorted((folder / name).rglob("*")) if p.suffix in (".wav", ".gsm")]
        yield name, "GPL-2+", files, PIECES
    files = sorted((folder / "asterisk-prompt-fr-armelle").rglob("*.gsm"))
    yield "asterisk-prompt-fr-armelle", "GPL-2+", files, PIECES
    kde = defaultdict(list)
    for path in sorted(folder.glob("ktuberling-data/usr/share/ktuberling/sounds/*/*")):
        kde[re.split(r"[@_]", path.parent.name)[0]].append(path)
    for path in sorted(folder.glob("klettres-data/usr/share/klettres/*/*/*.ogg")):
        kde[re.split(r"[@_]", path.parent.parent.name)[0]].append(path)
    for language, files in sorted(kde.items()):
        yield f"kde-{language}", "GPL-2+", files, KDE_PIECES
    coded = {"f2400", "m2400", "all"}  # samples that went through the codec
    for path in sorted(folder.glob("codec2-examples/usr/share/codec2/*/*.wav")):
        if path.stem not in coded:
            yield f"codec2-{path.stem}", "LGPL-2.1", [path], 4
    yield "alsa", "GPL-2", sorted(folder.glob("alsa-utils/usr/share/sounds/alsa/*_*.wav")), 2


def clips(data: Path) -> Iterator[tuple[str, list[Path]]]:
    """Speaker and clips whose sound is real speech."""
    found = defaultdict(list)
    for path in sorted(p for p in data.rglob("*.m*") if p.suffix in (".mp4", ".mpg")):
        for pattern in CLIPS:
            if match := re.fullmatch(pattern, path.relative_to(data).as_posix()):
                folder = "lrw" if match[1].startswith("RD_") else path.parent.name
                found[f"{folder}-{match[1]}"].append(path)
    yield from found.items()


def samples_of(path: Path) -> Floats:
    """The sound of a file, 16,000 samples a second."""
    if path.suffix in RAW:
        with av.open(str(path), format=RAW[path.suffix]) as file:
            resampler = av.AudioResampler("s16", "mono", RATE)
            frames = [f for frame in file.decode(audio=0) for f in resampler.resample(frame)]
            frames += resampler.resample(None)
        return to_floats(np.concatenate([f.to_ndarray().reshape(-1) for f in frames]))
    sound = read_sound(path, duration=60)
    return np.zeros(0, np.float32) if sound is None else sound.samples


def pieces_of(files: list[Path], most: int) -> Iterator[Floats]:
    """The sound of files, joined and cut to about four seconds, drawn in a fixed order."""
    order = np.random.default_rng(0).permutation(len(files))
    waiting: list[Floats] = []
    given = 0
    for number in order:
        try:
            waiting.append(samples_of(files[number]))
        except (MediaError, av.FFmpegError) as error:
            print(error, file=sys.stderr)
        whole = np.concatenate(waiting) if waiting else np.zeros(0, np.float32)
        while len(whole) >= LONG_S * RATE and given < most:
            yield whole[: int(LONG_S * RATE)]
            whole, given = whole[int(LONG_S * RATE) :], given + 1
        waiting = [whole]
        if given >= most:
            return
    if waiting and len(waiting[0]) >= SHORT_S * RATE:
        yield waiting[0]


def spoken() -> Iterator[tuple[str, str, list[str]]]:
    """Method, voice and command of each synthesized text; TEXT and OUT stand for the two."""
    for number, voice in enumerate(ESPEAK):
        for turn in range(2):
            kind = ESPEAK_KINDS[(number * 2 + turn) % len(ESPEAK_KINDS)]
            rng = np.random.default_rng(number * 10 + turn)
            tone = [f"-p{rng.integers(25, 80)}", f"-s{rng.integers(130, 200)}"]
            yield "espeak", voice + kind, ["espeak-ng", f"-v{voice}{kind}", *tone, "-w", "OUT"]
    for voice in FLITE:
        for turn in range(12):
            pace = f"--setf=duration_stretch={0.85 + 0.05 * (turn % 8):.2f}"
            pace = pace.replace("--setf=", "")
            yield "flite", voice, ["flite", "-voice", voice, "--setf", pace, "-o", "OUT"]
    for voice in FESTIVAL:
        method = "hts" if "hts" in voice else "festival"
        for _ in range(16 if method == "hts" else 8):
            yield method, voice, ["text2wave", "-eval", f"(voice_{voice})", "-o", "OUT"]


def say(command: list[str], method: str, voice: str, number: int, out: Path) -> bool:
    """Write what a synthesizer says; False where it says nothing."""
    language = FESTIVAL.get(voice, voice[:2] if method == "espeak" else "en")
    rng = np.random.default_rng(number)
    lines = SENTENCES.get(language, ())
    text = " ".join(str(rng.choice(lines)) for _ in range(1)) if lines else ""
    text += " " + ", ".join(str(n) for n in rng.integers(2, 999, 1 if lines else 6)) + "."
    with TemporaryDirectory() as folder:
        source = Path(folder) / "text.txt"
        hard = {"msu_ru_nsh_clunits": "utf-8", "upc_ca_ona_hts": "latin-1"}
        code = hard.get(voice, "iso-8859-2" if language == "cs" else "latin-1")
        source.write_text(
            text, encoding=code if method in ("festival", "hts") else "utf-8", errors="ignore"
        )
        whole = [str(out) if word == "OUT" else word for word in command]
        whole += {"espeak": ["-f", str(source)], "flite": ["-f", str(source)]}.get(
            method, [str(source)]
        )
        done = subprocess.run(whole, capture_output=True, timeout=120, check=False)
    return done.returncode == 0 and out.exists() and out.stat().st_size > 20_000


def write_wave(path: Path, samples: Floats) -> None:
    """Write 16-bit samples, 16,000 a second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        whole = np.clip(np.round(samples * 32_767), -32_768, 32_767)
        file.writeframes(whole.astype("<i2").tobytes())


def seconds_of_speech(samples: Floats) -> float:
    """How much of the samples is speech."""
    sound = Sound(samples, RATE, 0, "", RATE, 1, 1)  # type: ignore[arg-type]
    return sum(end - start for start, end in speech_spans(sound))


def real_entries(folder: Path, data: Path) -> Iterator[Entry]:
    """Real speech, and the same made anew; what exists is kept."""
    sources = [(name, text, files, most, "debian") for name, text, files, most in packages(folder)]
    sources += [(name, "", files, 4, "clips") for name, files in clips(data)]
    for speaker, licence, files, most, origin in sources:
        for number, samples in enumerate(pieces_of(files, most)):
            if seconds_of_speech(samples) < SHORT_S:
                continue
            name = f"{speaker}_{number:02d}"
            path = RUN / "data" / "real" / f"{name}.wav"
            write_wave(path, samples)
            yield Entry(path, 0, "speech", name, (speaker,), licence=licence, origin=origin)
            drawn = np.random.default_rng(seed_of(name)).choice(sorted(TRAINED), 2, replace=False)
            for method in (*JUDGED, *(str(name) for name in drawn)):
                copy = (JUDGED | TRAINED)[method]
                path = RUN / "data" / method / f"{name}.wav"
                write_wave(path, copy(samples, np.random.default_rng(seed_of(f"{method} {name}"))))
                yield Entry(path, 1, method, name, (speaker,), method, "", "", licence)


def seed_of(name: str) -> int:
    """A number that is always the same for a name."""
    return zlib.crc32(name.encode())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--packages", type=Path, required=True, help="unpacked Debian packages")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="shared clips")
    chosen = parser.parse_args()
    shutil.rmtree(RUN / "data", ignore_errors=True)
    entries = list(real_entries(chosen.packages, chosen.data))
    print(len(entries), "real and made anew")
    for number, (method, voice, command) in enumerate(spoken()):
        out = RUN / "data" / method / f"{number:04d}.wav"
        out.parent.mkdir(parents=True, exist_ok=True)
        if not say(command, method, voice, number, out):
            print("nothing of", method, voice, file=sys.stderr)
            continue
        person = f"{method}:{voice.partition('+')[0] if method == 'espeak' else voice}"
        entries.append(Entry(out, 1, method, person, (person,), method))
    write_manifest(entries, MANIFEST)
    print(len(entries), "files in", MANIFEST)


if __name__ == "__main__":
    main()
