"""Whether a face counts towards the verdict on its file, and why not, in one place.

A face counts only where the detector gave a number for it, of a picture such as it was measured on,
in enough frames. All others are said in the report and decide nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from counterface.detect.detector import DetectorInfo, Range
from counterface.detect.findings import FrameScore, Score, SetAside
from counterface.types import Face


@dataclass(frozen=True, slots=True)
class Rules:
    """What a face of this file needs in order to count."""

    looked_at: int  # frames, or moments of a detector that judges several frames together
    brief_below: int = 0  # faces seen in fewer do not count
    whole_file: SetAside | None = None  # why no face of the file counts


def face_pixels(face: Face) -> float:
    """The longer side of the box round the landmarks (or of the face box without them), pixels.

    Landmarks, not the detector's box: face detectors disagree by a third on where a face ends.
    """
    if face.landmarks is None:
        return float((face.box[2:] - face.box[:2]).max())
    return float(np.ptp(face.landmarks, axis=0).max())


def beyond_range(
    face_px: float, yaw: float | None, pitch: float | None, range_: Range
) -> SetAside | None:
    """Why a face lies outside the detector's range; None where it lies inside.

    Args:
        face_px: of `face_pixels`.
        yaw: degrees; None where unknown.
        pitch: degrees; None where unknown.
        range_: of the detector file.
    """
    if face_px < range_.min_face_px:
        least = f"at least {range_.min_face_px:g} pixels are needed"
        return SetAside(code="small", text=f"it is {face_px:.0f} pixels tall, and {least}")
    if yaw is not None and abs(yaw) > range_.max_yaw:
        most = f"at most {range_.max_yaw:g} can be judged"
        return SetAside(code="turned", text=f"it is turned by {abs(yaw):.0f} degrees, and {most}")
    if pitch is not None and abs(pitch) > range_.max_pitch:
        most = f"at most {range_.max_pitch:g} can be judged"
        return SetAside(code="tilted", text=f"it is tilted by {abs(pitch):.0f} degrees, and {most}")
    return None


def set_aside(
    frames: Sequence[FrameScore], score: Score | None, info: DetectorInfo, rules: Rules
) -> SetAside | None:
    """Why a person's faces do not count; None where they do.

    Args:
        frames: of the person, at least one.
        score: pooled; None where the detector gave no number.
        info: of the detector.
        rules: of the file.
    """
    if rules.whole_file is not None:
        return rules.whole_file
    if score is None:
        many = f", which judges {info.frames} neighbouring frames together," * (info.frames > 1)
        text = f"the detector{many} gave no usable number for it"
        return SetAside(code="not_scored", text=text)
    return _beyond_range_in_all(frames, info.range) or _too_brief(frames, rules)


def _beyond_range_in_all(frames: Sequence[FrameScore], range_: Range) -> SetAside | None:
    """The commonest fault of faces that were never in range, of the frame nearest to it."""
    if any(f.in_range for f in frames if f.logit is not None):
        return None
    faults = [beyond_range(f.face_px, f.yaw, f.pitch, range_) for f in frames]
    found = [fault for fault in faults if fault is not None]
    if not found:
        return None
    code = Counter(fault.code for fault in found).most_common(1)[0][0]
    alike = [f for f, fault in zip(frames, faults, strict=True) if fault and fault.code == code]
    alike.sort(key=lambda f: (f.face_px, abs(f.yaw or 0), abs(f.pitch or 0)))
    middle = alike[len(alike) // 2]
    return beyond_range(middle.face_px, middle.yaw, middle.pitch, range_)


def _too_brief(frames: Sequence[FrameScore], rules: Rules) -> SetAside | None:
    judged = sum(f.in_range for f in frames)
    if judged >= rules.brief_below:
        return None
    text = f"it could be judged in {judged} of the {rules.looked_at} frames looked at"
    if len(frames) < rules.brief_below:
        text = f"it was seen in {len(frames)} of the {rules.looked_at} frames looked at"
    return SetAside(code="brief", text=f"{text}, too few to decide the file")
