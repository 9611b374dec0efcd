"""Pictures: one, or a folder in which a bad one stops nobody; each signed and recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from actors import draw_clip
from echo_model import DRAWN, echo_model
from swap_targets import draw_images

from counterface.errors import ConfigError, MediaError, RightsError, SwapError
from counterface.media.image import read_image, write_image
from counterface.provenance.record import read_record, record_path
from counterface.provenance.verify import verify_file
from counterface.swap.conversion.convert import convert
from counterface.swap.conversion.settings import ConvertConfig, ConvertSummary

BRIGHT = echo_model(64, gain=1.3)


def run(target: Path, out: Path, **settings: Any) -> ConvertSummary:
    settings = {"rights": DRAWN, "merge": {"color_transfer": "none"}, **settings}
    redo = settings.pop("redo", False)
    return convert(BRIGHT, target, out, ConvertConfig(**settings), redo=redo)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    write_image(tmp_path / "one.png", draw_images()[0])
    return tmp_path / "one.png"


@pytest.mark.parametrize("name", ["out.png", "out.jpg", "new/folder/out.png"])
def test_a_picture_is_converted_marked_and_recorded(
    picture: Path, tmp_path: Path, name: str
) -> None:
    out = tmp_path / name
    [done] = run(picture, out, keep=("masks", "crops", "matrices")).files
    assert (done.status, done.frames, done.faces, done.people) == ("done", 1, 1, (1,))
    given, made = read_image(picture).astype(np.float32), read_image(out).astype(np.float32)
    truth = out.with_name(out.name + ".truth")
    mask = read_image(truth / "masks" / "000000.png")[..., 0]
    assert (made - given).mean(axis=2)[mask > 250].mean() > 15
    assert abs((made - given)[mask == 0].mean()) < 1
    assert {p.name for p in (truth / "crops").iterdir()} == {
        "000000_p1_before.png",
        "000000_p1_after.png",
    }
    found = verify_file(out)
    assert found.credentials.state in ("trusted", "valid_unknown_signer")
    assert found.watermark.state == "found"
    assert found.record.state == "agrees"
    assert [len(f.swaps) for f in read_record(record_path(out)).frames] == [1]
    assert not [p for p in out.parent.iterdir() if p.name.startswith(".")]


@pytest.mark.slow
def test_one_bad_picture_never_ends_the_batch(tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    (folder / "sub").mkdir(parents=True)
    images = draw_images()
    write_image(folder / "a.png", images[0])
    (folder / "b.png").write_bytes((folder / "a.png").read_bytes()[:3000])  # cut short
    write_image(folder / "c.png", np.full((120, 160, 3), 90, np.uint8))  # nobody
    write_image(folder / "d.png", draw_clip([1, 2], 1, 400, 200)[0].frame.image)  # two people
    write_image(folder / "sub" / "e.webp", images[5])
    (folder / "notes.txt").write_text("no picture")
    summary = run(folder, out)
    states = {Path(f.target).name: (f.status, f.error or "") for f in summary.files}
    assert list(states) == ["a.png", "b.png", "c.png", "d.png", "e.webp"]
    assert [states[n][0] for n in states] == ["done", "failed", "failed", "failed", "done"]
    assert "no face was found" in states["c.png"][1]
    assert "shows 2 people" in states["d.png"][1]
    assert sorted(p.relative_to(out).as_posix() for p in out.rglob("*.png")) == [
        "a.png",
        "sub/e.webp.png",
    ]
    again = run(folder, out)
    assert [f.status for f in again.files] == ["already", "failed", "failed", "failed", "already"]
    everyone = run(folder, out, who="all", redo=True)
    assert {Path(f.target).name: f.faces for f in everyone.files}["d.png"] == 2


def test_an_output_inside_the_folder_is_not_converted_again(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", draw_images()[0])
    assert len(run(tmp_path, tmp_path / "made").files) == 1
    assert len(run(tmp_path, tmp_path / "made").files) == 1


def test_a_rights_file_of_the_folder_counts_for_all_below(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "deep" / "er").mkdir(parents=True)
    write_image(folder / "deep" / "er" / "a.png", draw_images()[0])
    [failed] = run(folder, tmp_path / "out", rights=None).files
    assert "no rights record" in str(failed.error)
    text = 'shown = "drawn"\nbasis = "synthetic"\nreference = "tests"\n'
    (folder / "rights.toml").write_text(text)
    [done] = run(folder, tmp_path / "out", rights=None).files
    assert done.status == "done"
    (tmp_path / "other.toml").write_text(text.replace('reference = "tests"\n', ""))
    single = folder / "deep" / "er" / "a.png"
    with pytest.raises(RightsError, match="reference"):
        run(single, tmp_path / "b.png", rights=None, rights_file=tmp_path / "other.toml")


def test_what_cannot_be_done_is_told(picture: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"written as \.png or \.jpg"):
        run(picture, tmp_path / "out.webp")
    with pytest.raises(ConfigError, match="is a folder; name the file"):
        run(picture, tmp_path)
    with pytest.raises(ConfigError, match="is the target itself"):
        run(picture, picture, redo=True)
    (tmp_path / "mine.png").write_bytes(b"mine")
    with pytest.raises(SwapError, match="was not made by a conversion"):
        run(picture, tmp_path / "mine.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(MediaError, match="holds no pictures"):
        run(tmp_path / "empty", tmp_path / "out")


def test_transparency_that_is_lost_is_noted_and_recorded(tmp_path: Path) -> None:
    import PIL.Image

    image = draw_images()[0]
    clear = np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])
    PIL.Image.fromarray(clear).save(tmp_path / "a.png")
    [done] = run(tmp_path / "a.png", tmp_path / "out.png").files
    assert done.notes == ("transparency is not kept: what is clear lies on white",)
    assert read_record(record_path(tmp_path / "out.png")).notes == done.notes
