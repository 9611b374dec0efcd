"""A preview shows the merges of the moment that was asked for, and is signed like any output."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import actors
import numpy as np
import pytest
from PIL import Image as Pillow
from swap_files import write_df

from counterface.apps.cli.main import main
from counterface.errors import ConfigError, MediaError, RightsError, SwapError
from counterface.media.image import read_image, write_image
from counterface.provenance.record import read_record, record_path
from counterface.provenance.rights import Rights
from counterface.provenance.verify import verify_file
from counterface.swap.conversion.preview import (
    LivePreview,
    PreviewConfig,
    find_moment,
    preview,
)
from counterface.swap.merge.settings import MergeSettings

RIGHTS = Rights(shown="a drawn face", basis="synthetic", reference="tests/actors.py")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_df(tmp_path_factory.mktemp("model") / "df.safetensors", RIGHTS)


@pytest.fixture(scope="module")
def truth() -> list[actors.ClipFrame]:
    return actors.draw_clip([1], 20, 240, 200)


@pytest.fixture(scope="module")
def clip(truth: list[actors.ClipFrame], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return actors.write_clip(tmp_path_factory.mktemp("clip") / "one.mp4", truth)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pair") / "two.png"
    write_image(path, actors.draw_clip([1, 2], 1, 480, 270)[0].frame.image)
    return path


def config(**changes: object) -> PreviewConfig:
    small = {"rows": "blend=overlay,raw", "columns": "erode=0", "rights": RIGHTS.model_dump()}
    return PreviewConfig.model_validate(small | changes)


def test_a_preview_is_marked_signed_and_recorded(model: Path, clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "grid.png"
    record = preview(model, clip, out, config(at=0.5, merge={"blur": 3}))
    assert read_record(record_path(out)) == record
    assert record.models[0].step == 5
    assert len(record.rights) == 3  # two facesets and the target
    assert record.settings["preview"]["merge"]["blur"] == 3
    found = verify_file(out)
    assert found.credentials.state in ("trusted", "valid_unknown_signer")
    assert found.watermark.state == "found"
    assert found.record.state == "agrees"
    assert min(read_image(out).shape[:2]) > 96


def test_the_moment_is_the_frame_shown_then(clip: Path, truth: list[actors.ClipFrame]) -> None:
    for at, index in ((0.0, 0), (0.6, 14)):
        moment = find_moment(clip, config(at=at))
        actor = truth[index].actors[0]
        assert float(moment.frame.pts) == pytest.approx(index / 24)
        assert np.abs(moment.frame.image.astype(int) - truth[index].frame.image).mean() < 3
        off = np.linalg.norm(moment.face.landmarks[17:] - actor.landmarks[17:], axis=1).mean()
        assert off < 0.12 * np.ptp(actor.landmarks[:17, 0])


def test_several_people_need_a_choice(pair: Path) -> None:
    with pytest.raises(SwapError, match="2 people"):
        find_moment(pair, config())
    left, right = (find_moment(pair, config(person=(n,))).face.box for n in (1, 2))
    assert not np.allclose(left, right)
    assert find_moment(pair, config(who="largest")).face is not None


def test_a_plan_gives_the_base_and_flags_win(model: Path, pair: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text("[settings]\nblur = 20\nopacity = 50\n[[span]]\ntrack = 2\nnoise = 5\n")
    out = tmp_path / "grid.jpg"
    for person, noise in ((1, 0.0), (2, 5.0)):
        record = preview(
            model, pair, out, config(person=(person,), plan=plan, merge={"opacity": 80})
        )
        merge = record.settings["preview"]["merge"]
        assert (merge["blur"], merge["opacity"], merge["noise"]) == (20.0, 80.0, noise)
    assert [made.role for made in record.inputs] == ["target", "merge plan"]


def test_what_cannot_be_previewed_says_why(model: Path, clip: Path, tmp_path: Path) -> None:
    with pytest.raises(SwapError, match="png"):
        preview(model, clip, tmp_path / "grid.mp4", config())
    with pytest.raises(ConfigError, match="erod"):
        preview(model, clip, tmp_path / "grid.png", config(rows="erod=3"))
    with pytest.raises(MediaError, match="99"):
        preview(model, clip, tmp_path / "grid.png", config(at=99))
    blank = tmp_path / "blank.png"
    write_image(blank, np.full((200, 200, 3), 120, np.uint8))
    with pytest.raises(SwapError, match="no face"):
        preview(model, blank, tmp_path / "grid.png", config())
    assert not (tmp_path / "grid.png").exists()


def test_the_command(
    model: Path, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "grid.png"
    words = ["swap", "preview", str(model), str(clip), str(out), "--at", "0.4"]
    words += ["--rows", "color_transfer=none,rct", "--columns", "erode=0,10", "--merge.blur", "5"]
    assert main(words) == 1  # no rights record of the target
    assert "rights" in capsys.readouterr().err
    assert not out.exists()
    words += ["--rights.shown", "nobody", "--rights.basis", "synthetic", "--rights.reference", "x"]
    assert main(words) == 0
    assert "signed" in capsys.readouterr().out
    assert read_record(record_path(out)).settings["preview"]["merge"]["blur"] == 5


def test_a_live_preview_merges_a_moment_again_and_again(model: Path, clip: Path) -> None:
    live = LivePreview(model, clip, config(who="largest"))
    moment = live.at(0.5)
    plain = pixels(live.merged(MergeSettings()))
    assert plain.shape == moment.frame.image.shape
    half = pixels(live.merged(MergeSettings(opacity=50)))
    none = pixels(live.merged(MergeSettings(opacity=0)))
    frame = moment.frame.image.astype(int)
    far = [np.abs(one.astype(int) - frame).mean() for one in (none, half, plain)]
    assert far[0] < far[1] < far[2]
    assert live.swapped() is live.swapped(("hull",))  # the face is made once a moment
    other = live.at(0.0)
    assert other.frame.pts == 0
    assert live.swapped() is not None


def test_each_live_picture_is_marked_and_a_moment_is_registered_once(
    model: Path, clip: Path, tmp_path: Path
) -> None:
    live = LivePreview(model, clip, config(who="largest"))
    live.at(0.25)
    for number, blur in enumerate((5.0, 15.0)):
        out = tmp_path / f"{number}.jpg"
        out.write_bytes(live.merged(MergeSettings(blur=blur)))
        found = verify_file(out)
        assert found.credentials.state in ("trusted", "valid_unknown_signer")
        assert found.watermark.state == "found"
        assert found.known_fake.state == ("same_file", "match")[number]


def test_a_live_preview_needs_the_rights_of_both(model: Path, clip: Path) -> None:
    with pytest.raises(RightsError):
        LivePreview(model, clip, PreviewConfig())


def pixels(jpeg: bytes) -> np.ndarray:
    return np.asarray(Pillow.open(BytesIO(jpeg)).convert("RGB"))
