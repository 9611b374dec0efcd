"""`counterface cluster ...`: a manifest of many files on many machines, by Ray."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from counterface.apps.cli import output
from counterface.apps.cli.app import Json
from counterface.apps.cluster.run import ClusterConfig, describe_pace
from counterface.config import merge_flags
from counterface.detect.scanning.scan import ScanConfig
from counterface.faceset.extract import ExtractConfig
from counterface.wording import counted, spoken

if TYPE_CHECKING:
    from counterface.apps.cluster.summary import RunStatus, RunSummary

_BAR = 40  # characters of the longest bar of a histogram


def scan(
    manifest: str,
    out: Path,
    /,
    *,
    cluster: Annotated[ClusterConfig, Parameter(name="*")] = ClusterConfig(),  # noqa: B008
    config: Annotated[ScanConfig, Parameter(name="*")] = ScanConfig(),  # noqa: B008
    json_output: Json = False,
) -> int:
    """Scan every file of a manifest by many processes; run again to continue.

    Each row of the manifest becomes one row of OUT/results, a Parquet file for each shard: the
    report as JSON, or an error with its kind and reason. Exit code 2: some files failed.

    Args:
        manifest: A .csv or .parquet that names files, or a folder; a path, or an address as s3://.
        out: Folder of the run, empty or absent at first.
    """
    from counterface.apps.cluster.run import scan_manifest

    with output.progress("scan") as progress:
        found = scan_manifest(manifest, out, config, cluster, progress)
    return output.tell(found, _summary_lines(found), json_output, failed=found.failed)


def extract(
    manifest: str,
    out: Path,
    /,
    *,
    cluster: Annotated[ClusterConfig, Parameter(name="*")] = ClusterConfig(),  # noqa: B008
    config: Annotated[ExtractConfig, Parameter(name="*")] = ExtractConfig(),  # noqa: B008
    recipe: Annotated[Path | None, Parameter(name="--config")] = None,
    json_output: Json = False,
) -> int:
    """Extract the faces of every file of a manifest by many processes; run again to continue.

    Each file becomes a faceset of its own below OUT/facesets, and one row of OUT/results;
    'counterface faceset merge' joins facesets. Exit code 2: some files failed.

    Args:
        manifest: A .csv or .parquet that names files, or a folder; a path, or an address as s3://.
        out: Folder of the run, empty or absent at first; all machines must see it.
        recipe: TOML file with the settings of the extraction; flags override it.
    """
    from counterface.apps.cluster.run import extract_manifest

    config = merge_flags(recipe, config)
    with output.progress("extract") as progress:
        found = extract_manifest(manifest, out, config, cluster, progress)
    return output.tell(found, _summary_lines(found), json_output, failed=found.failed)


def status(out: Path, /, *, json_output: Json = False) -> int:
    """Tell how far a run is, how fast, and how long the rest takes.

    Args:
        out: Folder of a run, at work or not.
    """
    from counterface.apps.cluster.run_folder import read_run
    from counterface.apps.cluster.summary import find_status

    found = find_status(read_run(out))
    return output.tell(found, _status_lines(found), json_output)


def summary(out: Path, /, *, html: Path | None = None, json_output: Json = False) -> int:
    """Count what a run has found: verdicts, scores, crops, slowest files, errors by kind.

    Args:
        out: Folder of a run, at work or not.
        html: Write one self-contained page here.
    """
    from counterface.apps.cluster.run_folder import read_run
    from counterface.apps.cluster.summary import summarize

    if html is not None:
        output.require_place(html, "--html")
    found = summarize(read_run(out))
    if html is not None:
        from counterface.report.run_page import write_run_page

        write_run_page(html, found.model_dump(mode="json"))
    lines = [*_summary_lines(found), *([f"Page: {html}"] if html else [])]
    return output.tell(found, lines, json_output)


def _status_lines(found: RunStatus) -> Iterator[str]:
    share = found.rows_done / found.rows
    state = "at work" if found.running else "done" if share == 1 else "not at work"
    yield f"{found.folder}: {found.job} of {found.manifest}, {state}"
    yield (
        f"{found.rows_done} of {counted(found.rows, 'file')} ({share:.1%}), "
        f"{found.shards_done} of {counted(found.shards, 'shard')}"
    )
    if found.rate_per_s and share < 1:
        yield describe_pace(found.rate_per_s, found.rows - found.rows_done)


def _summary_lines(found: RunSummary) -> Iterator[str]:
    yield from _status_lines(found.status)
    yield f"{found.done} done, {found.failed} failed"
    if found.tried_again:
        yield f"{counted(found.tried_again, 'file')} done at the second try: a worker died"
    for verdict, files in found.verdicts.items():
        yield f"{files:8d}  {spoken(verdict)}"
    if any(found.scores):
        yield "Scores:"
        yield from _histogram(found.scores)
    if found.crops is not None:
        yield f"{counted(found.crops, 'crop')}; {found.without_crops} of the files have none"
    if found.slowest:
        yield "Slowest:"
        yield from (f"{slow.seconds:7.1f} s  {slow.path}" for slow in found.slowest[:5])
    for error in found.errors:
        yield f"Errors, {spoken(error.kind)}: {error.files}"
        yield from (f"    {example}" for example in error.examples)


def _histogram(scores: tuple[int, ...]) -> Iterator[str]:
    """A line for each bin with files."""
    for number, files in enumerate(scores):
        low, bar = number / len(scores), "#" * -(-_BAR * files // max(scores))
        if files:
            yield f"  {low:.2f} to {low + 1 / len(scores):.2f} {files:8d} {bar}"
