"""`counterface dataset faces`: the faces of a data set, cut once for all trainings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from counterface.apps.cli import output
from counterface.apps.cli.app import Json
from counterface.datasets.face_store import FaceStoreConfig
from counterface.wording import counted

if TYPE_CHECKING:
    from counterface.datasets.face_store import StoreSummary


def faces(
    manifest: Path,
    folder: Path,
    /,
    *,
    config: Annotated[FaceStoreConfig, Parameter(name="*")] = FaceStoreConfig(),  # noqa: B008
    redo: Annotated[bool, Parameter(negative="")] = False,
    json_output: Json = False,
) -> int:
    """Cut the faces of a manifest's files as a scan does; run again to continue.

    Spread frames are `--moments 10`, centred ones `--moments 1 --frames 10`, short clips
    `--moments 8 --frames 5`. A file whose content is in the folder already is not read again.

    Args:
        manifest: Parquet or CSV, see `counterface dataset index`.
        folder: Folder for the crops: a new one, or one to add to.
        redo: Try files again that failed, and cut anew what was cut with other settings.
    """
    from counterface.datasets.face_store import store_faces
    from counterface.datasets.manifest import read_manifest

    with output.progress("faces") as report:
        summary = store_faces(read_manifest(manifest), folder, config, redo=redo, progress=report)
    return output.tell(summary, _summary_lines(summary), json_output, failed=summary.failed)


def _summary_lines(summary: StoreSummary) -> Iterator[str]:
    yield from (f"failed   {file.error or file.path}" for file in summary.failed)
    count = Counter(file.status for file in summary.files)
    without = sum(f.clips == 0 for f in summary.files if f.status != "failed")
    yield (
        f"{counted(count['done'], 'file')} cut, {count['already']} were there, "
        f"{len(summary.failed)} failed, {without} without a face; "
        f"{counted(summary.crops, 'crop')} in {summary.folder}"
    )
