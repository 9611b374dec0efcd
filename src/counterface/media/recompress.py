"""Pictures after a real codec's losses, for training and robustness tests."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import av
import cv2
import numpy as np

from counterface.errors import MediaError, ShapeError
from counterface.types import Image


def recompress_jpeg(image: Image, quality: int) -> Image:
    """The image after JPEG with 4:2:0 chroma, RGB uint8 of the same shape.

    Args:
        image: RGB uint8 (H, W, 3).
        quality: 1 to 100, libjpeg's scale.
    """
    ok, data = cv2.imencode(
        ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    if not ok:
        raise MediaError(f"JPEG could not encode an image of shape {image.shape}")
    return np.asarray(
        cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB), dtype=np.uint8
    )


def recompress_h264(images: Sequence[Image], crf: int, *, preset: str = "superfast") -> list[Image]:
    """The images after x264, coded as one clip: the first is a key frame, the others are predicted.

    A few milliseconds for three frames of 224 px; no container and no file is made.

    Args:
        images: RGB uint8, all of one (H, W, 3). An odd side is coded one pixel larger.
        crf: 0 (lossless) to 51; 18 looks transparent, 28 like a shared clip, 36 poor.
        preset: x264's speed preset.

    Raises:
        ShapeError: no images, or of different shapes.
        MediaError: x264 is missing from this FFmpeg.
    """
    if not images or any(image.shape != images[0].shape for image in images):
        raise ShapeError(f"expected images of one shape, got {[image.shape for image in images]}")
    height, width = images[0].shape[:2]
    even = [
        cv2.copyMakeBorder(i, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE) for i in images
    ]
    try:
        encoder = av.CodecContext.create("libx264", "w")
    except av.codec.codec.UnknownCodecError as error:
        raise MediaError(
            "this FFmpeg has no libx264; install PyAV from its binary wheel"
        ) from error
    encoder.height, encoder.width = even[0].shape[:2]
    encoder.pix_fmt = "yuv420p"
    encoder.time_base = Fraction(1, 25)
    encoder.thread_count = 1
    encoder.options = {"crf": str(crf), "preset": preset, "tune": "zerolatency"}
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    packets = []
    for index, image in enumerate(even):
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts = index
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    frames = [frame for packet in packets for frame in decoder.decode(packet)]
    frames += decoder.decode(None)
    return [f.to_ndarray(format="rgb24")[:height, :width] for f in frames]
