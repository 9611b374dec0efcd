"""`counterface faceset` from the outside: words in, lines and exit codes out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from actors import draw_actor
from drawn_facesets import write_person

from counterface.apps.cli.main import main
from counterface.faceset.store import Faceset
from counterface.media.image import read_image, write_image


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    write_image(folder / "actor.png", draw_actor(1, size=256).image)
    return folder


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_from_pictures_to_a_faceset_with_rights(pictures: Path, tmp_path: Path, capsys):
    out = str(tmp_path / "out")
    words = ["faceset", "extract", str(pictures), out, "--size", "128", "--rights.shown", "nobody"]
    words += ["--rights.basis", "synthetic", "--rights.reference", "drawn", "--json"]
    assert main(words) == 0
    (summary,) = lines(capsys)
    assert summary["crops"] == 1
    assert summary["sources"][0]["status"] == "done"
    assert main(["faceset", "info", out, "--json"]) == 0
    (info,) = lines(capsys)
    assert (info["crops"], info["size"]) == (1, 128)
    assert info["rights"] == {"shown": "nobody", "basis": "synthetic", "reference": "drawn"}
    assert main(["faceset", "verify", out, "--json"]) == 0
    assert lines(capsys)[0]["problems"] == []


def test_one_bad_file_of_two_is_told_and_gives_code_two(pictures: Path, tmp_path: Path, capsys):
    (pictures / "bad\x1b.mp4").write_bytes(b"no video")
    assert main(["faceset", "extract", str(pictures), str(tmp_path / "out")]) == 2
    printed = capsys.readouterr().out
    assert "1 of 2 files failed" in printed
    assert "\x1b" not in printed
    assert len(Faceset.open(tmp_path / "out")) == 1


def test_a_recipe_gives_the_settings_and_flags_win(pictures: Path, tmp_path: Path):
    recipe = tmp_path / "r.toml"
    recipe.write_text('size = 128\ntemplate = "head"\n')
    out = tmp_path / "out"
    words = ["faceset", "extract", str(pictures), str(out), "--config", str(recipe)]
    assert main([*words, "--size", "96"]) == 0
    header = Faceset.open(out).header
    assert (header.template, header.size) == ("head", 96)


def test_an_unknown_key_in_a_recipe_stops_the_run(pictures: Path, tmp_path: Path, capsys):
    recipe = tmp_path / "r.toml"
    recipe.write_text("sise = 128\n")
    out = tmp_path / "out"
    assert main(["faceset", "extract", str(pictures), str(out), "--config", str(recipe)]) == 1
    assert "'size'" in capsys.readouterr().err
    assert not out.exists()


def test_a_stray_picture_leads_from_error_to_adoption(pictures: Path, tmp_path: Path, capsys):
    out = tmp_path / "out"
    main(["faceset", "extract", str(pictures), str(out)])
    (crop,) = out.glob("*.jpg")
    write_image(out / "copy.jpg", read_image(crop))  # not byte for byte, which would be refused
    write_image(out / "dark.png", np.zeros((256, 256, 3), np.uint8))
    assert main(["faceset", "extract", str(pictures), str(out)]) == 1
    assert "faceset adopt" in capsys.readouterr().err
    assert main(["faceset", "verify", str(out)]) == 2
    assert main(["faceset", "adopt", str(out), "--json"]) == 2
    outcome = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert outcome["adopted"] == ["copy.jpg"]
    (out / "dark.png").unlink()
    assert main(["faceset", "verify", str(out)]) == 0


def test_rights_can_be_stated_later_but_not_left_blank(pictures: Path, tmp_path: Path, capsys):
    out = str(tmp_path / "out")
    main(["faceset", "extract", str(pictures), out])
    words = ["faceset", "rights", out, "--basis", "consent", "--reference", "form 7"]
    assert main([*words, "--shown", " "]) == 1
    assert main([*words, "--shown", "Jane Doe"]) == 0
    assert Faceset.open(tmp_path / "out").require_rights()[0].shown == "Jane Doe"


def test_sort_group_filter_and_restore_from_the_outside(tmp_path: Path, capsys):
    write_person(tmp_path / "f", 1, 4, side=96)
    folder = str(tmp_path / "f")
    assert main(["faceset", "sort", folder, "--by", "yaw", "--reverse"]) == 0
    printed = capsys.readouterr().out
    assert printed.index("person1_0003.jpg") < printed.index("person1_0000.jpg")
    assert "4 crops by yaw" in printed
    assert main(["faceset", "group", folder, "--by", "yaw", "--bins", "2", "--json"]) == 0
    (found,) = lines(capsys)
    assert [crop["group"] for crop in found["crops"]] == ["yaw -20 to 0"] * 2 + ["yaw 0 to 20"] * 2
    assert main(["faceset", "filter", folder, "--group", "yaw 0 to 20"]) == 0
    assert "2 crops set aside; 2 crops now, 2 in its trash" in capsys.readouterr().out
    assert main(["faceset", "restore", folder, "--by", "blur", "--max", "0.015"]) == 0
    assert "1 crop brought back; 3 crops now, 1 in its trash" in capsys.readouterr().out
    assert main(["faceset", "dedupe", folder, "--bits", "0", "--dry-run", "--json"]) == 0
    assert lines(capsys)[0]["copies"] == []


def test_what_filter_is_not_told_is_an_error(tmp_path: Path, capsys):
    write_person(tmp_path / "f", 1, 2, side=96)
    assert main(["faceset", "filter", str(tmp_path / "f")]) == 1
    assert "--by blur --max 0.5" in capsys.readouterr().err
    assert main(["faceset", "filter", str(tmp_path / "f"), "--max", "1"]) == 1
    assert "name it by 'by'" in capsys.readouterr().err
    assert main(["faceset", "sort", str(tmp_path / "f"), "--by", "yam"]) == 1
    assert "did you mean 'yaw'" in capsys.readouterr().err


def test_pack_unpack_and_merge_from_the_outside(tmp_path: Path, capsys):
    write_person(tmp_path / "a", 1, 2, side=96)
    write_person(tmp_path / "b", 2, 3, side=96)
    packed, out, both = (str(tmp_path / name) for name in ("a.parquet", "back", "both"))
    assert main(["faceset", "pack", str(tmp_path / "a"), packed]) == 0
    assert main(["faceset", "unpack", packed, out]) == 0
    assert main(["faceset", "merge", out, str(tmp_path / "b"), "--out", both, "--json"]) == 0
    poured = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (poured["crops"], poured["added"]) == (5, 5)
    assert main(["faceset", "merge", out, "--out", both]) == 0
    assert "5 crops; 0 copied, 2 were there already" in capsys.readouterr().out
    assert main(["faceset", "merge", "--out", both]) == 1


def test_masks_go_out_and_in(tmp_path: Path, capsys):
    folder, masks, out = tmp_path / "jane", tmp_path / "masks", tmp_path / "out"
    faceset = write_person(folder, 1, 2, side=64)
    masks.mkdir()
    write_image(masks / f"{Path(faceset.rows[0].file).stem}.png", np.full((64, 64, 3), 255, "u1"))
    write_image(masks / "stranger.png", np.zeros((64, 64, 3), "u1"))
    assert main(["faceset", "mask", "import", str(folder), str(masks)]) == 2
    said = capsys.readouterr().out
    assert "stranger.png" in said
    assert "1 mask, 0 with polygons" in said
    assert main(["faceset", "mask", "export", str(folder), str(out), "--json"]) == 0
    (found,) = lines(capsys)
    assert (found["masks"], found["without"]) == (1, 1)
    assert len(list(out.iterdir())) == 1


@pytest.mark.slow
def test_a_training_of_masks_that_cannot_be_is_refused_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    words = ["faceset", "mask", "train", str(tmp_path / "none"), "--run", str(tmp_path / "run")]
    for more, why in (
        (["--augment", "turn=999"], "augment.turn"),
        (["--augment", "turn"], "is no setting"),
        (["--steps", "5", "--pretrain", "5"], "none learn masks"),
        (["--size", "100"], "cannot be halved 6 times"),
    ):
        assert main([*words, *more]) == 1
        assert why in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
