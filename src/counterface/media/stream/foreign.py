"""The kind of a file that holds no picture, video or sound, by its first bytes."""

from __future__ import annotations

import re
from pathlib import Path

HEAD = 1024  # bytes that tell it

_NAME, _UNPACK, _SAVE = "name a picture or video", "unpack it", "save it as PNG or JPEG"
_PAGE = "the server sent a page in place of the file; fetch it again"
_LFS = "get the file itself by 'git lfs pull'"

_SIGNATURES: tuple[tuple[bytes, str, str], ...] = (  # how it begins, what it is, the next step
    (b"%PDF-", "a PDF document", _SAVE),
    (b"%!PS", "a PostScript document", _SAVE),
    (b"PK\x03\x04", "a ZIP archive or office document", _UNPACK),
    (b"PK\x05\x06", "an empty ZIP archive", _NAME),
    (b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _UNPACK),
    (b"\x1f\x8b\x08", "a gzip archive", _UNPACK),
    (b"BZh", "a bzip2 archive", _UNPACK),
    (b"\xfd7zXZ\x00", "an XZ archive", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive", _UNPACK),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an office document", _NAME),
    (b"{\\rtf", "an RTF document", _NAME),
    (b"8BPS", "a Photoshop document", _SAVE),
    (b"gimp xcf", "a GIMP document", _SAVE),
    (b"\xff\x0a", "a JPEG XL picture", _SAVE),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL picture", _SAVE),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 picture", _SAVE),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 picture", _SAVE),
    (b"v/1\x01", "an OpenEXR picture", _SAVE),
    (b"#?RADIANCE", "a Radiance HDR picture", _SAVE),
    (b"\x00\x00\x01\x00", "an icon", _SAVE),
    (b"FUJIFILMCCD-RAW", "a raw photo", _SAVE),
    (b"\x7fELF", "a program", _NAME),
    (b"MZ", "a Windows program", _NAME),
    (b"\xca\xfe\xba\xbe", "a program", _NAME),
    (b"\xcf\xfa\xed\xfe", "a program", _NAME),
    (b"SQLite format 3\x00", "an SQLite database", _NAME),
    (b"PAR1", "a Parquet table", _NAME),
    (b"\x93NUMPY", "a NumPy array", _NAME),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", _NAME),
    (b"\x00\x05\x16\x07", "what macOS keeps beside a file", "name the file without '._'"),
    (b"\x00\x05\x16\x00", "what macOS keeps beside a file", "name the file without '._'"),
    (b"version https://git-lfs", "a pointer of Git LFS", _LFS),
    (b"-----BEGIN ", "a PEM certificate or key", _NAME),
)
_MARKUP = (
    (re.compile(r"<(!doctype\s+html|html|head|body|script)\b", re.I), "a web page (HTML)", _PAGE),
    (re.compile(r"<svg\b", re.I), "an SVG drawing", _SAVE),
    (re.compile(r"<(\?xml|[a-z]+)\b", re.I), "an XML document", _PAGE),
)
_BOMS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}


def name_foreign(path: Path) -> str:
    """The kind of a file and the next step: "a ZIP archive, not a picture or video ...; unpack it".

    Empty where its first bytes do not tell.
    """
    with path.open("rb") as stream:
        found = _name(stream.read(HEAD))
    return f"{found[0]}, not a picture or video that is read here; {found[1]}" if found else ""


def _name(head: bytes) -> tuple[str, str] | None:
    for signature, name, step in _SIGNATURES:
        if head.startswith(signature):
            return name, step
    if head and not head.strip(b"\0"):
        return "nothing but zeros", "fetch it again"
    text = (_text(head) or "").strip()
    if not text:
        return None
    if text.startswith("<"):
        return next(((n, step) for tag, n, step in _MARKUP if tag.search(text)), ("text", _NAME))
    return ("a JSON document" if text[0] in "{[" else "text"), _NAME


def _text(head: bytes) -> str | None:
    """The bytes as text; None where they are none."""
    encoding = next((name for bom, name in _BOMS.items() if head.startswith(bom)), "utf-8")
    try:
        text = head.decode(encoding)
    except UnicodeDecodeError as error:
        if len(head) < HEAD or error.start < len(head) - 4:  # a letter may be cut at the end
            return None
        text = head[: error.start].decode(encoding)
    controls = sum(not (letter.isprintable() or letter in "\t\r\n\f") for letter in text)
    return text if text.strip() and not controls else None
