"""`counterface detect families`: teach a detector file which family of methods made a face."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from counterface.apps.cli import output
from counterface.apps.cli.app import Json

if TYPE_CHECKING:
    from counterface.detect.attribute import Families


def families(
    detector: Path,
    manifest: Path,
    /,
    *,
    frames: int = 8,
    json_output: Json = False,
) -> int:
    """Fit the head that names the family of methods of a fake, or says unknown; minutes on a CPU.

    The manifest's column `method` names the families, `generator` the programs; genuine files are
    needed too. What is printed was measured on files that were held back.

    Args:
        detector: ONNX file with the output `features`; a head is added to it, or replaced.
        manifest: Parquet or CSV, five files of each family at least.
        frames: Frames of each video.
    """
    from counterface.datasets.manifest import read_manifest
    from counterface.detect.training.families import FamilyConfig, add_families

    failures: list[str] = []
    with output.progress("families") as report:
        found = add_families(
            detector,
            read_manifest(manifest),
            FamilyConfig(frames=frames),
            progress=report,
            failed=lambda entry, why: failures.append(why),
        )
    lines = _lines(found, failures)
    return output.tell(found, lines, json_output, failed=failures)


def _lines(found: Families, failures: Sequence[str]) -> Iterator[str]:
    yield from (f"failed   {why}" for why in failures)
    for member in found.members:
        shown = ", ".join(member.generators) or "-"
        yield f"{member.name:24} {member.files:6} files   {shown}"
    yield f"held-back fakes: {found.right:.0%} named rightly, {found.wrong:.0%} wrongly"
    if found.foreign_unknown is not None:
        yield f"of a family that was left out: {found.foreign_unknown:.0%} called unknown"
