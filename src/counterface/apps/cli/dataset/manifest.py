"""`counterface dataset index|info|split|balance`: from a folder to a manifest that can be used."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from counterface.apps.cli import output
from counterface.apps.cli.app import Json
from counterface.datasets.balance import BalanceConfig
from counterface.datasets.index import IndexConfig
from counterface.datasets.split import SplitConfig
from counterface.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from counterface.datasets.index import IndexSummary
    from counterface.datasets.inspect import DatasetInfo, Tally
    from counterface.datasets.split import SplitReport

SHOWN = 8  # lines of a kind before the rest is only counted


def index(
    layout: str,
    folder: Path,
    /,
    *,
    out: Path | None = None,
    settings: Annotated[tuple[str, ...], Parameter(name="--set")] = (),
    config: Annotated[IndexConfig, Parameter(name="*")] = IndexConfig(),  # noqa: B008
    json_output: Json = False,
) -> int:
    """Write the manifest of a data set on disk; run again to continue.

    Hashes are kept beside the manifest; only new or changed files are read again.

    Args:
        layout: Layout on disk: asvspoof, celeb_df, csv, deeper_forensics, deepfake_timit,
            deepfakebench, dfd, dfdc, dfdc_test, dfdcp, faceforensics, ffiw, two_folders, uadfv,
            vidtimit, or a plug-in's.
        folder: The data set, or for csv and deepfakebench also its one file.
        out: Manifest to write, .parquet or .csv; by default manifest.parquet in the folder.
        settings: Option of the layout, such as real=genuine; may be repeated.
    """
    from counterface.config import parse_settings
    from counterface.datasets.index import index_dataset

    place = folder.parent if folder.is_file() else folder
    manifest = out or place / "manifest.parquet"
    options = parse_settings(settings)
    with output.progress("index") as report:
        summary = index_dataset(layout, folder, manifest, config, options=options, progress=report)
    return output.tell(
        summary, _index_lines(manifest, summary), json_output, failed=summary.failures
    )


def _index_lines(manifest: Path, summary: IndexSummary) -> Iterator[str]:
    from counterface.datasets.inspect import describe
    from counterface.datasets.manifest import read_manifest

    yield from (f"failed   {failure.file}: {failure.reason}" for failure in summary.failures)
    yield (
        f"{manifest}: {counted(summary.entries, 'entry', 'entries')}; "
        f"{counted(summary.hashed, 'file')} read for their hash, {summary.reused} known, "
        f"{len(summary.failures)} failed"
    )
    yield from _info_lines(describe(read_manifest(manifest)), short=True)


def info(
    manifest: Path,
    /,
    *,
    look_alikes: Annotated[bool, Parameter(negative="")] = False,
    json_output: Json = False,
) -> int:
    """Count what a manifest holds; find leaks, duplicates and missing files.

    Args:
        manifest: Parquet or CSV.
        look_alikes: Decode every file and find pictures that look the same; takes long.
    """
    from counterface.datasets.inspect import describe
    from counterface.datasets.manifest import read_manifest

    with output.progress("info") as report:
        facts = describe(read_manifest(manifest), look_alikes=look_alikes, progress=report)
    failed = facts.missing or facts.unread
    return output.tell(facts, _info_lines(facts), json_output, failed=failed)


def split(
    manifest: Path,
    /,
    *,
    out: Path | None = None,
    config: Annotated[SplitConfig, Parameter(name="*")] = SplitConfig(),  # noqa: B008
    json_output: Json = False,
) -> int:
    """Split a manifest into train, val and test; no person or footage is in two of them.

    Args:
        manifest: Parquet or CSV.
        out: Manifest to write; by default the one that was read.
    """
    from counterface.datasets.manifest import read_manifest, update_manifest
    from counterface.datasets.split import split_entries

    entries, report = split_entries(read_manifest(manifest), config)
    update_manifest(entries, manifest, out)
    return output.tell(report, _split_lines(report), json_output)


def _split_lines(report: SplitReport) -> Iterator[str]:
    from counterface.datasets.manifest import SPLITS

    yield (
        f"{'label':6} {'method':20} {'train':>7} {'val':>7} {'test':>7} {'left out':>9} {'off':>6}"
    )
    for one in report.strata:
        counts = " ".join(f"{one.splits[name]:7d}" for name in SPLITS)
        yield f"{one.label:6} {one.method or '-':20} {counts} {one.left_out:9d} {one.off:6.1%}"
    shares = ", ".join(f"{name} {report.shares[name]:.1%}" for name in SPLITS)
    yield (
        f"{counted(report.entries, 'entry', 'entries')} in "
        f"{counted(report.groups, 'group')}, the largest of "
        f"{report.largest_group}: {shares}, {report.left_out} left out"
    )
    if report.leaks:
        yield f"{report.leaks} people or footage are in several of the splits that were kept"


def balance(
    manifest: Path,
    /,
    *,
    out: Path | None = None,
    config: Annotated[BalanceConfig, Parameter(name="*")] = BalanceConfig(),  # noqa: B008
    json_output: Json = False,
) -> int:
    """Draw more from the rarer label in training; validation and test stay as they are.

    Args:
        manifest: Parquet or CSV.
        out: Manifest to write; by default the one that was read.
    """
    from counterface.datasets.balance import balance_entries
    from counterface.datasets.manifest import read_manifest, update_manifest

    entries, report = balance_entries(read_manifest(manifest), config)
    update_manifest(entries, manifest, out)
    lines = (
        f"{label}: {counted(count, 'entry', 'entries')}, drawn {report.before[label]} times "
        f"before, {report.after[label]} now"
        for label, count in report.entries.items()
    )
    return output.tell(report, lines, json_output)


def _info_lines(facts: DatasetInfo, *, short: bool = False) -> Iterator[str]:
    """The facts in words; without the people if `short`."""
    ratio = f", {facts.fake / facts.real:.2f} fakes to a real" if facts.real else ""
    yield (
        f"{counted(facts.entries, 'entry', 'entries')}: {facts.real} real, {facts.fake} fake{ratio}"
    )
    if (facts.drawn_real, facts.drawn_fake) != (facts.real, facts.fake):
        yield f"with repeats, training draws {facts.drawn_real} real and {facts.drawn_fake} fake"
    for title, table in (
        ("split", facts.splits),
        ("method", facts.methods),
        ("generator", facts.generators),
        ("compression", facts.compressions),
        ("licence", facts.licences),
    ):
        if set(table) != {""}:
            yield from _table(title, table)
    yield (
        f"{counted(len(facts.identities), 'person', 'people')} "
        f"({counted(facts.without_identity, 'entry', 'entries')} without), "
        f"{facts.sources} sources, {facts.groups} linked groups, the largest of "
        f"{counted(facts.largest_group, 'entry', 'entries')}"
    )
    if not short:
        yield from _table("identity", facts.identities)
    yield from _problems(facts)


def _problems(facts: DatasetInfo) -> Iterator[str]:
    many = {"identity": 0, "source": 0}
    for leak in facts.leaks:
        many[leak.kind] += 1
        if many[leak.kind] <= SHOWN:
            where = ", ".join(f"{name} {count}" for name, count in leak.splits.items())
            yield f"leak      {leak.kind} {leak.name}: {where}"
    for same in facts.duplicates[:SHOWN]:
        wrong = " with both labels" if len(same.labels) > 1 else ""
        wrong += " across splits" if len(same.splits) > 1 else ""
        files = ", ".join(same.files[:3])
        yield f"same      {counted(len(same.files), 'file')}{wrong}: {files}"
    for pair in (facts.look_alikes or ())[:SHOWN]:
        across = " across splits" if pair.splits[0] != pair.splits[1] else ""
        yield f"alike     {pair.bits} of 256 bits apart{across}: {', '.join(pair.files)}"
    yield from (f"missing   {name}" for name in facts.missing[:SHOWN])
    yield from (f"unread    {file.file}: {file.reason}" for file in facts.unread[:SHOWN])
    alike = "not looked for" if facts.look_alikes is None else len(facts.look_alikes)
    yield (
        f"leaks: {many['identity']} people, {many['source']} sources; duplicates: "
        f"{len(facts.duplicates)} ({counted(facts.unhashed, 'entry', 'entries')} without "
        f"a hash); look-alikes: {alike}; "
        f"missing: {len(facts.missing)}"
    )


def _table(title: str, table: dict[str, Tally]) -> Iterator[str]:
    for name, count in list(table.items())[:SHOWN]:
        yield f"{title:12} {name or '-':24} {count.real:7d} real {count.fake:7d} fake"
    if len(table) > SHOWN:
        yield f"{title:12} and {len(table) - SHOWN} more"
