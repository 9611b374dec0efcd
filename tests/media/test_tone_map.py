"""HDR and wide gamuts: known values of the standards, round trips, the same picture both ways."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from drawn_media import draw, write_clip

from counterface.media import sandbox
from counterface.media.color import transfer
from counterface.media.color.tone_map import (
    BT709,
    BT2020,
    HLG,
    P3,
    PQ,
    ColorTags,
    roll_off,
    tone_map_for,
)
from counterface.media.probe import probe
from counterface.media.video_reader import read_video

TO_BT2020 = np.array(  # ITU-R BT.2087, table 2
    [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]
)


def as_hdr(image: np.ndarray, name: int, white: float = 203.0) -> np.ndarray:
    """The signal uint16 of an SDR picture laid into HDR with its white at `white` cd/m2."""
    light = (image / 255) ** transfer.SDR_GAMMA @ TO_BT2020.T
    if name == PQ:
        signal = transfer.light_to_pq(light * white)
    else:
        gamma = transfer.hlg_gamma(1000)
        signal = transfer.scene_to_hlg((light * white / 1000) ** (1 / gamma))
    return np.rint(signal * 65535).astype(np.uint16)


def write_hdr(
    path: Path, images: list[np.ndarray], name: int, codec: str = "libx265", **options: str
) -> Path:
    """A 10-bit clip of SDR pictures laid into HDR, tagged as such."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, rate=25, options={"crf": "8", **options})
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv420p10le"
        context = stream.codec_context
        context.colorspace, context.color_range = 9, 1
        context.color_primaries, context.color_trc = BT2020, name
        for index, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(as_hdr(image, name), format="rgb48le")
            frame = frame.reformat(format="yuv420p10le", dst_colorspace=9, dst_color_range=1)
            frame.pts = index
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def test_known_values_of_the_standards() -> None:
    assert transfer.pq_to_light(0.5) == pytest.approx(92.2457, rel=1e-5)
    assert transfer.light_to_pq([0, 100, 203, 1000, 10000]) == pytest.approx(
        [0, 0.5081, 0.5807, 0.7518, 1], abs=1e-4
    )
    assert transfer.hlg_to_scene([0, 0.5, 0.75, 1]) == pytest.approx(
        [0, 1 / 12, 0.265, 1], abs=1e-4
    )
    assert transfer.hlg_gamma(1000) == pytest.approx(1.2)


def test_transfer_functions_and_their_inverses() -> None:
    signal = np.linspace(0, 1, 1001)
    assert transfer.light_to_pq(transfer.pq_to_light(signal)) == pytest.approx(signal, abs=1e-6)
    assert transfer.scene_to_hlg(transfer.hlg_to_scene(signal)) == pytest.approx(signal, abs=1e-6)


@pytest.mark.parametrize("peak", [203, 400, 1000, 4000])
def test_rolling_off_is_monotonous_and_leaves_the_dark_alone(peak: float) -> None:
    light = np.linspace(0, peak, 2000)
    rolled = roll_off(light, peak, 203)
    assert (np.diff(rolled) > -1e-9).all()
    assert rolled[-1] == pytest.approx(203, rel=1e-6)
    assert np.allclose(rolled[light < 40], light[light < 40])


@pytest.mark.parametrize("name", [PQ, HLG])
@pytest.mark.parametrize("primaries", [BT709, BT2020, P3])
def test_grey_stays_grey_and_black_black(name: int, primaries: int) -> None:
    tone_map = tone_map_for(ColorTags(name, primaries))
    assert tone_map is not None
    levels = np.linspace(0, 65535, 512).astype(np.uint16)
    shown = tone_map.apply(np.repeat(levels[None, :, None], 3, 2)).astype(int)
    assert np.ptp(shown, axis=2).max() <= 1
    assert shown[0, 0].max() == 0
    assert (np.diff(shown[0, :, 0]) >= 0).all()


def test_sdr_needs_nothing() -> None:
    assert tone_map_for(ColorTags()) is None
    assert tone_map_for(ColorTags(1, 1)) is None
    assert tone_map_for(ColorTags(6, 5)) is None


@pytest.mark.parametrize("primaries", [BT2020, P3])
def test_a_wide_gamut_in_standard_range(primaries: int) -> None:
    tone_map = tone_map_for(ColorTags(1, primaries))
    assert tone_map is not None
    grey = np.full((4, 4, 3), 128, np.uint8)
    assert np.abs(tone_map.apply(grey).astype(int) - 128).max() <= 1
    if primaries == BT2020:
        light = (draw(3) / 255) ** 2.4 @ TO_BT2020.T
        wide = np.rint(255 * light ** (1 / 2.4)).astype(np.uint8)
        assert np.abs(tone_map.apply(wide).astype(int) - draw(3)).mean() < 1.5


@pytest.fixture
def ordinary_priority() -> Iterator[None]:
    """Run by root, SVT-AV1 gives the thread that opens it real-time priority and leaves it there.

    All later tests of the process, and their children, would take the core from everything else.
    """
    yield
    if hasattr(os, "sched_setscheduler"):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        assert os.sched_getscheduler(0) == os.SCHED_OTHER


@pytest.mark.usefixtures("ordinary_priority")
@pytest.mark.parametrize(("name", "word", "near"), [(PQ, "PQ", 2.5), (HLG, "HLG", 15)])
@pytest.mark.parametrize(("codec", "suffix"), [("libx265", ".mp4"), ("libsvtav1", ".mkv")])
def test_the_same_content_in_hdr_looks_the_same(
    tmp_path: Path, name: int, word: str, near: float, codec: str, suffix: str
) -> None:
    images = [draw(i) for i in range(3)]
    extra = {"x265-params": "log-level=none"} if codec == "libx265" else {"preset": "10"}
    path = write_hdr(tmp_path / f"a{suffix}", images, name, codec, **extra)
    info = sandbox.probe(path)
    assert info.hdr == word
    assert [note.code for note in info.notes] == ["hdr"]
    assert word in info.notes[0].text
    # HLG for a display of 400 cd/m2 has less contrast than for the 1000 that it was made for.
    inner = np.s_[20:, 20:]  # the red corner's edges lie in halved colour
    for frame, image in zip(read_video(path), images, strict=True):
        assert np.abs(frame.image[inner].astype(int) - image[inner]).mean() < near


def test_a_stated_peak_sets_where_highlights_end(tmp_path: Path) -> None:
    images = [np.full((64, 96, 3), 255, np.uint8)] * 2
    params = "log-level=none:hdr10=1:max-cll={}"
    low = write_hdr(tmp_path / "l.mkv", images, PQ, **{"x265-params": params.format("203,100")})
    high = write_hdr(tmp_path / "h.mkv", images, PQ, **{"x265-params": params.format("4000,400")})
    dim, bright = (next(read_video(path)).image.mean() for path in (high, low))
    assert bright > 253
    assert 190 < dim < 225


def test_ten_bits_of_standard_range_are_no_hdr(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", 3, pixel_format="yuv420p10le")
    assert probe(path).hdr is None
    assert probe(path).notes == ()
