"""Reasons for care: what of a file lies outside the ground that the detector was measured on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Literal

from counterface.detect.attribute import UNKNOWN
from counterface.detect.cues.cue import about
from counterface.detect.detector import Range
from counterface.detect.findings import (
    AsideCode,
    Check,
    CueFinding,
    Notice,
    Sampling,
    TrackFinding,
)
from counterface.detect.scanning.conclusion import UNJUDGEABLE
from counterface.detect.scanning.crop_quality import LEAST_COLOR, SOFT_SHARPNESS
from counterface.detect.scanning.marks import mark_checks
from counterface.detect.weigh import middle
from counterface.media.compression import HEAVY_COMPRESSION
from counterface.media.probe import MediaInfo
from counterface.provenance.verify import Provenance
from counterface.wording import counted

SMALL_FACE_PX = 64  # below, the texture that a swap leaves behind is mostly gone
FEW_FRAMES = 8  # frames with a face; fewer and the interval rests on little
COARSE_PX = 48  # faces over this would have counted: the shipped detector judges from 64 px on
SOFT_YAW = 60  # degrees; half of the face is hidden
_ASIDE_NOTICES: dict[AsideCode, str] = {  # where a notice is not named after the code
    "drawing": "not_a_photograph",
    "strange": "not_a_photograph",
    "toned": "no_color",
    "poor": "too_poor",
    "small": "out_of_range",
    "turned": "out_of_range",
    "tilted": "out_of_range",
}


def _track_notices(track: TrackFinding) -> Iterator[Notice]:
    def notice(code: str, text: str, level: Literal["trust", "care"] = "care") -> Notice:
        return Notice(code=code, text=text, track=track.id, level=level)

    aside = track.aside.code if track.aside else None
    if track.aside and aside and aside not in ("compressed", "grey"):  # said of the whole file
        text = f"Does not count: {track.aside.text}."
        yield notice(
            _ASIDE_NOTICES.get(aside, aside), text, "trust" if aside in UNJUDGEABLE else "care"
        )
    if track.face_px < SMALL_FACE_PX and aside != "small":
        size = f"The face is {track.face_px:.0f} pixels tall"
        yield notice(
            "small_face", f"{size}; under {SMALL_FACE_PX}, little detail is left to judge."
        )
    yaw = middle([None if f.yaw is None else abs(f.yaw) for f in track.frames])
    if yaw is not None and yaw > SOFT_YAW and aside != "turned":
        turned = f"The head is turned by about {yaw:.0f} degrees"
        yield notice("turned_away", f"{turned}, so half of the face is hidden.")
    sharp = middle([f.sharpness for f in track.frames])
    if sharp is not None and sharp < SOFT_SHARPNESS and track.in_range and aside != "soft":
        text = f"The face is rather soft (sharpness {sharp:.2f})"
        yield notice("rather_soft", f"{text}; softness of its own causes false alarms.")
    color = middle([f.color for f in track.frames])
    if color is not None and color < LEAST_COLOR and track.in_range and aside != "toned":
        text = "The face is in grey or in one tone"
        yield notice("no_color", f"{text}; that raises scores, and the detector saw few such ones.")
    count, unscored = len(track.frames), sum(f.logit is None for f in track.frames)
    if unscored and aside != "not_scored":
        yield notice(
            "not_scored",
            f"The detector gave no number for {unscored} of {counted(count, 'frame')}.",
        )


def find_notices(
    media: MediaInfo, sampling: Sampling, tracks: Sequence[TrackFinding], range_: Range
) -> tuple[Notice, ...]:
    """Everything about a file that calls for care, what changes a verdict's worth first."""
    return in_order(_file_notices(media, sampling, tracks, range_), *map(_track_notices, tracks))


def in_order(*groups: Iterable[Notice]) -> tuple[Notice, ...]:
    """The notices of all groups, what changes a verdict's worth first, else as they come."""
    return tuple(sorted(chain(*groups), key=lambda notice: notice.level != "trust"))


def _file_notices(
    media: MediaInfo, sampling: Sampling, tracks: Sequence[TrackFinding], range_: Range
) -> Iterator[Notice]:
    for note in media.notes:
        yield Notice(code=note.code, text=note.text, level="trust")
    strength, most = media.compression.strength, range_.max_compression
    if sampling.unaligned:
        seen = counted(sampling.unaligned, "face was", "faces were")
        text = f"{seen} seen but could not be aligned, and so not judged."
        yield Notice(code="unaligned", text=text, level="trust")
    if sampling.sure_px > COARSE_PX:
        what = "picture was" if sampling.mode == "image" else "frames were"
        text = (
            f"The {what} not searched in all pixels: faces under about {sampling.sure_px:.0f} "
            "pixels may have been missed. --thorough searches in all."
        )
        yield Notice(code="coarse_search", text=text)
    if strength > most:
        text = f"The file is compressed more strongly ({strength:.2f} on a scale of 0 to 1) than "
        text += f"what the detector was measured on ({most:.2f})."
        yield Notice(code="compression_out_of_range", text=text, level="trust")
    elif strength >= HEAVY_COMPRESSION:
        text = "Heavily compressed: fine texture is lost, and false alarms and misses grow."
        yield Notice(code="heavy_compression", text=text)
    if sampling.mode != "image" and tracks and sampling.with_face < FEW_FRAMES:
        seen = f"A face was seen in {sampling.with_face} of {counted(sampling.read, 'frame')}"
        yield Notice(code="few_frames", text=f"{seen}; the interval rests on little.")


def list_checks(
    media: MediaInfo,
    sampling: Sampling,
    tracks: Sequence[TrackFinding],
    marks: Provenance | None = None,
    *,
    families: bool = False,
    together: int = 1,
    sound_cues: Sequence[CueFinding] = (),
) -> tuple[Check, ...]:
    """What was looked at and what was not, each with the reason.

    Args:
        media: facts of the file.
        sampling: which frames were looked at.
        tracks: the people in them.
        marks: marks of the file; None where they were not looked for.
        families: whether the detector file knows families of methods.
        together: crops of one person that the detector judges at once.
        sound_cues: what the cues on the sound say.
    """
    scored = sum(f.logit is not None for t in tracks for f in t.frames)
    still = sampling.mode == "image"
    frames = "the picture" if still else counted(sampling.read, "frame")
    faces = counted(len(tracks), "person", "people") if tracks else "No face"
    lost = ""
    if sampling.unaligned:
        lost = f"; {counted(sampling.unaligned, 'sighting')} of faces could not be aligned"
    if scored and together > 1:
        judged = f"{counted(scored, 'clip')} of a face scored, {together} frames together."
    elif scored:
        judged = f"{counted(scored, 'face crop')} scored, one at a time."
    else:
        judged = "The detector gave no usable number." if tracks else "No face to score."
    absent = "Not part of this version."  # a failed or absent check is never a 0.5
    cues = [cue for track in tracks for cue in track.cues]
    applied = {cue.reads for cue in cues if cue.value is not None}
    idle = "A still picture has no motion." if still else "No cue on consecutive frames applied."
    rows = (
        *(() if "window" in applied else (("motion", "Motion between frames", idle),)),
        ("whole_image", "Editing outside faces", absent),
    )
    return (
        Check(name="faces", title="Faces", ran=True, note=f"{faces} in {frames}{lost}."),
        Check(name="face_detector", title="Face texture and blending", ran=scored > 0, note=judged),
        _family_check(tracks, known=families),
        _cue_check(tracks),
        _sound_check(media, tracks, sound_cues),
        *mark_checks(marks),
        *(Check(name=name, title=title, ran=False, note=why) for name, title, why in rows),
    )


def _cue_check(tracks: Sequence[TrackFinding]) -> Check:
    """Whether cues on the picture were looked at beside the detector."""
    found = [cue for track in tracks for cue in track.cues if about(cue.reads) == "picture"]
    applied = sum(cue.value is not None for cue in found)
    note = "No cues were asked for."
    if found:
        entered = sum(cue.share != 0 and cue.value is not None for cue in found)
        note = f"{applied} of {counted(len(found), 'cue')} applied; {entered or 'none'} entered."
    return Check(name="cues", title="Other cues", ran=applied > 0, note=note, detail=not found)


def _sound_check(
    media: MediaInfo, tracks: Sequence[TrackFinding], sound_cues: Sequence[CueFinding]
) -> Check:
    """Whether the speech, and how the lips move with it, was looked at."""
    found = [*sound_cues, *(c for t in tracks for c in t.cues if about(c.reads) == "match")]
    applied = sum(cue.value is not None for cue in found)
    note = "No cue on lips and sound was asked for." if media.audio else "The file has no sound."
    if found and media.audio:
        note = f"{applied} of {counted(len(found), 'cue')} applied."
    title = "Voice and lip movement"
    return Check(name="sound", title=title, ran=applied > 0, note=note)


def _family_check(tracks: Sequence[TrackFinding], *, known: bool) -> Check:
    """Whether it was asked which family of methods made a face."""
    asked = [track.attribution for track in tracks if track.attribution is not None]
    if not known:
        note = "The detector file knows no families of methods."
    elif not asked:
        note = "Asked only of faces that may be manipulated."
    else:
        named = sum(found.family != UNKNOWN for found in asked)
        note = f"{named} of {counted(len(asked), 'face')} that may be manipulated could be named."
    title, ran = "Family of methods", bool(asked)
    return Check(name="family", title=title, ran=ran, note=note, detail=not ran)
