"""Reasons for care: what of a file lies outside the ground that the detector was measured on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from counterface.detect.attribute import UNKNOWN
from counterface.detect.detector import Range
from counterface.detect.findings import Check, Notice, Sampling, TrackFinding
from counterface.detect.pool import show_percent
from counterface.detect.scanning.marks import mark_checks
from counterface.media.probe import MediaInfo
from counterface.provenance.verify import Provenance
from counterface.types import Face

SMALL_FACE_PX = 64  # below, the texture that a swap leaves behind is mostly gone
HEAVY_COMPRESSION = 0.7  # of `Compression.strength`; about x264 crf 34, JPEG quality 30
FEW_FRAMES = 8  # frames with a face; fewer and the interval rests on little
SOFT_YAW = 60  # degrees; half of the face is hidden


def face_pixels(face: Face) -> float:
    """The longer side of the box round the landmarks (or of the face box without them), pixels.

    Landmarks, not the detector's box: face detectors disagree by a third on where a face ends.
    """
    if face.landmarks is None:
        return float((face.box[2:] - face.box[:2]).max())
    return float(np.ptp(face.landmarks, axis=0).max())


def out_of_range(face: Face, range_: Range) -> str | None:
    """Why one face lies outside the detector's range, in a few words; None where it lies inside."""
    size = face_pixels(face)
    if size < range_.min_face_px:
        return f"{size:.0f} px, under the {range_.min_face_px:g} px"
    if face.pose is not None and abs(face.pose.yaw) > range_.max_yaw:
        return f"turned {abs(face.pose.yaw):.0f} degrees, over the {range_.max_yaw:g}"
    if face.pose is not None and abs(face.pose.pitch) > range_.max_pitch:
        return f"tilted {abs(face.pose.pitch):.0f} degrees, over the {range_.max_pitch:g}"
    return None


def _track_notices(track: TrackFinding) -> Iterator[Notice]:
    def notice(code: str, text: str) -> Notice:
        return Notice(code=code, text=text, track=track.id)

    count = len(track.frames)
    if track.face_px < SMALL_FACE_PX:
        size = f"The face is {track.face_px:.0f} pixels tall"
        yield notice(
            "small_face", f"{size}; under {SMALL_FACE_PX}, little detail is left to judge."
        )
    if not track.in_range:
        yield notice("out_of_range", "Outside what the detector was measured on; no claim is made.")
    yaws = [abs(f.yaw) for f in track.frames if f.yaw is not None]
    if yaws and float(np.median(yaws)) > SOFT_YAW:
        turned = f"The head is turned by about {np.median(yaws):.0f} degrees"
        yield notice("turned_away", f"{turned}, so half of the face is hidden.")
    unscored = sum(f.logit is None for f in track.frames)
    if unscored:
        yield notice("not_scored", f"The detector gave no number for {unscored} of {count} frames.")
    if track.brief:
        shown = f" It scored {show_percent(track.score.probability)}." if track.score else ""
        seen = f"Seen in {count} of the frames looked at"
        yield notice("brief", f"{seen}, too few to decide the file.{shown}")


def find_notices(
    media: MediaInfo, sampling: Sampling, tracks: Sequence[TrackFinding], range_: Range
) -> tuple[Notice, ...]:
    """Everything about a file that calls for care, the whole file first, then face by face."""
    found = [Notice(code=note.code, text=note.text) for note in media.notes]
    strength, most = media.compression.strength, range_.max_compression
    if strength > most:
        text = f"Compression strength {strength:.2f} is beyond the detector's {most:.2f}."
        found.append(Notice(code="compression_out_of_range", text=text))
    elif strength >= HEAVY_COMPRESSION:
        text = "Heavily compressed: fine texture is lost, and false alarms and misses grow."
        found.append(Notice(code="heavy_compression", text=text))
    if sampling.mode != "image" and tracks and sampling.with_face < FEW_FRAMES:
        seen = f"A face was seen in {sampling.with_face} of {sampling.read} frames"
        found.append(Notice(code="few_frames", text=f"{seen}; the interval rests on little."))
    return (*found, *(notice for track in tracks for notice in _track_notices(track)))


def list_checks(
    media: MediaInfo,
    sampling: Sampling,
    tracks: Sequence[TrackFinding],
    unaligned: int,
    marks: Provenance | None = None,
    *,
    families: bool = False,
) -> tuple[Check, ...]:
    """What was looked at and what was not, each with the reason.

    Args:
        media: of the file.
        sampling: which frames were looked at.
        tracks: the people in them.
        unaligned: faces that could not be aligned.
        marks: of the file; None where they were not looked for.
        families: whether the detector file knows families of methods.
    """
    scored = sum(f.logit is not None for t in tracks for f in t.frames)
    frames = "the picture" if sampling.mode == "image" else f"{sampling.read} frames"
    faces = (
        "no face" if not tracks else f"{len(tracks)} {'person' if len(tracks) == 1 else 'people'}"
    )
    lost = f"; {unaligned} faces could not be aligned" if unaligned else ""
    if scored:
        judged = f"{scored} face {'crop' if scored == 1 else 'crops'} scored, one at a time."
    elif tracks:
        judged = "The detector gave no usable number."
    else:
        judged = "No face to score."
    sound = "The file has no sound." if not media.audio else "Not part of this version."
    return (
        Check(name="faces", title="Faces", ran=True, note=f"{faces} in {frames}{lost}."),
        Check(name="face_detector", title="Face texture and blending", ran=scored > 0, note=judged),
        _family_check(tracks, known=families),
        *mark_checks(marks),
        *_absent(sound, still=sampling.mode == "image"),
    )


def _family_check(tracks: Sequence[TrackFinding], *, known: bool) -> Check:
    """Whether it was asked which family of methods made a face."""
    asked = [track.attribution for track in tracks if track.attribution is not None]
    if not known:
        note = "The detector file knows no families of methods."
    elif not asked:
        note = "Asked only of faces that may be manipulated."
    else:
        named = sum(found.family != UNKNOWN for found in asked)
        note = f"{named} of {len(asked)} faces that may be manipulated could be named."
    return Check(name="family", title="Family of methods", ran=bool(asked), note=note)


def _absent(sound: str, *, still: bool) -> tuple[Check, ...]:
    """The checks that this version does not have; a failed or absent check is never a 0.5."""
    absent = "Not part of this version."
    motion = "A still picture has no motion." if still else absent
    rows = (
        ("motion", "Motion between frames", motion),
        ("sound", "Voice and lip movement", sound),
        ("whole_image", "Editing outside faces", absent),
    )
    return tuple(Check(name=n, title=t, ran=False, note=why) for n, t, why in rows)
