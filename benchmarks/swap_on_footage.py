"""Trains small swap models on real footage, converts, and prints the report cards.

    python benchmarks/swap_on_footage.py [--runs df,heads,original,gan,many] [--train-only]

Reads GRID speakers in ../shared/data/av_grid (Cooke et al. 2006, CC BY 4.0; 75 frames each) and,
for the run `heads`, two unnamed performers in ../shared/data/clips_talking_heads. Recipes are in
benchmarks/footage. Faces, models and results stay in runs/footage, which git ignores; only numbers
are printed. Run again to continue where it was stopped.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import NamedTuple

from counterface.faceset.extract import ExtractConfig, extract
from counterface.provenance.rights import Rights
from counterface.report.report_card import card_lines
from counterface.swap.quality import QualityConfig, measure_quality

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT.parent / "shared" / "data"
OUT = ROOT / "runs" / "footage"
RECIPES = ROOT / "benchmarks" / "footage"


def rights_of(clip: Path) -> Rights:
    """Why it may be used here."""
    return Rights(
        shown="GRID speaker" if clip.parent.name == "av_grid" else "unnamed performer",
        basis="research",
        reference="research test data, not for publication",
    )


class Plan(NamedTuple):
    """One run."""

    recipe: str
    steps: int
    source: Path
    target: Path
    others: tuple[Path, ...] = ()  # for the model of many people
    color_transfer: str = "none"  # of the source's faces toward the target's light


def grid(name: str) -> Path:
    """A clip of the corpus."""
    return DATA / "av_grid" / f"{name}.mpg"


PAIR = grid("brbk7n"), grid("lbbc2a")  # alike in pose, light and background
HEADS = [DATA / "clips_talking_heads" / f"liveportrait_{name}.mp4" for name in ("s18", "s20")]
PLANS = {
    "df": Plan("df", 1500, *PAIR),
    "original": Plan("original", 400, *PAIR),
    "gan": Plan("gan", 300, *PAIR),
    "many": Plan("many", 900, *PAIR, (grid("bbaf2n"), grid("lbax4n"), grid("lrwp9a"))),
    "heads": Plan("df", 1400, *HEADS, color_transfer="rct"),
}


def faceset_of(clip: Path) -> Path:
    """The faces of one clip, extracted once."""
    folder = OUT / "faces" / clip.stem
    config = ExtractConfig.model_validate(
        {"template": "whole_face", "size": 256, "rights": rights_of(clip)}
    )
    extract(clip, folder, config)
    return folder


def train(name: str, plan: Plan) -> Path:
    """The folder of the finished run."""
    from counterface.config import read_config
    from counterface.swap.training.train import SwapTrainConfig, train_swap

    out = OUT / name
    config = read_config(SwapTrainConfig, RECIPES / f"{plan.recipe}.toml")
    source, target = (faceset_of(plan.source),), (faceset_of(plan.target),)
    loop = config.loop.model_copy(update={"steps": plan.steps})
    examples = config.examples.model_copy(update={"color_transfer": plan.color_transfer})
    given: dict[str, object] = {"source": source, "target": target}
    if plan.others:
        people = {"source": source, "target": target}
        given = {"identities": people | {c.stem: (faceset_of(c),) for c in plan.others}}
    start = time.monotonic()
    result = train_swap(
        config.model_copy(update={**given, "out": out, "loop": loop, "examples": examples})
    )
    minutes = (time.monotonic() - start) / 60
    print(f"{name}: {result.stopped} at step {result.step}, {minutes:.1f} minutes now", flush=True)
    return out


def measure(name: str, plan: Plan, run: Path) -> None:
    """Print the report card of the target's conversion."""
    from counterface.swap.conversion.convert import convert
    from counterface.swap.conversion.settings import ConvertConfig

    out = OUT / f"{name}.mp4"
    identity = "source" if plan.others else None
    settings = ConvertConfig(rights=rights_of(plan.target), identity=identity)
    convert(run, plan.target, out, settings, redo=True)
    config = QualityConfig(identity_every=4)
    card = measure_quality(out, plan.target, faceset_of(plan.source), config)
    (OUT / f"{name}.card.json").write_text(card.model_dump_json(indent=1), encoding="utf-8")
    for line in card_lines(card):
        print(f"  {line.label:36} {line.value:>12}   {line.spread}", flush=True)


def main() -> None:
    """Train, convert and measure each model that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", default=",".join(PLANS))
    parser.add_argument("--train-only", action="store_true")
    arguments = parser.parse_args()
    if not DATA.is_dir():
        print(f"skipped: the private clips are not at {DATA}")
        return
    for name in arguments.runs.split(","):
        run = train(name, PLANS[name])
        if not arguments.train_only:
            measure(name, PLANS[name], run)


if __name__ == "__main__":
    main()
