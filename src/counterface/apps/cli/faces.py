"""`counterface faces ...`: say who is to be seen in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from counterface.apps.cli import output
from counterface.apps.cli.output import Json
from counterface.swap.conversion.footage import LookConfig
from counterface.wording import counted

app = App(name="faces", help="Say who is to be seen in a file.")


@app.command(name="list")
def list_faces(
    clip: Path,
    /,
    *,
    config: Annotated[LookConfig, Parameter(name="*")] = LookConfig(),  # noqa: B008
    sheet: Path | None = None,
    json_output: Json = False,
) -> int:
    """List the people in a video or picture, with the numbers that `swap convert` takes.

    The numbers hold for a conversion with the same settings.

    Args:
        clip: A video or a picture.
        sheet: Write a picture of everybody here (.png or .jpg).
    """
    from counterface.swap.conversion.sheet import list_people

    with output.progress("faces") as report:
        seen = list_people(clip, config, sheet, report)
    if json_output:
        output.print_json(seen)
        return 0
    for person in seen.people:
        brief = "   brief: perhaps no face" if person.brief else ""
        print(
            f"person {person.number:3d}   {person.first_s:9.2f} to {person.last_s:9.2f} s   "
            f"{person.frames:6d} frames   {person.face_px:5.0f} px{brief}"
        )
    print(
        f"{output.printable(seen.file)}: {counted(len(seen.people), 'person', 'people')} "
        f"in {counted(seen.frames, 'frame')}"
    )
    return 0
