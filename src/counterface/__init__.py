"""Counterface: labelled, signed face swaps, and a judge of face images and videos.

The names below are the public API; each is loaded on first use, so `import counterface` is cheap
and never imports torch. Importing it switches off what its dependencies would send or store: see
`_QUIET` below, and docs/architecture.md for how that is tested.
"""

import sys

if sys.argv[:1] == ["-m"] and not sys.flags.safe_path:  # `python -m counterface` is being started
    del sys.path[0]  # the current folder: a `json.py` there must not be imported

import os
import warnings
from importlib import import_module

TYPE_CHECKING = False  # type checkers take it for true; `typing` is slow to import

__version__ = "0.1.0"

_PUBLIC = {
    "CounterfaceError": "counterface.errors",
    "Crop": "counterface.types",
    "Face": "counterface.types",
    "Frame": "counterface.types",
    "Track": "counterface.types",
    "Verdict": "counterface.types",
    "align": "counterface.faces.align",
    "find_faces": "counterface.faces.face_detector",
    "read_image": "counterface.media.image",
    "read_video": "counterface.media.video_reader",
    "probe": "counterface.media.probe",
    "Report": "counterface.detect.findings",
    "scan": "counterface.detect.scanning.scan",
}

__all__ = [*sorted(_PUBLIC), "__version__"]

_QUIET = {  # read when the libraries are imported, and inherited by every child process
    "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime: a device id, queued events, a host looked up
    "HF_HUB_DISABLE_TELEMETRY": "1",  # huggingface_hub, behind timm: what calls it, with versions
    "DO_NOT_TRACK": "1",
}
if "onnxruntime" in sys.modules and os.environ.get("ORT_DISABLE_TELEMETRY") != "1":
    warnings.warn(
        "onnxruntime was imported before counterface, so its telemetry is on in this process and "
        "cannot be stopped any more; import counterface first, or set ORT_DISABLE_TELEMETRY=1",
        RuntimeWarning,
        stacklevel=2,
    )
os.environ.update(_QUIET)
# OpenMP's threads wait for each other by spinning, which on a busy machine takes the cores from the
# very thread that is waited for; read when torch is imported, and left alone where it is set
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

if TYPE_CHECKING:
    from typing import Any

    from counterface.detect.findings import Report as Report
    from counterface.detect.scanning.scan import scan as scan
    from counterface.errors import CounterfaceError as CounterfaceError
    from counterface.faces.align import align as align
    from counterface.faces.face_detector import find_faces as find_faces
    from counterface.media.image import read_image as read_image
    from counterface.media.probe import probe as probe
    from counterface.media.video_reader import read_video as read_video
    from counterface.types import Crop as Crop
    from counterface.types import Face as Face
    from counterface.types import Frame as Frame
    from counterface.types import Track as Track
    from counterface.types import Verdict as Verdict


def __getattr__(name: str) -> "Any":
    if name not in _PUBLIC:
        raise AttributeError(f"module 'counterface' has no attribute {name!r}")
    value = getattr(import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
