"""A face detector, landmarker or segmenter in a process of its own, with a weights file of others.

`python -m counterface.faces.own_process` takes requests on standard input. It gives up rights
before it reads the weights: no writing, no core dumps, limits on memory and, for each picture, on
CPU time. A file that breaks a parser in native code ends that process and is an error here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from counterface.array_pipe import (
    UNUSABLE,
    Arrays,
    Child,
    give_up_rights,
    limit_cpu,
    open_pipes,
    receive,
    send,
)
from counterface.errors import CounterfaceError, WeightsError
from counterface.faces.align import TEMPLATES
from counterface.faces.face_detector import require_rgb
from counterface.registry import FACE_DETECTORS, FACE_SEGMENTERS, LANDMARKERS, Registry
from counterface.types import Face, Floats, Image, Pose

MEMORY_MB = 6000  # address space; dlib's CNN takes 2 GB of a 1280x720 picture
CPU_S = 60  # for loading, and for each picture
WALL_S = 300  # a machine may be busy
AT_ONCE = 8  # crops that a segmenter is asked for
_POINTS = ("keypoints", "landmarks", "dense")
_REGISTRIES = {
    registry.kind: registry for registry in (FACE_DETECTORS, LANDMARKERS, FACE_SEGMENTERS)
}
_LARGEST = 4096  # side of crops that a segmenter may look at, pixels


class OwnProcess:
    """Does what the named model does; every way to fail is a WeightsError."""

    def __init__(self, registry: Registry, name: str, path: Path) -> None:
        """Start the process and load the model there.

        Raises:
            WeightsError: the file cannot be used, or not within the limits.
        """
        self.path = path
        self._child = Child("counterface.faces.own_process")
        said, _ = self._ask({"kind": registry.kind, "name": name, "path": str(path.absolute())}, {})
        if registry is FACE_SEGMENTERS:
            self.template, self.size = self._crops_of(said)

    def detect(self, image: Image) -> list[Face]:
        """As the model's own `detect`."""
        require_rgb(image)
        return unpack_faces(*self._ask({"do": "detect"}, {"image": image}))

    def locate(self, image: Image, faces: list[Face]) -> list[Face]:
        """As the model's own `locate`."""
        require_rgb(image)
        message, arrays = pack_faces(faces)
        found = unpack_faces(*self._ask({**message, "do": "locate"}, {**arrays, "image": image}))
        if len(found) != len(faces):
            raise self._failed(f"{len(found)} faces came back for {len(faces)}")
        return [
            replace(face, landmarks=seen.landmarks, dense=seen.dense, pose=seen.pose)
            for face, seen in zip(faces, found, strict=True)
        ]

    def segment(self, crops: Image) -> Floats:
        """As the model's own `segment`."""
        from counterface.faces.segment import require_crops  # it imports what imports this

        require_crops(crops)
        masks = np.zeros(crops.shape[:3], np.float32)
        for start in range(0, len(crops), AT_ONCE):  # CPU time is limited for each request
            part = crops[start : start + AT_ONCE]
            _, arrays = self._ask({"do": "segment"}, {"image": part})
            found = arrays.get("masks")
            if found is None or found.shape != part.shape[:3] or found.dtype != np.float32:
                raise self._failed("it gave no masks of the crops' size")
            if not ((found >= 0) & (found <= 1)).all():
                raise self._failed("its masks are not within 0 and 1")
            masks[start : start + AT_ONCE] = found
        return masks

    def _crops_of(self, said: dict[str, Any]) -> tuple[str, int]:
        """The template and side that a segmenter expects."""
        template, size = said.get("template"), said.get("size")
        if template not in TEMPLATES or type(size) is not int or not 0 < size <= _LARGEST:
            raise self._failed(f"it looks at crops {template!r} of {size} px, which are none")
        return template, size

    def _ask(self, message: dict[str, Any], arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
        try:
            answer = self._child.ask(message, arrays, WALL_S)
        except TimeoutError as error:
            raise self._failed(f"no answer within {WALL_S} s") from error
        except (EOFError, OSError) as error:
            raise self._failed(
                f"its process ended; it may have needed more than {CPU_S} s of CPU time for a "
                f"picture or more than {MEMORY_MB} MB, or the file is damaged"
            ) from error
        except UNUSABLE as error:
            raise self._failed(f"its answer cannot be used ({error})") from error
        if "error" in answer[0]:
            self._child.end()
            reason = " ".join(str(answer[0]["error"]).split())[:400]
            raise WeightsError(reason if str(self.path) in reason else f"{self.path}: {reason}")
        return answer

    def _failed(self, why: str) -> WeightsError:
        self._child.end()
        return WeightsError(f"{self.path}: not used: {why}")


def pack_faces(faces: Sequence[Face]) -> tuple[dict[str, Any], Arrays]:
    """Faces as a message and its arrays; embeddings are left out."""
    arrays: Arrays = {}
    about = []
    for index, face in enumerate(faces):
        pose = face.pose
        about.append(
            {
                "score": float(face.score),
                "pose": None if pose is None else [pose.yaw, pose.pitch, pose.roll],
            }
        )
        for name in ("box", *_POINTS):
            if (points := getattr(face, name)) is not None:
                arrays[f"{index} {name}"] = np.asarray(points, np.float32)
    return {"faces": about}, arrays


def unpack_faces(message: dict[str, Any], arrays: Arrays) -> list[Face]:
    """The faces again; WeightsError where they have impossible values."""

    def points(index: int, name: str) -> Floats | None:
        found = arrays.get(f"{index} {name}")
        if found is None:
            return None
        shape = (4,) if name == "box" else (68, 2) if name == "landmarks" else (len(found), 2)
        if found.dtype != np.float32 or found.shape != shape or not np.isfinite(found).all():
            raise WeightsError(f"a model of others gave a face whose {name} cannot be used")
        return np.array(found)

    faces = []
    for index, about in enumerate(message["faces"]):
        box = points(index, "box")
        score = float(about["score"])
        if box is None or not 0 <= score <= 1:
            raise WeightsError(f"a model of others gave a face of score {score:g}, box {box}")
        pose = about["pose"] and Pose(*(float(angle) for angle in about["pose"]))
        keypoints, landmarks, dense = (points(index, name) for name in _POINTS)
        faces.append(Face(box, score, keypoints, landmarks, dense, pose))
    return faces


def main() -> None:
    """Load the model of the first message, then answer each further one."""
    source, sink = open_pipes()
    first, _ = receive(source)
    try:
        kind = _REGISTRIES[first["kind"]].load(first["name"])
        give_up_rights(MEMORY_MB)
        limit_cpu(CPU_S)
        model = kind(weights=Path(first["path"]))
    except Exception as error:  # noqa: BLE001  # native parsers raise anything
        send(sink, {"error": _words(error, first["path"])})
        return
    wants = {key: getattr(model, key, None) for key in ("template", "size")}
    send(sink, wants)
    while True:
        try:
            message, arrays = receive(source)
        except EOFError:
            return
        limit_cpu(CPU_S)
        try:
            image = np.array(arrays.pop("image"))  # some libraries want to be able to write
            if message["do"] == "segment":
                send(sink, {}, {"masks": model.segment(image)})
                continue
            if message["do"] == "detect":
                found = model.detect(image)
            else:
                found = model.locate(image, unpack_faces(message, arrays))
        except Exception as error:  # noqa: BLE001
            send(sink, {"error": _words(error, first["path"])})
        else:
            send(sink, *pack_faces(found))


def _words(error: Exception, path: str) -> str:
    if isinstance(error, CounterfaceError):
        return str(error)
    return f"{path}: the model cannot be used: {type(error).__name__}: {error}"


if __name__ == "__main__":
    main()
