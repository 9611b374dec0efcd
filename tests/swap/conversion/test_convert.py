"""A conversion changes the faces and nothing else: times, sound, place; and it can be continued."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from echo_model import DRAWN, echo_model
from swap_targets import draw_images, sound_packets, write_target

from counterface.errors import ConfigError, MediaError, RightsError, SwapError
from counterface.faceset.extract import ExtractConfig, extract
from counterface.files import file_sha256
from counterface.media.image import read_image
from counterface.media.probe import probe
from counterface.media.video_reader import read_video
from counterface.provenance.mark import Marker
from counterface.provenance.record import read_record, record_path
from counterface.provenance.watermark import Watermark
from counterface.swap.conversion.convert import convert
from counterface.swap.conversion.segments import WorkFolder
from counterface.swap.conversion.settings import ConvertConfig, Converted
from counterface.swap.conversion.targets import outputs as outputs_module
from counterface.types import Image

ECHO = echo_model(192)
BRIGHT = echo_model(64, gain=1.3)
PLAIN = {"color_transfer": "none"}


def run(target: Path, out: Path, model: Any = ECHO, **settings: Any) -> Converted:
    settings = {"rights": DRAWN, "crf": 8, "segment_s": 0.5, **settings}
    how = {name: settings.pop(name) for name in ("redo", "marker") if name in settings}
    [done] = convert(model, target, out, ConvertConfig(**settings), **how).files
    return done


def frames(path: Path) -> list[Image]:
    return [frame.image for frame in read_video(path)]


def times(path: Path) -> list[Fraction]:
    return [frame.pts for frame in read_video(path)]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of 12 frames."""
    place, every = tmp_path_factory.mktemp("clip") / "a.mp4", [Fraction(i, 12) for i in range(12)]
    return write_target(place, draw_images()[:12], every, sound_s=1.0)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    images = draw_images((1, 2), 4, 400, 200)[:4]
    return write_target(tmp_path_factory.mktemp("pair") / "pair.mp4", images)


def test_an_echo_leaves_every_frame_nearly_as_it_was(clip: Path, tmp_path: Path) -> None:
    """The strong test of alignment: any shift, turn or scale would show at the face's edges."""
    out = tmp_path / "out.mp4"
    marker = Marker()
    marker.watermark = Watermark(bytes(range(32)), 1)  # a mark drawn anew would move the mean
    done = run(clip, out, merge=PLAIN, marker=marker)
    assert (done.frames, done.frames_swapped, done.people) == (12, 12, (1,))
    mark = marker.mark_frame
    for given, made in zip(frames(clip), frames(out), strict=True):
        difference = made.astype(np.float32) - mark(given)
        assert abs(difference.mean()) < 0.2  # neither darker nor lighter
        smooth = cv2.GaussianBlur(difference, (0, 0), 1.5)
        assert np.abs(smooth).mean() < 0.7
        assert np.percentile(np.abs(smooth), 99.5) < 4


def test_only_the_face_changes(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    run(clip, out, BRIGHT, merge=PLAIN, keep=("masks",))
    for index, (given, made) in enumerate(zip(frames(clip), frames(out), strict=True)):
        mask = read_image(tmp_path / "out.mp4.truth" / "masks" / f"{index:06d}.png")[..., 0]
        brighter = made.astype(np.float32).mean(axis=2) - given.astype(np.float32).mean(axis=2)
        assert brighter[mask > 250].mean() > 15
        assert abs(brighter[mask == 0].mean()) < 1.5
        assert 0.05 < (mask > 0).mean() < 0.5


@pytest.mark.slow
def test_times_and_sound_are_the_targets(tmp_path: Path) -> None:
    steps = [1800 + 74 * (i * 7 % 90) for i in range(12)]
    uneven = [Fraction(n, 90_000) for n in np.cumsum(steps)]
    target = write_target(tmp_path / "vfr.mp4", draw_images()[:12], uneven, sound_s=1.0)
    done = run(target, tmp_path / "out.mp4")
    assert times(tmp_path / "out.mp4") == times(target) == uneven
    assert sound_packets(tmp_path / "out.mp4") == sound_packets(target)
    assert done.segments > 1


def test_the_output_says_what_it_is(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outputs_module, "KEYFRAMES", 240)  # as outside of these tests
    out = tmp_path / "out.mp4"
    run(clip, out)
    record = read_record(record_path(out))
    assert record.output.sha256 == file_sha256(out)
    assert [(i.role, i.sha256) for i in record.inputs] == [("target", file_sha256(clip))]
    assert record.models[0].sha256 == ECHO.sha256
    assert {r.of.split(":")[0] for r in record.rights} == {"source", "target"}
    assert [f.pts for f in record.frames] == times(clip)
    assert all(len(f.swaps) == 1 and f.swaps[0].matrix for f in record.frames)
    assert record.marks is not None
    assert (record.marks.credentials, record.marks.known_fakes) == ("embedded", 12)
    assert record.marks.watermark is not None
    assert str(tmp_path) not in record_path(out).read_text()


@pytest.mark.slow
def test_several_people_and_nothing_said_is_an_error_and_nothing_is_written(
    pair: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.mp4"
    with pytest.raises(SwapError, match="shows 2 people"):
        run(pair, out)
    assert not out.exists()
    done = run(pair, out, BRIGHT, person=(2,), merge=PLAIN)  # the look is kept: this goes on
    given, made = frames(pair)[0], frames(out)[0]
    brighter = made.astype(np.float32).mean(axis=2) - given.astype(np.float32).mean(axis=2)
    halves = sorted(float(np.percentile(half, 95)) for half in np.split(brighter, 2, axis=1))
    assert halves[0] < 5
    assert halves[1] > 10
    assert done.people == (2,)
    assert run(pair, tmp_path / "all.mp4", who="all").faces == 8


@pytest.mark.slow
def test_rotation_odd_sizes_and_ten_bits_are_dealt_with_and_noted(tmp_path: Path) -> None:
    images = [np.ascontiguousarray(image[:191, :255]) for image in draw_images(frames=12)[:6]]
    even = [image[:190, :254] for image in images]
    turned = write_target(tmp_path / "turned.mp4", even, quarter_turns=1)
    done = run(turned, tmp_path / "a.mp4")
    assert frames(tmp_path / "a.mp4")[0].shape == (190, 254, 3)
    assert done.notes == ("stored turned by 90 degrees, written upright",)
    late = [36_000 + Fraction(i, 25) for i in range(6)]  # the clock of a broadcast
    odd = write_target(tmp_path / "odd.mkv", images, late, codec="ffv1", pixel_format="yuv444p10le")
    done = run(odd, tmp_path / "b.mp4")
    assert [f.pts for f in read_video(tmp_path / "b.mp4")] == [time - 36_000 for time in late]
    assert done.notes[3] == "the target's clock starts at 36000.000 s, the output's at 0"
    assert frames(tmp_path / "b.mp4")[0].shape == (192, 256, 3)
    assert done.notes[0] == "10 bits a sample in, 8 bits out"
    assert done.notes[1] == "colour resolution 4:4:4 in, 4:2:0 out"
    assert done.notes[2].startswith("255x191 became 256x192")
    assert read_record(record_path(tmp_path / "b.mp4")).notes == done.notes
    assert probe(tmp_path / "b.mp4").pixel_format == "yuv420p"


def test_a_part_is_cut_out_with_its_sound(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    done = run(clip, out, from_s=0.25, to_s=0.75)
    assert times(out) == [Fraction(i, 12) for i in range(6)]
    pairs = zip(frames(clip)[3:9], frames(out), strict=True)
    near = [np.abs(a.astype(int) - b).mean() for a, b in pairs]
    assert max(near) < 4
    cut = [p for p, t in sound_packets(clip) if t + Fraction(1024, 48_000) > Fraction(1, 4)]
    heard = [p for p, _ in sound_packets(out)]
    assert heard == cut[: len(heard)]
    assert abs(len(heard) - 0.5 * 48_000 / 1024) < 3
    assert "sound is cut at whole packets, up to one packet beyond" in done.notes
    assert [f.index for f in read_record(record_path(out)).frames] == list(range(6))


class _KilledError(Exception):
    """Stands for a kill: nothing is cleaned up after it but what Python itself closes."""


def killed_after(monkeypatch: pytest.MonkeyPatch, segments: int) -> None:
    original, count = outputs_module.VideoWriter.close, 0

    def close(writer: Any) -> None:
        nonlocal count
        count += 1
        if count > segments:
            raise _KilledError
        original(writer)

    monkeypatch.setattr(outputs_module.VideoWriter, "close", close)


@pytest.mark.slow
@pytest.mark.parametrize(("steady", "mask"), [(0, "hull"), (0.5, "hull"), (0, "segmented")])
def test_a_killed_and_continued_conversion_equals_an_uninterrupted_one(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steady: float, mask: str
) -> None:
    whole, pieces = tmp_path / "whole.mp4", tmp_path / "pieces.mp4"
    settings: dict[str, Any] = {"steady": steady, "segment_s": 0.5, "backend": "onnx"}
    settings["merge"] = {"mask": mask}
    run(clip, whole, **settings)
    with monkeypatch.context() as patch:
        killed_after(patch, 1)
        with pytest.raises(_KilledError):
            run(clip, pieces, **settings)
    assert not pieces.exists()
    assert WorkFolder(pieces).segment(0).exists()
    with pytest.raises(SwapError, match=r"begun with other settings: settings\.crf 8\.0 ->"):
        run(clip, pieces, **{**settings, "crf": 20})
    done = run(clip, pieces, **settings)
    assert (done.segments, done.segments_kept) == (2, 1)
    assert times(pieces) == times(whole)
    assert all(np.array_equal(a, b) for a, b in zip(frames(whole), frames(pieces), strict=True))
    assert not WorkFolder(pieces).folder.exists()


@pytest.mark.slow
def test_what_is_done_is_not_done_again_nor_overwritten(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    run(clip, out, to_s=0.25)
    before = out.read_bytes()
    assert run(clip, out, to_s=0.25).status == "already"
    with pytest.raises(SwapError, match=r"exists and was made otherwise.*to_s 0\.25 -> 0\.5"):
        run(clip, out, to_s=0.5)
    assert out.read_bytes() == before
    assert run(clip, out, to_s=0.5, redo=True).status == "done"
    foreign = tmp_path / "foreign.mp4"
    foreign.write_bytes(b"somebody's film")
    with pytest.raises(SwapError, match="was not made by a conversion"):
        run(clip, foreign)


def test_footage_without_a_rights_record_is_refused(clip: Path, tmp_path: Path) -> None:
    target = tmp_path / "a.mp4"
    target.write_bytes(clip.read_bytes())
    with pytest.raises(RightsError, match=r"no rights record.*--rights\.shown"):
        run(target, tmp_path / "out.mp4", rights=None)
    (tmp_path / "rights.toml").write_text('shown = "a drawn actor"\nbasis = "synthetic"\n')
    with pytest.raises(RightsError, match="reference"):
        run(target, tmp_path / "out.mp4", rights=None)
    (tmp_path / "rights.toml").write_text(
        'shown = "a drawn actor"\nbasis = "synthetic"\nreference = "tests"\n'
    )
    run(target, tmp_path / "out.mp4", rights=None, to_s=0.2)
    told = read_record(record_path(tmp_path / "out.mp4")).rights[-1]
    assert (told.of, told.rights.shown) == ("target", "a drawn actor")


def test_the_faceset_of_the_target_vouches_for_its_own_footage(clip: Path, tmp_path: Path) -> None:
    faceset = tmp_path / "target_faces"
    extract(clip, faceset, ExtractConfig(every=8, rights=DRAWN))
    done = run(clip, tmp_path / "out.mp4", echo_model(64, folder=str(faceset)), rights=None)
    assert done.status == "done"


def test_a_model_without_rights_makes_nothing(clip: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    bare = ECHO.about.identities[0].model_copy(update={"facesets": ()})
    about = ECHO.about.model_copy(update={"identities": (bare, ECHO.about.identities[1])})
    with pytest.raises(RightsError, match="no faceset with a rights record for source"):
        run(clip, tmp_path / "out.mp4", replace(ECHO, about=about))


def test_the_plan_holds_by_time_and_person(clip: Path, tmp_path: Path) -> None:
    plan = tmp_path / "merge.toml"
    plan.write_text(
        "[settings]\ncolor_transfer = 'none'\nopacity = 0.0\n\n"
        "[[span]]\nfrom_s = 0.5\ntrack = 1\nopacity = 100.0\n"
    )
    out = tmp_path / "out.mp4"
    run(clip, out, BRIGHT, plan=plan)
    brighter = [
        float(np.percentile(b.astype(np.float32) - a, 95))
        for a, b in zip(frames(clip), frames(out), strict=True)
    ]
    assert max(brighter[:6]) + 5 < min(brighter[6:])
    record = json.loads(record_path(out).read_text())
    assert [i["role"] for i in record["inputs"]] == ["target", "merge plan"]
    assert record["settings"]["spans"][0]["opacity"] == 100.0


def test_the_ground_truth_says_where_each_crop_came_from(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    run(clip, out, to_s=0.25, merge=PLAIN, keep=("crops", "matrices"))
    truth = tmp_path / "out.mp4.truth"
    rows = pq.read_table(truth / "matrices.parquet").to_pylist()
    assert [row["index"] for row in rows] == list(range(3))
    row = rows[2]
    before = read_image(truth / "crops" / "000002_p1_before.png")
    after = read_image(truth / "crops" / "000002_p1_after.png")
    matrix = np.array(row["frame_to_crop"]).reshape(2, 3)
    again = cv2.warpAffine(frames(clip)[2], matrix, (192, 192))
    assert np.abs(again.astype(int) - before)[20:-20, 20:-20].mean() < 1.5
    assert np.abs(after.astype(int) - before).mean() < 5
    assert not (truth / "masks").exists()


@pytest.mark.parametrize(
    ("out", "settings", "error", "words"),
    [
        ("out.avi", {}, ConfigError, "a video is written as .mp4"),
        ("out.mp4", {"identity": "nobody"}, ConfigError, "knows no identity 'nobody'"),
        ("out.mp4", {"person": (7,)}, SwapError, "has no person 7"),
        ("out.mp4", {"from_s": 9}, MediaError, "no frame between 9 s"),
    ],
)
def test_what_cannot_be_done_is_told(
    clip: Path, tmp_path: Path, out: str, settings: dict[str, Any], error: type, words: str
) -> None:
    with pytest.raises(error, match=words):
        run(clip, tmp_path / out, **settings)
    assert not (tmp_path / out).exists()


def test_without_the_watermark_only_by_a_marker_for_data_sets(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    config = ConvertConfig(rights=DRAWN, to_s=0.2)
    convert(ECHO, clip, out, config, marker=Marker(watermark=False))
    marks = read_record(record_path(out)).marks
    assert marks is not None
    assert marks.watermark is None
    assert "watermark" not in ConvertConfig.model_fields
