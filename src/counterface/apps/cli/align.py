"""`counterface faceset align redo|recut|undo|import|export|check|draw`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from counterface.apps.cli import output
from counterface.apps.cli.app import Json
from counterface.faceset.alignments.draw import DrawConfig
from counterface.faceset.alignments.redo import RedoConfig
from counterface.wording import counted

if TYPE_CHECKING:
    from counterface.faceset.alignments.check import AlignCheck
    from counterface.faceset.alignments.redo import Changed

_SHOWN = 20  # spans of a source that are told in words
_SAYS = {
    "none": "no face",
    "many": "more faces than expected",
    "gap": "a face is missing",
    "unread": "not looked at yet",
}
Sources = Annotated[tuple[Path, ...], Parameter(consume_multiple=True)]
Space = Annotated[Literal["crop", "frame"], Parameter(name="--pixels-of")]


def redo(
    folder: Path,
    /,
    *,
    config: Annotated[RedoConfig, Parameter(name="*")],
    json_output: Json = False,
) -> int:
    """Find the landmarks of every crop again with another landmarker; run again to continue.

    Crops stay as they are cut. `faceset align undo` takes it back.

    Args:
        folder: A faceset.
    """
    from counterface.faceset.alignments.redo import redo as run

    with output.progress("redo") as report:
        found = run(folder, config, report)
    return output.tell(found, _changed_lines(found), json_output, failed=found.problems)


def recut(folder: Path, /, *, source: Sources, json_output: Json = False) -> int:
    """Cut crops anew from their source, by the landmarks they have; run again to continue.

    Masks move along. `faceset align undo` brings the former crops back.

    Args:
        folder: A faceset.
        source: Files that the crops were cut from.
    """
    from counterface.faceset.alignments.recut import recut as run

    with output.progress("recut") as report:
        found = run(folder, source, report)
    return output.tell(found, _changed_lines(found), json_output, failed=found.problems)


def undo(folder: Path, /, *, json_output: Json = False) -> int:
    """Take back the last `redo`, `recut` or `import` of a faceset's landmarks.

    Args:
        folder: A faceset.
    """
    from counterface.faceset.alignments.change import undo as run

    found = run(folder)
    left = f", {found.left} were extracted anew since and stay" if found.left else ""
    more = f"; {counted(found.more, 'earlier change')} can be taken back" if found.more else ""
    line = f"{found.folder}: {counted(found.crops, 'crop')} as before '{found.work.does}'{left}"
    return output.tell(found, [line + more], json_output)


def import_(
    folder: Path, landmarks: Path, /, *, space: Space = "crop", json_output: Json = False
) -> int:
    """Give crops the landmarks in a file: JSON of this tool or of faceswap, or iBUG's .pts.

    Crops stay as they are cut. `faceset align undo` takes it back.

    Args:
        folder: A faceset.
        landmarks: A .json or .pts file, or a folder of .pts files named as the crops.
        space: What points in .pts files are pixels of.
    """
    from counterface.faceset.alignments.exchange import import_landmarks

    with output.progress("import") as report:
        found = import_landmarks(folder, landmarks, space, report)
    return output.tell(found, _changed_lines(found), json_output, failed=found.problems)


def export(
    folder: Path,
    out: Path,
    /,
    *,
    form: Annotated[Literal["json", "pts", "faceswap"], Parameter(name="--format")] = "json",
    space: Space = "crop",
    json_output: Json = False,
) -> int:
    """Write the landmarks of a faceset into one JSON file, or into a folder of .pts files.

    Args:
        folder: A faceset.
        out: The file, or with `--format pts` the folder; files of these names are replaced.
        form: JSON of this tool, iBUG's .pts, or the JSON that faceswap imports.
        space: What points in .pts files are pixels of.
    """
    from counterface.faceset.alignments.exchange import export_landmarks

    if form != "pts":
        output.require_place(out, "OUT")
    with output.progress("export") as report:
        found = export_landmarks(folder, out, form, space, report)
    lines = [*output.problem_lines(found.problems), f"{found.path}: {counted(found.faces, 'face')}"]
    return output.tell(found, lines, json_output, failed=found.problems)


def check(folder: Path, /, *, source: Sources, faces: int = 1, json_output: Json = False) -> int:
    """Check a faceset against its source: frames with no face, with many, with gaps.

    The exit code is 2 where a face is missing between two crops of it, or frames are unread.

    Args:
        folder: A faceset; nothing in it is changed.
        source: Files that the crops were cut from.
        faces: Crops that a frame is expected to have at most.
    """
    from counterface.faceset.alignments.check import check as run

    with output.progress("check") as report:
        found = run(folder, source, faces, report)
    return output.tell(found, _check_lines(found), json_output, failed=found.incomplete)


def draw(
    folder: Path,
    out: Path,
    /,
    *,
    config: Annotated[DrawConfig, Parameter(name="*")] = DrawConfig(),  # noqa: B008
    json_output: Json = False,
) -> int:
    """Draw landmarks, box and the head's axes on the crops, or on the frames of the source.

    Args:
        folder: A faceset; nothing in it is changed.
        out: A folder outside of it; pictures of these names are replaced.
    """
    from counterface.faceset.alignments.draw import draw as run

    with output.progress("draw") as report:
        found = run(folder, out, config, report)
    lines = [*output.problem_lines(found.problems), f"{out}: {counted(found.pictures, 'picture')}"]
    return output.tell(found, lines, json_output, failed=found.problems)


def _changed_lines(found: Changed) -> Iterator[str]:
    yield from output.problem_lines(found.problems)
    before = f", {found.before} before" if found.before else ""
    moved = ""
    if found.median_shift is not None and found.largest_shift is not None:
        moved = (
            f"; landmarks moved by {found.median_shift:.1%} of the eyes' distance (median), "
            f"{found.largest_shift:.1%} at most"
        )
    count = f"{found.changed} of {counted(found.crops, 'crop')} changed"
    yield f"{found.folder}: {count}{before}{moved}"
    if found.off_template:
        yield (
            f"{counted(found.off_template, 'crop no longer lies', 'crops no longer lie')} as the "
            f"template asks; 'counterface faceset align recut {found.folder}' cuts them anew"
        )


def _check_lines(found: AlignCheck) -> Iterator[str]:
    yield from output.problem_lines(found.problems)
    for one in found.sources:
        for span in one.spans[:_SHOWN]:
            frames = f"frames {span.first_frame} to {span.last_frame}"
            if span.first_frame == span.last_frame:
                frames = f"frame {span.first_frame}"
            times = f"{span.first_s:.2f} to {span.last_s:.2f} s"
            yield f"{span.kind:7}  {one.name}: {times}, {frames}: {_SAYS[span.kind]}"
        if len(one.spans) > _SHOWN:
            yield f"{'...':7}  {one.name}: {len(one.spans) - _SHOWN} more; --json has all"
        yield (
            f"{one.name}: {one.with_face} of {counted(one.looked_at, 'frame')} with a face; "
            f"{one.none} without, {one.many} with many, {one.gap} with a gap, {one.unread} unread"
        )
