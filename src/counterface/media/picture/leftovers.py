"""The visible rest of a picture file that is damaged or ends too early."""

from __future__ import annotations

import warnings
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from counterface.media.notes import MediaNote
from counterface.media.picture.kinds import riff_chunks

_MOST_MISSING = 64_000_000  # bytes of a WebP that are filled in
_OTHER_FILLING = 1  # few bits: the lossless decoder refuses most others
_TOLERANT = Lock()  # Pillow has one switch for the whole process


def mend_webp(file: Path, filling: int = 0) -> BytesIO | None:
    """A WebP file that ends too early, closed after its last whole frame; None where it is whole.

    The decoder refuses a file that is shorter than it says. Of a still picture the missing bytes
    are filled in, of an animation the torn frame goes.
    """
    with file.open("rb") as stream:
        head = stream.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WEBP":
            return None
        stated = 8 + int.from_bytes(head[4:8], "little")
        missing = stated - file.stat().st_size
        if not 0 < missing <= _MOST_MISSING:
            return None
        data = head + stream.read()
    ends = [end for _, _, end in riff_chunks(data) if end <= len(data)]
    if ends and b"ANMF" in data[: ends[-1]]:
        data = data[: ends[-1]]
        data = data[:4] + (len(data) - 8).to_bytes(4, "little") + data[8:]
    else:
        data += bytes([filling]) * missing
    return BytesIO(data)


def grey_what_was_filled_in(file: Path, picture: Any) -> Any:
    """A loaded still of a mended WebP, grey from the first row on that depends on the filling."""
    import PIL.Image

    mended = mend_webp(file, filling=_OTHER_FILLING)
    if mended is None:
        raise OSError(f"{file.name} changed while it was read")
    other = np.asarray(PIL.Image.open(mended, formats=["WEBP"]))
    pixels = np.array(picture)
    differ = np.flatnonzero((pixels != other).reshape(len(pixels), -1).any(axis=1))
    if len(differ):
        pixels[differ[0] :] = 128
    return PIL.Image.fromarray(pixels)


def load_leftovers(file: Path, formats: list[str], why: Exception) -> Any:
    """The Pillow picture with whatever of its pixels can be decoded, loaded.

    Args:
        file: path of a file whose header is known to be good.
        formats: Pillow's names of the formats that are allowed.
        why: error of decoding the whole; raised again where nothing can be decoded.
    """
    import PIL.Image
    from PIL import ImageFile

    data = file.read_bytes()
    if data.startswith(b"\xff\xd8"):
        data += b"\xff\xd9"  # lets the decoder finish, progressive files too
    with _TOLERANT, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = ImageFile.LOAD_TRUNCATED_IMAGES
        ImageFile.LOAD_TRUNCATED_IMAGES = True
        try:
            picture = PIL.Image.open(BytesIO(data), formats=formats)
            picture.load()
        except Exception as error:
            raise why from error
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = before
    return picture


def leftover_note(picture: Any) -> MediaNote | None:
    """The note on a loaded picture that lacks its end; None where nothing of it can be seen.

    Rows that were not decoded are all of one colour.
    """
    pixels = np.asarray(picture)
    if picture.format == "BMP":  # stored from the bottom up
        pixels = pixels[::-1]
    rows = pixels.reshape(pixels.shape[0], -1)
    first = pixels[:, :1].reshape(pixels.shape[0], -1)
    width = rows.shape[1] // first.shape[1]
    flat = (rows == np.tile(first, (1, width))).all(axis=1) & (first == first[-1]).all(axis=1)
    there = np.flatnonzero(~flat)
    if not len(there):
        return None
    missing = 1 - (there[-1] + 1) / len(flat)
    if picture.info.get("progressive"):
        text = "The file is damaged or cut short: some of the picture's detail is missing."
    elif missing < 0.005:
        text = "The file is damaged or cut short, but almost all of the picture could be read."
    else:
        text = f"The file is damaged or cut short: about {missing:.0%} of the picture is missing."
    return MediaNote("cut_short", f"{text} Only what is there was looked at.")
