"""What `counterface swap convert` prints."""

from __future__ import annotations

from collections.abc import Iterator

from counterface.apps.cli.output import printable
from counterface.swap.conversion.settings import Converted, ConvertSummary
from counterface.wording import counted


def convert_lines(summary: ConvertSummary) -> Iterator[str]:
    """The lines for people."""
    for file in summary.files:
        name = printable(file.target)
        if file.status == "failed":
            first, *rest = (file.error or "").splitlines() or [""]
            yield f"failed   {name}: {printable(first)}"
            yield from (f"         {printable(line)}" for line in rest)
        elif file.status == "already":
            yield f"already  {name}: {printable(file.out)} was made with these settings"
        else:
            yield f"done     {name}: {_counts(file)}"
            yield from (f"         {line}" for line in _details(file))
    if summary.left_out:
        yield printable(summary.left_out)
    failed = f"; {len(summary.failed)} of {len(summary.files)} failed" if summary.failed else ""
    yield f"{printable(summary.out)}: signed, watermarked, recorded{failed}"


def _counts(file: Converted) -> str:
    people = ", ".join(str(number) for number in file.people)
    return f"person {people} replaced in {file.frames_swapped} of {counted(file.frames, 'frame')}"


def _details(file: Converted) -> Iterator[str]:
    if file.jitter_before is not None and file.jitter_after is not None:
        yield (
            f"jitter of the landmarks {100 * file.jitter_before:.2f} % of the face size before "
            f"smoothing, {100 * file.jitter_after:.2f} % after"
        )
    if file.flicker_before is not None and file.flicker_after is not None:
        yield (
            f"flicker of the faces {file.flicker_before:.2f} grey levels before steadying, "
            f"{file.flicker_after:.2f} after"
        )
    if file.filled:
        yield f"{counted(file.filled, 'face')} put in for moments in which none was found"
    if file.segments_kept:
        yield f"{file.segments_kept} of {file.segments} segments kept from an earlier run"
    yield from (f"note: {note}" for note in file.notes)
    if total := file.seconds.get("total"):
        parts = ", ".join(f"{k} {v:.1f}" for k, v in file.seconds.items() if k != "total")
        yield f"{total:.1f} s, {file.frames / total:.1f} frames/s; by phase, overlapping: {parts}"
