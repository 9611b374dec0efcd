"""`counterface faceset ...`: extract aligned faces from footage and look after them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from counterface.apps.cli import output
from counterface.apps.cli.app import Json
from counterface.config import merge_flags
from counterface.faceset.extract import ExtractConfig, ExtractSummary
from counterface.wording import counted

if TYPE_CHECKING:
    from counterface.faceset.adopt import Adoption
    from counterface.faceset.inspect import FacesetInfo, Verification


def extract(
    source: Path,
    out: Path,
    /,
    *,
    config: Annotated[ExtractConfig, Parameter(name="*")] = ExtractConfig(),  # noqa: B008
    recipe: Annotated[Path | None, Parameter(name="--config")] = None,
    redo: Annotated[bool, Parameter(negative="")] = False,
    debug_dir: Path | None = None,
    sheet: Path | None = None,
    json_output: Json = False,
) -> int:
    """Write the faces of a video, picture or folder into a faceset; run again to continue.

    Args:
        source: A video, a picture, or a folder of both.
        out: A faceset to add to, or an empty folder.
        recipe: TOML file with these settings; flags override it.
        redo: Extract again what is done, or was begun with other settings.
        debug_dir: Write frames in which a face was found here, with boxes and landmarks drawn in.
        sheet: Draw up to 60 crops of the faceset here (.png or .jpg), with time and size of face.
    """
    from counterface.faceset.extract import extract as run

    config = merge_flags(recipe, config)
    if sheet is not None:
        output.require_place(sheet, "--sheet")
    with output.progress("extract") as report:
        summary = run(
            source, out, config, redo=redo, debug_dir=debug_dir, sheet=sheet, progress=report
        )
    return output.tell(summary, _summary_lines(summary), json_output, failed=summary.incomplete)


def _summary_lines(summary: ExtractSummary) -> Iterator[str]:
    for source in summary.sources:
        if source.error:
            yield f"failed   {source.path}: {source.error}"
        elif source.status == "already":
            yield f"already  {source.path}: {counted(source.crops, 'crop')}"
        else:
            yield (
                f"done     {source.path}: {counted(source.crops, 'crop')}, "
                f"{source.frames_with_face} of {counted(source.frames, 'frame')} with a face"
            )
        yield from (f"         note: {note}" for note in source.notes)
    failed = f"; {len(summary.failed)} of {counted(len(summary.sources), 'file')} failed"
    yield f"{summary.folder}: {counted(summary.crops, 'crop')}{failed if summary.failed else ''}"
    if summary.masks is not None:
        yield from (f"no mask  {one.file}: {one.reason}" for one in summary.masks.problems)
        yield f"masks: {summary.masks.masks} made, {summary.masks.kept} kept"
    if summary.sheet:
        yield f"sheet: {summary.sheet}"


def info(folder: Path, /, *, coverage: Path | None = None, json_output: Json = False) -> int:
    """Describe a faceset: crops by source, sizes, blur, pose, rights, and what is missing in it.

    Args:
        folder: A faceset.
        coverage: Draw maps of poses and of mouths here (.png or .jpg), with what is missing.
    """
    from counterface.faceset.coverage import draw_coverage
    from counterface.faceset.inspect import describe
    from counterface.media.image import write_image

    if coverage is not None:
        output.require_place(coverage, "--coverage")
    facts = describe(folder)
    if coverage is not None:
        write_image(coverage, draw_coverage(facts.coverage))
    return output.tell(facts, _info_lines(folder, facts), json_output)


def _info_lines(folder: Path, facts: FacesetInfo) -> Iterator[str]:
    yield f"{folder}: {counted(facts.crops, 'crop')}, {facts.template} {facts.size} px"
    if facts.rights:
        yield f"rights: {facts.rights.basis} of {facts.rights.shown} ({facts.rights.reference})"
    else:
        yield f"rights: none; 'counterface faceset rights {folder} --help' says how to add one"
    for name in ("face_px", "blur", "outside", "yaw", "pitch"):
        if spread := getattr(facts, name):
            yield f"{name}: {spread.p5:.2f} to {spread.p95:.2f}, median {spread.median:.2f}"
    yield from (f"missing: {text}" for text in facts.coverage.warnings)
    for source in facts.sources:
        state = "" if source.done else ", not read to its end"
        yield f"{source.crops:7d}  {source.name}{state}"
    if facts.without_row:
        pictures = counted(facts.without_row, "picture has", "pictures have")
        yield f"{pictures} no row: 'counterface faceset adopt {folder}'"


def verify(folder: Path, /, *, json_output: Json = False) -> int:
    """Check every crop and record: readable, of the right size, aligned, none without a row.

    Args:
        folder: A faceset; nothing in it is changed.
    """
    from counterface.faceset.inspect import verify as run

    with output.progress("verify") as report:
        found = run(folder, report)
    return output.tell(found, _verify_lines(folder, found), json_output, failed=found.problems)


def _verify_lines(folder: Path, found: Verification) -> Iterator[str]:
    yield from output.problem_lines(found.problems)
    yield from (f"note     {note}" for note in found.notes)
    yield f"{folder}: {counted(found.crops, 'crop')}, {counted(len(found.problems), 'problem')}"


def adopt(folder: Path, /, *, json_output: Json = False) -> int:
    """Adopt pictures that were put into a faceset's folder: find their faces, add their rows.

    Args:
        folder: A faceset.
    """
    from counterface.faceset.adopt import adopt as run

    with output.progress("adopt") as report:
        outcome = run(folder, report)
    return output.tell(outcome, _adopt_lines(folder, outcome), json_output, failed=outcome.refused)


def _adopt_lines(folder: Path, outcome: Adoption) -> Iterator[str]:
    yield from (f"refused  {problem.file}: {problem.reason}" for problem in outcome.refused)
    yield f"{folder}: {len(outcome.adopted)} adopted, {len(outcome.refused)} refused"


def rights(
    folder: Path,
    /,
    *,
    shown: str,
    basis: Literal["consent", "licence", "research", "synthetic"],
    reference: str,
    json_output: Json = False,
) -> int:
    """Write down who is shown in a faceset and why it may be used; replaces an older record.

    Args:
        folder: A faceset; the record is for all its crops.
        shown: Person who is shown: a name, or how the data set describes its people.
        basis: Consent of the person, licence of the footage, public research data, or synthetic.
        reference: Document that states the basis: a release form, licence text or address.
    """
    from counterface.config import validate
    from counterface.faceset.store import set_rights
    from counterface.provenance.rights import Rights

    said = {"shown": shown, "basis": basis, "reference": reference}
    record = validate(Rights, said, "rights")
    faceset = set_rights(folder, record)
    line = f"{folder}: {record.basis} of {record.shown}, for {counted(len(faceset), 'crop')}"
    return output.tell(faceset.header, [line], json_output)
