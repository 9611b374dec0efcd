"""`counterface faceset ...`: extract aligned faces from footage and look after them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from counterface.apps.cli import output
from counterface.apps.cli.output import Json
from counterface.config import merge_flags
from counterface.faceset.extract import ExtractConfig, ExtractSummary
from counterface.wording import counted

app = App(name="faceset", help="Extract aligned faces from footage and look after them.")


@app.command
def extract(
    source: Path,
    out: Path,
    /,
    *,
    config: Annotated[ExtractConfig, Parameter(name="*")] = ExtractConfig(),  # noqa: B008
    recipe: Annotated[Path | None, Parameter(name="--config")] = None,
    redo: Annotated[bool, Parameter(negative="")] = False,
    json_output: Json = False,
) -> int:
    """Write the faces of a video, picture or folder into a faceset; run again to continue.

    Args:
        source: A video, a picture, or a folder of both.
        out: A faceset to add to, or an empty folder.
        recipe: TOML file with these settings; flags override it.
        redo: Extract again what is done, or was begun with other settings.
    """
    from counterface.faceset.extract import extract as run

    config = merge_flags(recipe, config)
    with output.progress("extract") as report:
        summary = run(source, out, config, redo=redo, progress=report)
    if json_output:
        output.print_json(summary)
    else:
        _print_summary(summary)
    return 2 if summary.failed else 0


def _print_summary(summary: ExtractSummary) -> None:
    for source in summary.sources:
        if source.error:
            print(f"failed   {output.printable(source.path)}: {output.printable(source.error)}")
        elif source.status == "already":
            print(f"already  {output.printable(source.path)}: {counted(source.crops, 'crop')}")
        else:
            print(
                f"done     {output.printable(source.path)}: {counted(source.crops, 'crop')}, "
                f"{source.frames_with_face} of {counted(source.frames, 'frame')} with a face"
            )
        for note in source.notes:
            print(f"         note: {output.printable(note)}")
    failed = f"; {len(summary.failed)} of {counted(len(summary.sources), 'file')} failed"
    name = output.printable(summary.folder)
    print(f"{name}: {counted(summary.crops, 'crop')}{failed if summary.failed else ''}")


@app.command
def info(folder: Path, /, *, json_output: Json = False) -> int:
    """Say what a faceset holds: crops by source, sizes, blur, pose, rights.

    Args:
        folder: A faceset.
    """
    from counterface.faceset.inspect import describe

    facts = describe(folder)
    if json_output:
        output.print_json(facts)
        return 0
    place = output.printable(str(folder))
    print(f"{place}: {counted(facts.crops, 'crop')}, {facts.template} {facts.size} px")
    if facts.rights:
        why = f"{facts.rights.basis} of {facts.rights.shown} ({facts.rights.reference})"
        print(f"rights: {output.printable(why)}")
    else:
        print(f"rights: none; 'counterface faceset rights {place} --help' says how to add one")
    for name in ("face_px", "blur", "outside", "yaw", "pitch"):
        if spread := getattr(facts, name):
            print(f"{name}: {spread.p5:.2f} to {spread.p95:.2f}, median {spread.median:.2f}")
    for source in facts.sources:
        state = "" if source.done else ", not read to its end"
        print(f"{source.crops:7d}  {output.printable(source.name)}{state}")
    if facts.without_row:
        print(
            f"{counted(facts.without_row, 'picture has', 'pictures have')} no row: "
            f"'counterface faceset adopt {place}'"
        )
    return 0


@app.command
def verify(folder: Path, /, *, json_output: Json = False) -> int:
    """Look at every crop and record: readable, of the right size, aligned, none without a row.

    Args:
        folder: A faceset; nothing in it is changed.
    """
    from counterface.faceset.inspect import verify as run

    with output.progress("verify") as report:
        found = run(folder, report)
    if json_output:
        output.print_json(found)
    else:
        for problem in found.problems:
            print(f"problem  {output.printable(problem.file)}: {output.printable(problem.reason)}")
        for note in found.notes:
            print(f"note     {output.printable(note)}")
        name = output.printable(str(folder))
        print(f"{name}: {counted(found.crops, 'crop')}, {counted(len(found.problems), 'problem')}")
    return 2 if found.problems else 0


@app.command
def adopt(folder: Path, /, *, json_output: Json = False) -> int:
    """Take in pictures that were put into a faceset's folder: find their faces, add their rows.

    Args:
        folder: A faceset.
    """
    from counterface.faceset.adopt import adopt as run

    with output.progress("adopt") as report:
        outcome = run(folder, report)
    if json_output:
        output.print_json(outcome)
    else:
        for problem in outcome.refused:
            print(f"refused  {output.printable(problem.file)}: {output.printable(problem.reason)}")
        name = output.printable(str(folder))
        print(f"{name}: {len(outcome.adopted)} adopted, {len(outcome.refused)} refused")
    return 2 if outcome.refused else 0


@app.command
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
    if json_output:
        output.print_json(faceset.header)
    else:
        name, shown = output.printable(str(folder)), output.printable(record.shown)
        print(f"{name}: {record.basis} of {shown}, for {counted(len(faceset), 'crop')}")
    return 0
