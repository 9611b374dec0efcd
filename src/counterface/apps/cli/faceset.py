"""`counterface faceset ...`: extract aligned faces from footage and look after them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from counterface.apps.cli import output
from counterface.config import merge_flags
from counterface.faceset.extract import ExtractConfig, ExtractSummary

app = App(name="faceset", help="Extract aligned faces from footage and look after them.")

Json = Annotated[bool, Parameter(name="--json", negative="", help="print one JSON object a line")]


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
        recipe: TOML file with these settings; flags win over it.
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
            print(f"already  {output.printable(source.path)}: {source.crops} crops")
        else:
            print(
                f"done     {output.printable(source.path)}: {source.crops} crops, "
                f"{source.frames_with_face} of {source.frames} frames show a face"
            )
    failed = f"; {len(summary.failed)} of {len(summary.sources)} files failed"
    print(f"{summary.folder}: {summary.crops} crops{failed if summary.failed else ''}")


@app.command
def info(folder: Path, /, *, json_output: Json = False) -> int:
    """Say what a faceset holds: crops by source, sizes, blur, pose, rights.

    Args:
        folder: A faceset.
    """
    facts = _facts(folder)
    if json_output:
        output.print_json(facts)
        return 0
    rights = facts["rights"]
    print(f"{folder}: {facts['crops']} crops, {facts['template']} {facts['size']} px")
    if rights:
        print(f"rights: {rights['basis']} of {rights['shown']} ({rights['reference']})")
    else:
        print(f"rights: none; add one with 'counterface faceset rights {folder}'")
    for key in ("face_px", "blur", "yaw", "pitch"):
        if facts[key]:
            low, middle, high = (facts[key][name] for name in ("p5", "median", "p95"))
            print(f"{key}: {low:.2f} to {high:.2f}, median {middle:.2f}")
    for source in facts["sources"]:
        state = "" if source["done"] else ", not finished"
        print(f"{source['crops']:7d}  {output.printable(source['name'])}{state}")
    if facts["without_row"]:
        print(f"{facts['without_row']} pictures have no row: 'counterface faceset adopt {folder}'")
    return 0


def _facts(folder: Path) -> dict[str, Any]:
    """What `info` tells, as plain values."""
    import numpy as np

    from counterface.faceset.store import Faceset

    faceset = Faceset.open(folder, allow_strays=True)
    header, rows = faceset.header, faceset.rows
    crops = Counter(row.source_sha256 for row in rows)
    names = {row.source_sha256: row.source for row in rows}
    names.update({s.sha256: s.name for s in header.sources})
    unfinished = {s.sha256 for s in header.sources if not s.done}

    def spread(values: list[float]) -> dict[str, float] | None:
        if not values:
            return None
        low, middle, high = np.percentile(values, [5, 50, 95])
        return {"p5": float(low), "median": float(middle), "p95": float(high)}

    return {
        "folder": str(folder),
        "format": header.format,
        "tool": header.tool,
        "template": header.template,
        "size": header.size,
        "rights": header.rights,
        "crops": len(rows),
        "deleted": faceset.gone,
        "without_row": len(faceset.strays),
        "face_px": spread([float((row.box[2:] - row.box[:2]).min()) for row in rows]),
        "blur": spread([row.blur for row in rows]),
        "yaw": spread([row.pose.yaw for row in rows if row.pose]),
        "pitch": spread([row.pose.pitch for row in rows if row.pose]),
        "sources": [
            {"name": name, "sha256": sha, "crops": crops[sha], "done": sha not in unfinished}
            for sha, name in names.items()
        ],
    }


@app.command
def verify(folder: Path, /, *, json_output: Json = False) -> int:
    """Look at every crop and record: readable, of the right size, aligned, none without a row.

    Args:
        folder: A faceset; nothing in it is changed.
    """
    from counterface.faceset.verify import verify as run

    with output.progress("verify") as report:
        found = run(folder, report)
    if json_output:
        output.print_json(found)
    else:
        for problem in found.problems:
            print(f"problem  {output.printable(problem.file)}: {output.printable(problem.reason)}")
        for note in found.notes:
            print(f"note     {output.printable(note)}")
        print(f"{folder}: {found.crops} crops, {len(found.problems)} problems")
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
        print(f"{folder}: {len(outcome.adopted)} adopted, {len(outcome.refused)} refused")
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
        shown: Who is shown: a name, or how the data set describes its people.
        basis: Consent of the person, licence of the footage, public research data, or synthetic.
        reference: Where the basis is written down: a release form, licence text or address.
    """
    from pydantic import ValidationError

    from counterface.config import describe_error
    from counterface.errors import ConfigError
    from counterface.faceset.header import Rights
    from counterface.faceset.store import set_rights

    try:
        record = Rights(shown=shown, basis=basis, reference=reference)
    except ValidationError as error:
        raise ConfigError(describe_error(error, Rights)) from error
    faceset = set_rights(folder, record)
    if json_output:
        output.print_json(faceset.header)
    else:
        print(f"{folder}: {record.basis} of {record.shown}, for {len(faceset)} crops")
    return 0
