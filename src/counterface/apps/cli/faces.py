"""`counterface faces ...`: list the people in a video or picture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from counterface.apps.cli import output
from counterface.apps.cli.app import Json
from counterface.swap.conversion.footage import LookConfig
from counterface.wording import counted

if TYPE_CHECKING:
    from counterface.swap.conversion.sheet import PeopleSeen


def list_(
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
    return output.tell(seen, _people_lines(seen), json_output)


def _people_lines(seen: PeopleSeen) -> Iterator[str]:
    for person in seen.people:
        brief = "   brief: perhaps no face" if person.brief else ""
        yield (
            f"person {person.number:3d}   {person.first_s:9.2f} to {person.last_s:9.2f} s   "
            f"{person.frames:6d} frames   {person.face_px:5.0f} px{brief}"
        )
    people = counted(len(seen.people), "person", "people")
    yield f"{seen.file}: {people} in {counted(seen.frames, 'frame')}"
