"""Pictures on disk to arrays and back: JPEG, PNG, WebP, TIFF, BMP, AVIF; HEIC with pillow-heif."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from counterface.errors import MediaError, ShapeError
from counterface.files import write_bytes
from counterface.media.color.tone_map import ColorTags
from counterface.media.notes import MediaNote, Tell
from counterface.media.open_file import HEIF_BRANDS, check_file, show, sniff
from counterface.media.picture.color import color_tags, to_srgb
from counterface.media.picture.kinds import has_a_film_behind, holds_a_track
from counterface.media.picture.leftovers import (
    grey_what_was_filled_in,
    leftover_note,
    load_leftovers,
    mend_webp,
)
from counterface.media.picture.transparency import transparency_note
from counterface.media.stream.foreign import name_foreign
from counterface.media.stream.outline import missing_bytes, name_missing
from counterface.types import Image, Mask

IMAGE_SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".jfi", ".pjpeg", ".pjp", ".mpo"),
        *(".png", ".apng", ".webp", ".tif", ".tiff", ".bmp", ".dib"),
        *(".heic", ".heif", ".hif", ".heics", ".heifs", ".avif", ".avifs"),
    }
)
MAX_PIXELS = 100_000_000
MOST_DECODED = 250_000_000  # of formats that are decoded whole and then reduced: 4 bytes a pixel
_REDUCE = 2
WHOLE_PIXELS = 64_000_000  # JPEG pictures with more are decoded at a half, quarter or eighth
STORED_SIZE = "counterface_stored_size"  # in Pillow's `info`
_MOST_LEFTOVERS = 500_000_000  # bytes of a damaged file that are read into memory
_SUBFILE_TYPE, _REDUCED = 254, 1  # tag of TIFF, and its bit for a smaller copy
_UNSTATED = ColorTags()
_lock = Lock()
_lifted: list[int | None] = []  # Pillow's own limit, once for each block that lifts it
PAGES = "The file holds several pictures; only the first was looked at."
FILM = "A video lies behind the picture, as in motion photos; only the picture was looked at."
DAMAGE = (  # what Pillow and its plug-ins raise of damaged pictures
    *(OSError, EOFError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError),
    *(RuntimeError, SyntaxError, struct.error, zlib.error),
)
_HEIF_MISSING = "HEIC pictures need a reader of their own: pip install 'counterface[heif]'"
_FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "TIFF", "BMP", "AVIF", "HEIF")  # the only parsers tried
_FORMAT_OF_SUFFIX = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
}


def read_image(
    path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS, tell: Tell | None = None
) -> Image:
    """The picture in a file, upright.

    EXIF rotation is applied, transparency is laid on white, 16-bit samples keep their high byte.
    Colours are brought to sRGB by the embedded profile, HDR is tone-mapped. Of several pictures in
    a file (TIFF pages, animated WebP) the first is read, of a file that is cut short what is there.

    Args:
        path: a JPEG, PNG, WebP, TIFF, BMP, AVIF, or (with pillow-heif installed) HEIC file; the
            content decides, not the suffix.
        max_pixels: pictures whose header says more are refused before any pixel is decoded.
        tell: called with each note on the picture.

    Returns:
        RGB uint8 (H, W, 3), contiguous and writable.

    Raises:
        MediaError: not a picture, without pixels, too large, or nothing of it can be decoded.
    """
    from PIL import ImageOps

    file = check_file(path)
    picture = open_picture(file, max_pixels)
    with picture:
        try:
            tags = color_tags(file, picture.info.get("icc_profile"))
            with _any_size():  # TIFF looks again
                picture = ImageOps.exif_transpose(_load(file, picture, tell))
            array = np.array(to_rgb_picture(picture, tags, tell))
        except MemoryError as error:
            raise _memory_short(file) from error
        except DAMAGE as error:
            raise MediaError(
                f"{show(file)} is damaged or cut short: {error}; fetch it again"
            ) from error
    return array


def _memory_short(file: Path) -> MediaError:
    return MediaError(f"{show(file)}: not enough memory to decode it")


def _load(file: Path, picture: Any, tell: Tell | None) -> Any:
    """The picture with its pixels, or with those that are left of a damaged file."""
    if tell is not None and _has_pages(file, picture):
        tell(MediaNote("several_streams", PAGES))
    elif tell is not None and has_a_film_behind(file):
        tell(MediaNote("several_streams", FILM))
    whole = missing_bytes(file) in (None, 0) if picture.format == "WEBP" else True
    if tell is not None and STORED_SIZE in picture.info:
        width, height = picture.info[STORED_SIZE]
        factor = _REDUCE if picture.size == (width, height) else 1
        across, down = (-(-side // factor) for side in picture.size)
        text = (
            f"The picture has {width}x{height} pixels; it was read scaled down to {across}x{down}."
        )
        tell(MediaNote("scaled", text))
    try:
        picture.load()
    except DAMAGE as error:
        if file.stat().st_size > _MOST_LEFTOVERS:
            raise
        picture, whole = load_leftovers(file, load_parsers(), error), False
    if not whole:
        if picture.format == "WEBP":
            picture = grey_what_was_filled_in(file, picture)
        note = leftover_note(picture)
        if note is None:
            raise OSError("nothing of the picture can be decoded")
        if tell is not None:
            tell(note)
    return _reduce(picture)


def _has_pages(file: Path, picture: Any) -> bool:
    """Whether a HEIC or AVIF holds several pictures, or a TIFF a second that is no smaller copy."""
    if picture.format in ("HEIF", "AVIF"):
        several = int(getattr(picture, "n_frames", 1)) > 1  # no thumbnails, depth and gain maps
        return several or holds_a_track(file)
    if picture.format != "TIFF":
        return False
    try:
        picture.seek(1)
        return not int(picture.tag_v2.get(_SUBFILE_TYPE, 0)) & _REDUCED
    except DAMAGE:
        return False
    finally:
        picture.seek(0)


def open_picture(file: Path, max_pixels: int = MAX_PIXELS) -> Any:
    """The Pillow picture with only its header read; the caller closes it.

    Raises:
        MediaError: not a picture, without pixels, or more than `max_pixels`.
    """
    import PIL.Image

    formats = load_parsers()
    try:
        with _any_size():
            picture = PIL.Image.open(mend_webp(file) or file, formats=formats)
    except MemoryError as error:
        raise _memory_short(file) from error
    except DAMAGE as error:
        if foreign := name_foreign(file):
            raise MediaError(f"{show(file)} is {foreign}") from error
        raise MediaError(
            f"{show(file)} cannot be read as a picture: {_why(file, error)}"
        ) from error
    width, height = stored = picture.size
    if width * height == 0:
        picture.close()
        raise MediaError(f"{show(file)} has no pixels ({width}x{height}); fetch it again")
    if width * height > WHOLE_PIXELS and picture.format in ("JPEG", "MPO"):
        width, height = _halve(picture)
    elif MAX_PIXELS < width * height <= MOST_DECODED:
        picture.info[STORED_SIZE] = stored
        width, height = -(-width // _REDUCE), -(-height // _REDUCE)
    if width * height > max_pixels:
        picture.close()
        reduced = max_pixels >= WHOLE_PIXELS
        scaled = f" ({MOST_DECODED} where it is read scaled down)" if reduced else ""
        raise MediaError(
            f"{show(file)} has {stored[0]}x{stored[1]} pixels, more than the limit of {max_pixels}"
            f"{scaled}; scale it down, or save it as JPEG, which can be read at a part of its size"
        )
    return picture


@contextmanager
def _any_size() -> Iterator[None]:
    """A block within which Pillow has no limits of size: those of `open_picture` are stricter.

    Pillow has one limit for all threads: the first block lifts it, and the last puts it back.
    """
    import PIL.Image

    with _lock:
        _lifted.append(_lifted[0] if _lifted else PIL.Image.MAX_IMAGE_PIXELS)
        PIL.Image.MAX_IMAGE_PIXELS = None
    try:
        yield
    finally:
        with _lock:
            usual = _lifted.pop()
            if not _lifted:
                PIL.Image.MAX_IMAGE_PIXELS = usual


def _halve(picture: Any) -> tuple[int, int]:
    """The size that a very large JPEG is decoded at: a half, quarter or eighth of its own."""
    width, height = stored = picture.size
    scale = next(s for s in (2, 4, 8) if width * height <= WHOLE_PIXELS * s * s or s == 8)
    picture.draft(None, (max(1, width // scale), max(1, height // scale)))
    picture.info[STORED_SIZE] = stored
    width, height = picture.size
    return width, height


def _reduce(picture: Any) -> Any:
    """A picture other than JPEG, which has to be decoded whole, at half its size if too large."""
    width, height = picture.size
    if width * height <= MAX_PIXELS:
        return picture
    if picture.mode in ("1", "P", "PA", "I;16", "I;16B", "I;16L", "I;16N"):
        picture = _flatten(picture)
    return picture.reduce(_REDUCE)


def _why(file: Path, error: Exception) -> str:
    """The reason why a picture cannot be read, by its first bytes where Pillow cannot say."""
    if "cannot identify" not in str(error):
        return f"{error}; fetch it again"
    if lost := name_missing(file):
        return f"it is cut short: {lost}; fetch it again"
    if is_heic(file) and "HEIF" not in load_parsers():
        return _HEIF_MISSING
    if sniff(file) == "image":
        return "its header states no pixels or is damaged; fetch it again"
    return "JPEG, PNG, WebP, TIFF, BMP and AVIF are read, HEIC with counterface[heif]"


def is_heic(file: Path) -> bool:
    """Whether a file begins as a HEIC picture does; AVIF is another kind."""
    with file.open("rb") as stream:
        head = stream.read(12)
    return head[4:8] == b"ftyp" and head[8:12] in HEIF_BRANDS - {b"avif"}


def write_image(path: str | os.PathLike[str], image: Image, quality: int = 95) -> None:
    """Write the picture; a failure leaves the file as it was.

    Args:
        path: its suffix names the format (.jpg, .png, .webp, .tif, .bmp).
        image: RGB uint8 (H, W, 3).
        quality: 1 to 100, for JPEG and WebP.

    Raises:
        MediaError: an unknown suffix, or the folder cannot be written.
        ShapeError: the array is not RGB uint8.
    """
    file = Path(path)
    format_name = _FORMAT_OF_SUFFIX.get(file.suffix.lower())
    if format_name is None:
        known = ", ".join(sorted(_FORMAT_OF_SUFFIX))
        raise MediaError(f"{show(file)}: pictures are written as {known}, not {file.suffix!r}")
    write_bytes(file, encode_image(image, format_name, quality))


def encode_image(
    image: Image, format: str = "JPEG", quality: int = 90, *, lossless: bool = False
) -> bytes:
    """The picture as the bytes of a JPEG, PNG, WEBP, TIFF or BMP file.

    Args:
        image: RGB uint8 (H, W, 3).
        format: the Pillow name.
        quality: 1 to 100, for JPEG (full colour resolution from 90 on) and WebP.
        lossless: WebP alone: keep every pixel; `quality` then says nothing.
    """
    import PIL.Image

    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ShapeError(f"an image is RGB uint8 (H, W, 3), this is {image.dtype} {image.shape}")
    options: dict[str, Any] = {}
    if format in ("JPEG", "WEBP"):
        options["quality"] = quality
    if format == "WEBP" and lossless:
        options |= {"lossless": True, "quality": 0}  # of lossless WebP, quality is effort
    if format == "JPEG" and quality >= 90:
        options["subsampling"] = 0  # halved colour blurs lips and skin edges visibly
    stream = BytesIO()
    PIL.Image.fromarray(image).save(stream, format, **options)
    return stream.getvalue()


def shrink_image(image: Image, most_px: int) -> Image:
    """The picture with its longer side at most `most_px` pixels; a smaller one is given as it is.

    Args:
        image: RGB uint8 (H, W, 3).
        most_px: pixels.
    """
    import cv2

    height, width = image.shape[:2]
    scale = most_px / max(height, width)
    if scale >= 1:
        return image
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def encode_mask(mask: Mask) -> bytes:
    """A mask float32 (H, W) in [0, 1] as the bytes of a grey 8-bit PNG file, 255 for 1."""
    import PIL.Image

    if mask.ndim != 2 or mask.size == 0:
        raise ShapeError(f"a mask is (H, W), this is {mask.shape}")
    stream = BytesIO()
    levels = np.rint(np.clip(mask, 0, 1) * 255).astype(np.uint8)
    PIL.Image.fromarray(levels).save(stream, "PNG")
    return stream.getvalue()


def load_parsers() -> list[str]:
    """Pillow's names of the picture formats that are read here, their modules imported.

    Each by itself: Pillow would import all its forty parsers.
    """
    for name in ("Bmp", "Jpeg", "Mpo", "Png", "Tiff", "WebP", "Avif"):
        with suppress(ImportError):  # Pillow may be built without
            import_module(f"PIL.{name}ImagePlugin")
    with suppress(ImportError):
        import_module("pillow_heif").register_heif_opener()
    import PIL.Image

    return [name for name in _FORMATS if name in PIL.Image.OPEN]


def to_rgb_picture(picture: Any, tags: ColorTags = _UNSTATED, tell: Tell | None = None) -> Any:
    """The Pillow picture in mode RGB and the colours of sRGB; transparency is laid on white.

    Plain `convert` clips 16 bit, leaves alpha black and takes every profile for sRGB.
    """
    flat = _flatten(picture, tell)
    if "icc_profile" in picture.info:
        flat.info["icc_profile"] = picture.info["icc_profile"]
    return to_srgb(flat, tags, tell)


def _flatten(picture: Any, tell: Tell | None = None) -> Any:
    """The picture in mode L, RGB or CMYK, without transparency."""
    import PIL.Image

    mode = picture.mode
    if mode in ("I;16", "I;16L", "I;16B", "I;16N", "I"):
        samples = np.asarray(picture).astype(np.int64)
        if not (mode == "I" and samples.max() <= 255):
            samples >>= 8
        return PIL.Image.fromarray(samples.clip(0, 255).astype(np.uint8))
    if mode == "F":
        raise ValueError("floating-point samples have no agreed range; save it with 8 or 16 bits")
    if mode in ("LA", "PA", "La", "RGBA", "RGBa") or "transparency" in picture.info:
        over = picture.convert("RGBA")
        note = transparency_note(np.asarray(over)) if tell is not None else None
        if tell is not None and note is not None:
            tell(note)
        paper = PIL.Image.new("RGBA", over.size, (255, 255, 255, 255))
        return PIL.Image.alpha_composite(paper, over).convert("RGB")
    return picture if mode in ("L", "RGB", "CMYK") else picture.convert("RGB")
