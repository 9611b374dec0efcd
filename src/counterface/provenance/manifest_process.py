"""The child process that reads a file's C2PA manifest: `python -m ...manifest_process`.

It takes one request as JSON on standard input and gives one answer as JSON. It gives up rights
before it looks at the file: no writing, no core dumps, few open files, limits on memory and CPU.
The worst that a hostile file can do is to end this process. Nothing here can reach the network:
fetching of remote manifests and of OCSP answers is switched off.

C2PA leaves some bytes of a file out of its hashes: in MP4 and MOV the file type box and free
space, in every container the manifest's own box headers, labels and padding. In files that
Counterface signed, those bytes are known exactly, and `find_loose_bytes` checks them.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

MADE_LABEL = "org.counterface.made"  # our assertion: hashes of the record and of unhashed boxes
GENERATOR = "Counterface"

_UNHASHED = {b"ftyp", b"free", b"skip", b"mfra"}  # C2PA leaves them out of its hash of an MP4
_C2PA_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_OWN_PARTS = ["c2pa.assertions", "c2pa.claim.v2", "c2pa.signature"]
_PARTS = {*_OWN_PARTS, "c2pa.claim", "c2pa.credentials", "c2pa.databoxes"}
_MOST_MANIFEST = 50_000_000  # bytes of manifest that are looked at
_LONGEST = 400  # characters of a text out of a manifest
_MANY = 64  # entries of a list out of a manifest


class LooseBytesError(ValueError):
    """An unprotected byte differs from what Counterface writes; the text says where."""


def settings(anchors: list[str]) -> Any:
    """c2pa's settings: offline, without thumbnails, trusting these PEM certificates alone."""
    import c2pa

    values: dict[str, Any] = {
        "version": 1,
        "core": {"allowed_network_hosts": []},
        "builder": {"thumbnail": {"enabled": False}},
        "verify": {"verify_trust": True, "ocsp_fetch": False, "remote_manifest_fetch": False},
    }
    if anchors:
        values["trust"] = {"user_anchors": "".join(anchors)}
    return c2pa.Settings.from_dict(values)


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """The facts of the file's manifest and whether it holds, as plain values.

    Args:
        request: path of the file, path of a sidecar or None, PEM texts of trusted certificates.
    """
    import c2pa

    context = c2pa.Context(settings(request["anchors"]))
    sidecar = request["sidecar"]
    manifest = Path(sidecar).read_bytes() if sidecar else None
    try:
        with Path(request["path"]).open("rb") as stream:
            # Beside a sidecar the file is any bytes, else c2pa tells the type from the content.
            kind = "application/octet-stream" if sidecar else None
            reader = c2pa.Reader(kind, stream, manifest, context)
            values = json.loads(reader.json())
            state = reader.get_validation_state()
            results = reader.get_validation_results() or {}
        found = _summary(values, state, results)
        if state in ("Trusted", "Valid") and found["generator"].split("/")[0] == GENERATOR:
            try:
                unhashed = found["made"].get("unhashed_sha256")
                find_loose_bytes(Path(request["path"]), manifest, unhashed)
            except (struct.error, IndexError, ValueError) as error:  # LooseBytesError is one
                found["loose"] = str(error) or "the manifest cannot be followed"
        return found
    except c2pa.C2paError as error:
        text = str(error)
        if text.startswith(("ManifestNotFound", "NotSupported")):
            return {"found": False}
        return {"found": True, "error": _clean(text)}


def _summary(values: dict[str, Any], state: str, results: dict[str, Any]) -> dict[str, Any]:
    """The few facts of a manifest store that are reported, cleaned."""
    manifests = values.get("manifests") or {}
    label = values.get("active_manifest")
    active = manifests.get(label) or {}
    generator = (active.get("claim_generator_info") or [{}])[0]
    signature = active.get("signature_info") or {}
    failures = (results.get("activeManifest") or {}).get("failure") or []
    for delta in results.get("ingredientDeltas") or []:
        failures += (delta.get("validationDeltas") or {}).get("failure") or []
    made = next((d for name, d in _assertions(active) if name.startswith(MADE_LABEL)), {})
    earlier = [m for name, m in manifests.items() if name != label]
    return {
        "found": True,
        "state": state,
        "failures": [
            [_clean(f.get("code", "")), _clean(f.get("explanation", ""))] for f in failures[:_MANY]
        ],
        "generator": _clean(f"{generator.get('name', '')}/{generator.get('version', '')}"),
        "signer": _clean(
            ", ".join(str(signature[k]) for k in ("common_name", "issuer") if signature.get(k))
        ),
        "source_types": sorted(_source_types(active))[:_MANY],
        "earlier_source_types": sorted({s for m in earlier for s in _source_types(m)})[:_MANY],
        "ingredients": [_clean(i.get("title") or "") for i in active.get("ingredients") or []],
        "made": {k: _clean(v) for k, v in made.items() if isinstance(v, str)},
    }


def _assertions(manifest: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for assertion in manifest.get("assertions") or []:
        if isinstance(assertion.get("data"), dict):
            yield str(assertion.get("label")), assertion["data"]


def _source_types(manifest: dict[str, Any]) -> set[str]:
    """The last parts of the IPTC digital source types that a manifest's actions name."""
    return {
        _clean(str(action["digitalSourceType"]).rsplit("/", 1)[-1])
        for name, data in _assertions(manifest)
        if name.startswith("c2pa.actions")
        for action in data.get("actions") or []
        if isinstance(action, dict) and action.get("digitalSourceType")
    }


def _clean(text: object) -> str:
    """Text out of a hostile manifest: short, on one line, without control characters."""
    words = " ".join(str(text)[: 2 * _LONGEST].split())[:_LONGEST]
    return "".join(c if c.isprintable() else "?" for c in words)


def find_loose_bytes(path: Path, sidecar: bytes | None, unhashed: str | None) -> None:
    """Check that all bytes that C2PA leaves unprotected are as Counterface writes them.

    Args:
        path: the file.
        sidecar: its manifest, if that is not in the file.
        unhashed: result of `unhashed_sha256` before signing; the signed manifest holds it.

    Raises:
        LooseBytesError: one of them differs; the text says where.
    """
    if sidecar is not None:
        _check_store(sidecar)
        return
    with path.open("rb") as stream:
        start = stream.read(12)
        stream.seek(0)
        if start.startswith(b"\x89PNG"):
            _check_store(_png_store(stream))
        elif start.startswith(b"\xff\xd8"):
            _check_store(_jpeg_store(stream))
        elif unhashed is not None:
            _check_store(_bmff_store(stream, unhashed))
        else:
            raise LooseBytesError("the container is not one that Counterface signs")


def unhashed_sha256(path: Path) -> str:
    """The SHA-256 of those boxes of an MP4 or MOV that C2PA leaves out of its hash."""
    with path.open("rb") as stream:
        return _walk_bmff(stream)[0]


def _require(condition: bool, where: str) -> None:
    if not condition:
        raise LooseBytesError(where)


def _walk_bmff(stream: BinaryIO) -> tuple[str, list[bytes]]:
    """The digest of the unhashed boxes in their order, and the contents of the manifests' boxes."""
    digest, stores, at, end = hashlib.sha256(), [], 0, stream.seek(0, io.SEEK_END)
    while at + 8 <= end:
        stream.seek(at)
        size, kind = struct.unpack(">I4s", stream.read(8))
        if size == 1:
            size = struct.unpack(">Q", stream.read(8))[0]
        size = size or end - at
        _require(8 <= size <= end - at, "the size of a box")
        if kind in _UNHASHED:
            stream.seek(at)
            for start in range(0, size, 1 << 20):
                digest.update(stream.read(min(1 << 20, size - start)))
        elif kind == b"uuid" and stream.read(16) == _C2PA_UUID:
            _require(24 <= size <= _MOST_MANIFEST, "the size of the manifest")
            stores.append(stream.read(size - 24))
        at += size
    _require(at == end, "bytes after the last box")
    return digest.hexdigest(), stores


def _bmff_store(stream: BinaryIO, unhashed: str) -> bytes:
    digest, stores = _walk_bmff(stream)
    _require(digest == unhashed, "the file type box, or a free, skip or mfra box")
    _require(len(stores) == 1, "the number of manifest boxes")
    lead = bytes(4) + b"manifest\0" + bytes(8)
    _require(stores[0].startswith(lead), "the head of the manifest's box")
    return stores[0][len(lead) :]


def _png_store(stream: BinaryIO) -> bytes:
    stream.seek(8)
    while len(head := stream.read(8)) == 8:
        size, kind = struct.unpack(">I4s", head)
        if kind == b"caBX":
            _require(size <= _MOST_MANIFEST, "the size of the manifest")
            data = stream.read(size)
            (crc,) = struct.unpack(">I", stream.read(4))
            _require(zlib.crc32(kind + data) == crc, "the check sum of the manifest's chunk")
            return data
        stream.seek(size + 4, io.SEEK_CUR)
    raise LooseBytesError("the manifest's chunk")


def _jpeg_store(stream: BinaryIO) -> bytes:
    """The manifest from its APP11 segments; each begins with 'JP', a number and a count."""
    stream.seek(2)
    data, number = b"", 0
    while True:
        mark, size = struct.unpack(">HH", stream.read(4))
        if mark != 0xFFEB:
            if data:
                return data
            _require(0xFFC0 <= mark < 0xFFFE and mark != 0xFFDA, "the manifest's segment")
            stream.seek(size - 2, io.SEEK_CUR)
            continue
        segment = stream.read(size - 2)
        number += 1
        # number of the box, then of the segment: c2pa writes one box, segments from 1 on
        _require(segment[:8] == b"JP\x02\x11" + struct.pack(">I", number), "a segment's head")
        if data:  # each further segment repeats the box's length and type
            _require(segment[8:16] == data[:8], "a segment's repeated box head")
        data += segment[16:] if data else segment[8:]
        _require(len(data) <= _MOST_MANIFEST, "the size of the manifest")


def _boxes(data: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        _require(8 <= size <= len(data) - at, "the size of a manifest box")
        found.append((kind, data[at + 8 : at + size]))
        at += size
    return found


def _superbox(content: bytes) -> tuple[str, list[tuple[bytes, bytes]]]:
    """The label of a JUMBF superbox, and the type and content of each box inside."""
    (kind, about), *inner = _boxes(content)
    _require(kind == b"jumd", "a manifest box without description")
    label, _, private = about[17:].partition(b"\0")
    # 3: can be asked for, has a label; 16 more: salted by a private box
    _require(about[16] == (0x13 if private else 0x03), "a flag in the manifest")
    _require(not private or [k for k, _ in _boxes(private)] == [b"c2sh"], "a salt box")
    return label.decode("utf-8", "replace"), inner


def _check_store(data: bytes) -> None:
    """Check that the boxes around the manifests are as c2pa writes them for Counterface."""
    outer = _boxes(data)
    _require([kind for kind, _ in outer] == [b"jumb"], "the manifest store's box")
    label, store = _superbox(outer[0][1])
    _require(label == "c2pa", "the label of the manifest store")
    manifests = [_superbox(content)[1] for kind, content in store if kind == b"jumb"]
    _require(len(manifests) == len(store) > 0, "the kind of a manifest")
    for manifest in manifests:
        parts = dict(_superbox(content) for _, content in manifest)
        _require(len(parts) == len(manifest), "two parts of one name in a manifest")
        _require(set(parts) <= _PARTS, "a label in the manifest")
        for _, assertion in parts.get("c2pa.assertions", ()):
            _superbox(assertion)
    _require(list(parts) == _OWN_PARTS, "a label in the manifest")  # the last one is active
    ((kind, signature),) = parts["c2pa.signature"]
    _require(kind == b"cbor", "the kind of the signature box")
    _check_padding(signature)


def _check_padding(cose: bytes) -> None:
    """Check that the only unsigned entry of the signature is `pad`, and that it is all zero."""
    _require(cose[:2] == b"\xd2\x84", "the head of the signature")
    start, size = _byte_string(cose, 2)
    at = start + size
    _require(cose[at : at + 5] == b"\xa1\x63pad", "the unsigned part of the signature")
    start, size = _byte_string(cose, at + 5)
    _require(not any(cose[start : start + size]), "the padding of the signature")
    _require(cose[start + size] == 0xF6, "the payload of the signature")
    start, size = _byte_string(cose, start + size + 1)
    _require(start + size == len(cose), "bytes after the signature")


def _byte_string(cbor: bytes, at: int) -> tuple[int, int]:
    """The start and length of a CBOR byte string."""
    head = cbor[at]
    _require(head >> 5 == 2 and head & 31 <= 26, "a length in the signature")
    width = {24: 1, 25: 2, 26: 4}.get(head & 31, 0)
    size = int.from_bytes(cbor[at + 1 : at + 1 + width], "big") if width else head & 31
    return at + 1 + width, size


def restrict(memory_mb: int, cpu_s: int) -> None:
    """Take away this process's rights to write files, to dump core, and to use more than this."""
    import resource

    for kind, value in (
        (resource.RLIMIT_AS, memory_mb * 1_000_000),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 32),
    ):
        hard = resource.getrlimit(kind)[1]
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)  # a ulimit stays one
        resource.setrlimit(kind, (most, most))


def main() -> None:
    """Answer the one request on standard input."""
    request = json.load(sys.stdin)
    if sys.platform == "linux":  # elsewhere the limits are ignored or end the process at once
        restrict(request["memory_mb"], request["cpu_s"])
    sys.stdout.write(json.dumps(answer(request)))


if __name__ == "__main__":
    main()
