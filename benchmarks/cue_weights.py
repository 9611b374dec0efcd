"""The weights of cues in the package: each benchmark replaces its own, with their card."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from counterface.detect.cues.weight import CueWeight

PATH = Path(__file__).resolve().parents[1] / "src/counterface/detect/data/cues.json"


def replace_weights(
    group: str, card: dict[str, str], weights: Sequence[CueWeight], path: Path = PATH
) -> None:
    """Write the weights and the card of one group of cues; those of the others stay.

    Weights that a group had and has no more, by the names on its card, are dropped.
    """
    kept = json.loads(path.read_text(encoding="utf-8"))
    names = [weight.name for weight in weights]
    old = kept["cards"].get(group, {}).get("cues", [])
    cards = {**kept["cards"], group: {**card, "cues": names}}
    others = [cue for cue in kept["cues"] if cue["name"] not in {*old, *names}]
    cues = [*others, *(weight.model_dump(mode="json") for weight in weights)]
    cues.sort(key=lambda cue: str(cue["name"]))
    _write(path, {**kept, "cards": dict(sorted(cards.items())), "cues": cues})


def replace_shares(shares: dict[str, float], path: Path = PATH, **facts: str) -> None:
    """Write the shares of these cues, and facts beside all weights."""
    kept = json.loads(path.read_text(encoding="utf-8"))
    for cue in kept["cues"]:
        cue["share"] = round(shares.get(cue["name"], cue["share"]), 3)
    _write(path, kept | facts)


def _write(path: Path, found: dict[str, object]) -> None:
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
