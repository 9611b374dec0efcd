"""`counterface swap info`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from counterface.apps.cli.main import main
from counterface.learn.checkpoint import write_weights
from counterface.provenance.rights import Rights
from counterface.swap.models.small_autoencoders import IAE
from counterface.swap.swap_model import FacesetUsed, IdentityAbout, SwapAbout, build_model

RIGHTS = Rights(shown="a drawn face", basis="synthetic", reference="drawn\nby a test")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's folder with weights."""
    torch.manual_seed(0)
    model = build_model("iae", IAE.TINY)
    people = tuple(
        IdentityAbout(name=name, facesets=(FacesetUsed(folder="faces", crops=12, rights=RIGHTS),))
        for name in ("source", "target")
    )
    about = SwapAbout.of("iae", model, people).model_dump(mode="json")
    path = tmp_path / "run" / "last.safetensors"
    write_weights(path, {"model": model}, {"step": 40, "about": about})
    return path.parent


def test_json_holds_the_record_and_the_parts(run: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["swap", "info", str(run), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["model"], facts["step"], facts["in_size"], facts["out_size"]) == (
        "iae",
        40,
        64,
        64,
    )
    assert facts["options"] == {"template": "face", "mask": False, **IAE.TINY}
    assert facts["identities"][1]["facesets"][0]["rights"]["basis"] == "synthetic"
    parts = facts["parameters"]
    assert parts["total"] == sum(count for part, count in parts.items() if part != "total")
    assert set(parts) >= {"encoder", "inter_both", "decoder"}


def test_text_names_people_and_rights_on_lines_of_their_own(
    run: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["swap", "info", str(run)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("iae, step 40")
    assert "identity 0: source" in lines
    assert "    shows a drawn face; synthetic: drawn by a test" in lines
    inter = (1024 * 16 + 16) + (16 * 512 + 512)  # two dense layers
    assert f"  inter_both       {inter:>12,}" in lines


def test_what_is_no_model_is_one_line_and_a_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["swap", "info", str(tmp_path)]) == 1
    assert "holds neither weights nor checkpoints" in capsys.readouterr().err
