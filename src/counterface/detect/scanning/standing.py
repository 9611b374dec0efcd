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
from counterface.detect.findings import FaceQuality, FrameScore, Score, SetAside
from counterface.detect.scanning.crop_quality import (
    ACCUSING_SHARPNESS,
    LEAST_COLOR,
    LEAST_SHARPNESS,
    LEAST_TEXTURE,
)
from counterface.detect.weigh import middle
from counterface.faces.landmarks import eye_centres
from counterface.types import Face

# Of the distance to the nearest known family over that family's own limit. No genuine face of the
# sets that nothing was fitted on lies beyond; drawings and filtered pictures do.
MOST_STRANGENESS = 1.5


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


def eye_pixels(face: Face) -> float | None:
    """The distance between the centres of the eyes, pixels; None without landmarks."""
    if face.landmarks is None:
        return None
    left, right = eye_centres(face.landmarks)
    return float(np.linalg.norm(right - left))


def find_fault(frame: FrameScore, range_: Range) -> SetAside | None:
    """Why one face cannot be judged; None where it can.

    What was not measured is not held against it.
    """
    return _beyond_range(frame, range_) or _poor_look(frame)


def _beyond_range(frame: FrameScore, range_: Range) -> SetAside | None:
    if frame.face_px < range_.min_face_px:
        least = f"at least {range_.min_face_px:g} pixels are needed"
        return SetAside(code="small", text=f"it is {frame.face_px:.0f} pixels tall, and {least}")
    if frame.yaw is not None and abs(frame.yaw) > range_.max_yaw:
        most = f"at most {range_.max_yaw:g} can be judged"
        return SetAside(
            code="turned", text=f"it is turned by {abs(frame.yaw):.0f} degrees, and {most}"
        )
    if frame.pitch is not None and abs(frame.pitch) > range_.max_pitch:
        most = f"at most {range_.max_pitch:g} can be judged"
        return SetAside(
            code="tilted", text=f"it is tilted by {abs(frame.pitch):.0f} degrees, and {most}"
        )
    return None


def _poor_look(frame: FrameScore) -> SetAside | None:
    if frame.texture is not None and frame.texture < LEAST_TEXTURE:
        text = "it looks drawn, rendered or airbrushed, not photographed"
        numbers = f"texture {frame.texture:.2f}, photographs have at least {LEAST_TEXTURE:g}"
        return SetAside(code="drawing", text=f"{text} ({numbers})")
    if frame.strangeness is not None and frame.strangeness > MOST_STRANGENESS:
        text = "it resembles neither the photographs nor the fakes that the detector knows"
        return SetAside(code="strange", text=f"{text}, as drawings and very noisy pictures do")
    if frame.sharpness is not None and frame.sharpness < LEAST_SHARPNESS:
        text = f"it is too soft (sharpness {frame.sharpness:.2f}, at least {LEAST_SHARPNESS:g}"
        return SetAside(code="soft", text=f"{text} is needed)")
    return None


def set_aside(
    frames: Sequence[FrameScore],
    score: Score | None,
    info: DetectorInfo,
    rules: Rules,
    quality: FaceQuality | None = None,
) -> SetAside | None:
    """Why a person's faces do not count; None where they do.

    Args:
        frames: frames of the person, at least one.
        score: pooled; None where the detector gave no number.
        info: facts of the detector.
        rules: rules of the file.
        quality: quality of the face; None where the detector names no witnesses.
    """
    if rules.whole_file is not None:
        return rules.whole_file
    if score is None:
        many = f", which judges {info.frames} neighbouring frames together," * (info.frames > 1)
        text = f"the detector{many} gave no usable number for it"
        return SetAside(code="not_scored", text=text)
    accused = score.low > info.thresholds.likely_manipulated
    return (
        _too_brief(frames, rules)
        or _never_in_range(frames, info.range)
        or (_too_poor(quality) if quality else None)
        or (_too_soft_to_accuse(frames) if accused and quality is None else None)
        or (_too_grey_to_accuse(frames) if accused else None)
    )


def _too_poor(quality: FaceQuality) -> SetAside | None:
    """Why a face below the last of the bins does not count; in the others the bin's line holds."""
    if quality.bin is not None:
        return None
    measures = (
        (quality.eye_px, "eyes {:.0f} pixels apart"),
        (quality.sharpness, "sharpness {:.2f}"),
        (quality.compression, "compression {:.2f}"),
    )
    said = ", ".join(text.format(value) for value, text in measures if value is not None)
    return SetAside(code="poor", text=f"no witness can tell at its quality ({said})")


def _too_soft_to_accuse(frames: Sequence[FrameScore]) -> SetAside | None:
    """Why a high score does not count: softness raises scores, and never lowers them."""
    sharp = middle(f.sharpness for f in frames if f.in_range)
    if sharp is None or sharp >= ACCUSING_SHARPNESS:
        return None
    text = f"it is rather soft (sharpness {sharp:.2f}), which alone can raise a score"
    least = f"a suspicious one needs at least {ACCUSING_SHARPNESS:g}"
    return SetAside(code="soft", text=f"{text}; {least}")


def _too_grey_to_accuse(frames: Sequence[FrameScore]) -> SetAside | None:
    """Why a high score does not count for faces in black and white, or under one tone (sepia)."""
    color = middle(f.color for f in frames if f.in_range)
    if color is None or color >= LEAST_COLOR:
        return None
    text = f"it is in grey or in one tone (colour {color:.1f}), which alone can raise a score"
    least = f"a suspicious one needs at least {LEAST_COLOR:g}"
    return SetAside(code="toned", text=f"{text}; {least}")


def _never_in_range(frames: Sequence[FrameScore], range_: Range) -> SetAside | None:
    """The commonest fault of faces that all have one, with the numbers of the middle one."""
    if any(f.in_range for f in frames):
        return None
    faults = [fault for f in frames if (fault := find_fault(f, range_)) is not None]
    if not faults:
        return None
    code = Counter(fault.code for fault in faults).most_common(1)[0][0]
    alike = [fault for fault in faults if fault.code == code]
    return alike[len(alike) // 2]


def _too_brief(frames: Sequence[FrameScore], rules: Rules) -> SetAside | None:
    """Why a face was seen, or was fit to be judged, in too few frames."""
    judged = sum(f.in_range for f in frames)
    seen = len(frames)
    if seen < rules.brief_below:
        text = f"it was seen in {seen} of the {rules.looked_at} frames looked at"
    elif 0 < judged < rules.brief_below:
        text = f"it could be judged in {judged} of the {rules.looked_at} frames looked at"
    else:
        return None
    return SetAside(code="brief", text=f"{text}, too few to decide the file")
