"""Colours that cannot be brought back: said, and shown in grey, as bright as they are."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from drawn_media import draw

from counterface.media import sandbox
from counterface.media.color.transfer import light_to_pq
from counterface.media.stream.color_tags import DOLBY_VISION, color_tags_of, first_color_tags
from counterface.media.video_reader import read_video

INNER = np.s_[20:, 20:]


def write_deep(
    path: Path, images: list[np.ndarray], matrix: int, transfer: int, codec: str = "libx265"
) -> Path:
    """10 bits of full range whose brightness is that of the pictures, laid into PQ."""
    with av.open(str(path), "w") as output:
        options = {"crf": "4", "x265-params": "log-level=none"} if codec == "libx265" else {}
        stream = output.add_stream(codec, rate=25, options=options)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv420p10le"
        context = stream.codec_context
        context.colorspace, context.color_trc, context.color_range = matrix, transfer, 2
        for index, image in enumerate(images):
            frame = av.VideoFrame(image.shape[1], image.shape[0], "yuv420p10le")
            light = 203 * (image.mean(axis=2) / 255) ** 2.4
            for plane, level in zip(frame.planes, (light_to_pq(light), 0.4, 0.7), strict=True):
                rows = np.frombuffer(plane, np.uint16).reshape(-1, plane.line_size // 2)
                rows[:, : plane.width] = np.rint(1023 * np.asarray(level))
            frame.pts = index
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def tag_anew(source: Path, path: Path, tag: str) -> Path:
    """The same video under another tag."""
    with av.open(str(source)) as container, av.open(str(path), "w") as output:
        stream = output.add_stream_from_template(container.streams.video[0])
        stream.codec_context.codec_tag = tag
        for packet in container.demux(video=0):
            if packet.size:
                packet.stream = stream
                output.mux(packet)
    return path


def require_grey(path: Path, images: list[np.ndarray]) -> None:
    for frame, image in zip(read_video(path), images, strict=True):
        assert (np.ptp(frame.image, axis=2) == 0).all()
        grey = image.mean(axis=2)[INNER]
        assert np.abs(frame.image[..., 0][INNER] - grey).mean() < 2.5


def test_dolby_vision_that_only_its_own_displays_show(tmp_path: Path) -> None:
    images = [draw(i) for i in range(3)]
    plain = write_deep(tmp_path / "plain.mp4", images, matrix=2, transfer=2)
    path = tag_anew(plain, tmp_path / "dolby.mp4", "dvh1")
    info = sandbox.probe(path)
    assert info.hdr == "PQ"
    assert [note.code for note in info.notes] == ["grey"]
    assert DOLBY_VISION in info.notes[0].text
    require_grey(path, images)
    assert sandbox.probe(plain).notes == ()


def test_dolby_vision_with_a_layer_for_others_is_plain_hdr(tmp_path: Path) -> None:
    plain = write_deep(tmp_path / "plain.mp4", [draw(0)], matrix=9, transfer=16)
    path = tag_anew(plain, tmp_path / "dolby.mp4", "dvh1")
    assert [note.code for note in sandbox.probe(path).notes] == ["hdr"]


@pytest.mark.parametrize("kind", ["DOVI_METADATA", "DOVI_RPU_BUFFER"])
@pytest.mark.parametrize(("transfer", "unread"), [(2, DOLBY_VISION), (1, None), (18, None)])
def test_dolby_vision_is_known_by_its_dynamic_data(
    kind: str, transfer: int, unread: str | None
) -> None:
    deep = SimpleNamespace(components=[SimpleNamespace(bits=10)])
    data = SimpleNamespace(type=SimpleNamespace(name=kind))
    frame = SimpleNamespace(
        color_trc=transfer, color_primaries=2, colorspace=2, format=deep, side_data=[data]
    )
    first = first_color_tags(frame, "hev1")
    assert first.unread == unread
    assert color_tags_of(frame, first) == first


def test_a_matrix_that_is_not_known_is_no_error(tmp_path: Path) -> None:
    images = [draw(i) for i in range(2)]
    path = write_deep(tmp_path / "ictcp.mkv", images, matrix=14, transfer=16, codec="ffv1")
    info = sandbox.probe(path)
    assert [note.code for note in info.notes] == ["grey"]
    assert "ICtCp" in info.notes[0].text
    require_grey(path, images)


@pytest.mark.parametrize(("stated", "alike"), [(10, 9), (12, 9), (3, 2)])
def test_matrices_that_another_stands_for(tmp_path: Path, stated: int, alike: int) -> None:
    """Constant luminance, from the primaries, and the reserved value that some encoders write."""
    shown = []
    for matrix in (stated, alike):
        path = tmp_path / f"{matrix}.mkv"
        with av.open(str(path), "w") as output:
            stream = output.add_stream("ffv1", rate=25)
            stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
            context = stream.codec_context
            context.colorspace, context.color_primaries = matrix, 9 if alike == 9 else 2
            frame = av.VideoFrame.from_ndarray(draw(0), format="rgb24")
            output.mux(stream.encode(frame.reformat(format="yuv420p")))
            output.mux(stream.encode(None))
        shown.append(next(iter(read_video(path))).image)
    assert (shown[0] == shown[1]).all()
