"""`counterface dataset build`: swaps of people's own clips, as a data set."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from counterface.apps.cli import output
from counterface.apps.cli.app import Json
from counterface.config import read_config_with, require_toml
from counterface.errors import ConfigError
from counterface.wording import counted

if TYPE_CHECKING:
    from counterface.builds.build import BuildSummary
    from counterface.builds.estimate import Estimate
    from counterface.builds.plan import BuildConfig
    from counterface.builds.rank import Likeness

Flag = Annotated[bool, Parameter(negative="")]


def build(
    recipe: Path,
    /,
    *,
    out: Path | None = None,
    methods: Annotated[tuple[Path, ...], Parameter(negative="", consume_multiple=True)] = (),
    crf: Annotated[tuple[float, ...], Parameter(negative="", consume_multiple=True)] = (),
    steps: int | None = None,
    estimate: Flag = False,
    rank: Flag = False,
    self_blended: Flag = False,
    twins: Flag = False,
    yes: Flag = False,
    json_output: Json = False,
) -> int:
    """Build a data set of genuine clips and of swaps between people; run again to continue.

    It first tries each kind of work for a moment, and says how long all of it will take.

    Args:
        recipe: TOML file, see `recipes/pairs.toml`.
        out: Folder of the data set, instead of the recipe's.
        methods: Recipes of swap models, spread over the pairs, instead of the recipe's.
        crf: x264 qualities, spread over the pairs, instead of the recipe's.
        steps: Training steps of every model, instead of the recipe's.
        estimate: Only say how long it will take.
        rank: Only say who resembles whom; faces are extracted for it.
        self_blended: Read the recipe as one of pictures: real faces and pseudo-fakes made of them,
            without any swap model; see `recipes/blended.toml`.
        twins: Read the recipe as one of twins: genuine pictures and fakes minted from them by a
            bank of decoders; see `recipes/twins.toml`.
        yes: Start at once: measure nothing, ask nothing.
    """
    require_toml(recipe)
    if self_blended or twins:
        name = "--twins" if twins else "--self-blended"
        if methods or crf or steps or estimate or rank or (self_blended and twins):
            raise ConfigError(f"{name} trains no model: it goes with --out, --yes and --json alone")
        only = _build_twins if twins else _build_blended
        return only(recipe, out, json_output)
    from counterface.builds.build import build as run
    from counterface.builds.build import estimate_build, rank_people
    from counterface.builds.plan import BuildConfig

    values: dict[str, Any] = {"out": out and str(out), "methods": [str(m) for m in methods]}
    values |= {"crf": list(crf), "steps": steps}
    config = read_config_with(BuildConfig, recipe, {k: v for k, v in values.items() if v})
    if rank:
        with output.progress("rank") as report:
            ranked = rank_people(config, report)
        return output.tell(ranked, _rank_lines(ranked), json_output)
    if estimate or not yes:
        with output.progress("estimate") as report:
            expected = estimate_build(config, report)
        lines = _estimate_lines(expected, config)
        if estimate:
            facts = {**expected.model_dump(mode="json"), "seconds": expected.seconds}
            return output.tell(facts, lines, json_output)
        for line in lines:
            print(output.printable(line), file=sys.stderr)
        if sys.stdin.isatty() and sys.stderr.isatty() and not _agreed():
            return 0
    with output.progress("build") as report:
        summary = run(config, progress=report)
    return output.tell(summary, _summary_lines(summary), json_output, failed=summary.failed)


def _build_blended(recipe: Path, out: Path | None, json_output: bool) -> int:
    from counterface.builds.blended import BlendConfig, BlendSummary, build_blended

    def lines(summary: BlendSummary) -> Iterator[str]:
        yield from (f"failed   {text}" for text in summary.failed)
        yield (
            f"{summary.manifest}: {summary.real} real pictures, {summary.fake} pseudo-fakes made "
            f"from them, {summary.made} of them now; signed and recorded"
        )

    config = read_config_with(BlendConfig, recipe, {"out": str(out)} if out else {})
    with output.progress("build") as report:
        summary = build_blended(config, progress=report)
    return output.tell(summary, lines(summary), json_output, failed=summary.failed)


def _build_twins(recipe: Path, out: Path | None, json_output: bool) -> int:
    from counterface.builds.twins import TwinsConfig, TwinsSummary, build_twins

    def lines(summary: TwinsSummary) -> Iterator[str]:
        yield from (f"failed   {text}" for text in summary.failed)
        for family, figures in summary.guard.items():
            yield (
                f"{family:14}{figures.pairs:6} pairs; fake minus twin, log sharpness "
                f"{figures.mean:+.3f}, {figures.softer:.0%} softer"
            )
        yield (
            f"{summary.manifest}: {summary.pairs} pairs, {summary.made} of them now, "
            f"{summary.dropped} dropped by the guard; fakes signed and recorded"
        )

    config = read_config_with(TwinsConfig, recipe, {"out": str(out)} if out else {})
    with output.progress("build") as report:
        summary = build_twins(config, progress=report)
    return output.tell(summary, lines(summary), json_output, failed=summary.failed)


def _agreed() -> bool:
    print("start? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _estimate_lines(estimate: Estimate, config: BuildConfig) -> Iterator[str]:
    from counterface.builds.plan import describe_spread

    if note := describe_spread(estimate.pairs, config):
        yield f"note     {note}"
    for work in estimate.work:
        each = f"{1000 * work.each_s:.0f} ms each"
        yield f"{_time(work.seconds):>9}  {work.what}: {work.count} {work.unit}, {each}"
    yield (
        f"{_time(estimate.seconds):>9}  in all, for {estimate.videos} videos of "
        f"{counted(estimate.pairs, 'pair')}; it can be interrupted and continued at any time"
    )


def _rank_lines(ranked: Sequence[Likeness]) -> Iterator[str]:
    yield "total   shape   skin   pose   pair"
    for one in ranked:
        numbers = f"{one.total:5.2f}  {one.shape:6.3f}  {one.skin:5.1f}  {one.pose:5.1f}"
        yield f"{numbers}   {one.source}, {one.target}"
    yield "smaller is more alike; shape in eye distances, skin in delta E, pose in degrees"


def _summary_lines(summary: BuildSummary) -> Iterator[str]:
    if summary.note:
        yield f"note     {summary.note}"
    yield from (f"failed   {failure.file}: {failure.error}" for failure in summary.failed)
    yield (
        f"{summary.manifest}: {summary.real} genuine clips, {summary.fake} swaps of "
        f"{counted(summary.pairs, 'pair')}, all swaps signed and recorded"
    )


def _time(seconds: float) -> str:
    """A duration in words: 1 h 05 min, 12 min, 40 s."""
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"
