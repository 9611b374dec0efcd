"""Counterface: labelled, signed face swaps, and a judge of face images and videos.

The names below are the public API; each is loaded on first use, so `import counterface` is cheap
and never imports torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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
    "Report": "counterface.report.schema",
    "scan": "counterface.report.build",
}

__all__ = [*sorted(_PUBLIC), "__version__"]

if TYPE_CHECKING:
    from counterface.errors import CounterfaceError as CounterfaceError
    from counterface.faces.align import align as align
    from counterface.faces.face_detector import find_faces as find_faces
    from counterface.media.image import read_image as read_image
    from counterface.media.probe import probe as probe
    from counterface.media.video_reader import read_video as read_video
    from counterface.report.build import scan as scan
    from counterface.report.schema import Report as Report
    from counterface.types import Crop as Crop
    from counterface.types import Face as Face
    from counterface.types import Frame as Frame
    from counterface.types import Track as Track
    from counterface.types import Verdict as Verdict


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'counterface' has no attribute {name!r}")
    value = getattr(import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
