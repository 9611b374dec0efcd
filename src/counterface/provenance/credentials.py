"""Content credentials (C2PA): signed into the files that we make, read from any file.

Signing and reading stay on this machine: no timestamp authority, no remote manifest, no revocation
service. Reading happens in a child process (`manifest_process`), because the file may be hostile.
Specification: https://spec.c2pa.org; library: c2pa-python, pinned, under Apache-2.0 or MIT.
"""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from counterface import __version__
from counterface.config import Record
from counterface.errors import ProvenanceError
from counterface.files import write_bytes
from counterface.media.open_file import show
from counterface.project_files import writing
from counterface.provenance import manifest_process

if TYPE_CHECKING:
    from counterface.provenance.signer import Signer

SIDECAR_SUFFIX = ".c2pa"
COMPOSITE = "compositeWithTrainedAlgorithmicMedia"
_SOURCE_TYPE = f"http://cv.iptc.org/newscodes/digitalsourcetype/{COMPOSITE}"
# IPTC digital source types that say: made or changed by a trained model.
SYNTHETIC = (COMPOSITE, "trainedAlgorithmicMedia")

EMBEDS = {  # suffixes of files that carry their credentials inside
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/quicktime",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
}
_OTHER = "application/octet-stream"

# Bytes that every signed file holds: the description box of a store, or the label of a claim.
_MARKERS = (b"jumdc2pa", b"c2pa.claim", bytes.fromhex("d8fec3d61b0e483c92975828877ec481"))

MEMORY_MB = 1500
_START_S, _BYTES_A_SECOND = 30, 50_000_000  # reading hashes the whole file
_MOST_SIDECAR = 50_000_000
_PIECE = 1 << 20  # bytes searched at a time

State = Literal["trusted", "valid_unknown_signer", "invalid", "none", "not_run"]

_WORDS = {  # what C2PA's failure codes mean
    "assertion.bmffHash.mismatch": "the content was changed after signing",
    "assertion.dataHash.mismatch": "the content was changed after signing",
    "assertion.boxesHash.mismatch": "the content was changed after signing",
    "assertion.hashedURI.mismatch": "a statement in the manifest was changed after signing",
    "assertion.missing": "a statement was taken out of the manifest",
    "claimSignature.mismatch": "the signature does not fit the manifest",
    "claimSignature.missing": "the signature was taken out",
    "signingCredential.invalid": "the signer's certificate may not sign content",
    "signingCredential.expired": "the signer's certificate had expired",
    "claimSignature.outsideValidity": "signed outside the time that the certificate is valid for",
}


class Credentials(Record):
    """What the content credentials of a file say, and whether they hold."""

    state: State
    reason: str = Field(description="the state in words, with the reason")
    place: Literal["embedded", "sidecar"] | None = None
    signer: str = Field("", description="name of the signer in the certificate")
    made_by: str = Field("", description="program and version that the manifest names")
    source_types: tuple[str, ...] = Field((), description="IPTC digital source types")
    earlier_source_types: tuple[str, ...] = Field(
        (), description="digital source types of the files that this one was made from"
    )
    ingredients: tuple[str, ...] = ()
    record_sha256: str | None = Field(None, description="SHA-256 of the record's facts")

    @property
    def says_synthetic(self) -> bool:
        """Whether valid credentials say that a trained model made or changed the content."""
        holds = self.state in ("trusted", "valid_unknown_signer")
        return holds and any(name in SYNTHETIC for name in self.source_types)


def sidecar_path(file: Path) -> Path:
    """The path of the credentials of a file that cannot carry them inside."""
    return file.with_name(file.name + SIDECAR_SUFFIX)


def sign(
    unsigned: Path,
    signed: Path,
    signer: Signer,
    *,
    name: str,
    record_sha256: str,
    target: Path | None,
    watermarked: bool,
) -> Literal["embedded", "sidecar"]:
    """The place of the credentials, once the signed copy and any sidecar are written.

    Args:
        unsigned: the encoded file.
        signed: path of the copy; a sidecar goes to `sidecar_path(signed)`.
        signer: who signs.
        name: name of the output in the credentials; its suffix gives the type of the content.
        record_sha256: SHA-256 of the facts in the record of the output.
        target: the footage whose face was replaced; None unless that is a single file.
        watermarked: whether the pixels hold our watermark.

    Raises:
        ProvenanceError: a file cannot be read or written, or the signer is refused.
    """
    import c2pa

    kind = EMBEDS.get(Path(name).suffix.lower())
    made = {"record_sha256": record_sha256}
    beside = None if kind else str(sidecar_path(signed))
    request = {"path": str(signed), "sidecar": beside, "anchors": [signer.root]}
    with writing(Path(name), ProvenanceError):
        try:
            if kind is not None and kind.startswith("video/"):
                made["unhashed_sha256"] = manifest_process.unhashed_sha256(unsigned)
            manifest = _manifest(name, made, target, watermarked)
            for carry in (True, False):
                context = c2pa.Context(manifest_process.settings([signer.root]))
                builder = c2pa.Builder(manifest, context)
                if target is not None:
                    _add_target(builder, target, carry=carry)
                _write(builder, signer, unsigned, signed, kind)
                found = manifest_process.answer(request)
                if found.get("state") == "Trusted" and "loose" not in found:
                    return "sidecar" if kind is None else "embedded"
                # The target's own credentials are damaged, or of a form that we cannot follow.
        except (c2pa.C2paError, ValueError, struct.error) as error:
            raise ProvenanceError(f"{show(name)}: cannot be signed: {error}") from error
    why = found.get("error") or found.get("loose") or found.get("failures")
    raise ProvenanceError(f"{show(name)}: what was just signed does not hold: {why}")


def _write(builder: Any, signer: Signer, unsigned: Path, signed: Path, kind: str | None) -> None:
    """Write the signed copy, or a plain copy and its sidecar."""
    import c2pa

    if kind is None:
        builder.set_no_embed()
    algorithm = getattr(c2pa.C2paSigningAlg, signer.algorithm.upper())
    native = c2pa.Signer.from_callback(signer.sign, algorithm, signer.chain)
    raw = _SignedCopy(signed, "w+")
    with unsigned.open("rb") as source, io.BufferedRandom(raw) as out:
        try:
            store = builder.sign(native, kind or _OTHER, source, out)
        except c2pa.C2paError as error:
            if raw.refused:
                raise raw.refused from error
            raise
        out.flush()
        os.fsync(out.fileno())
    if kind is None:
        write_bytes(sidecar_path(signed), store)


def _manifest(
    name: str, made: dict[str, str], target: Path | None, watermarked: bool
) -> dict[str, Any]:
    agent = {"name": manifest_process.GENERATOR, "version": __version__}
    actions: list[dict[str, Any]] = [
        {"action": "c2pa.created", "digitalSourceType": _SOURCE_TYPE, "softwareAgent": agent}
    ]
    if target is not None:
        actions.append({"action": "c2pa.placed", "parameters": {"ingredientIds": ["target"]}})
    if watermarked:
        actions.append({"action": "c2pa.watermarked.unbound", "softwareAgent": agent})
    return {
        "claim_generator_info": [agent],
        "title": name,
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": actions}},
            {"label": manifest_process.MADE_LABEL, "data": made},
        ],
    }


def _add_target(builder: Any, target: Path, *, carry: bool) -> None:
    """Add the target as an ingredient, with the credentials in it if `carry`."""
    import c2pa

    about = {"title": target.name, "relationship": "componentOf", "label": "target"}
    kind = EMBEDS.get(target.suffix.lower(), _OTHER) if carry else _OTHER
    with target.open("rb") as stream:
        try:
            builder.add_ingredient(about, kind, stream)
        except c2pa.C2paError:  # named mp4 but something else, or credentials beyond repair
            stream.seek(0)
            builder.add_ingredient(about, _OTHER, stream)


class _SignedCopy(io.FileIO):
    """The signed copy while it is written: keeps the disk's error, which c2pa does not pass on."""

    refused: OSError | None = None

    def write(self, data: Any) -> Any:
        try:
            return super().write(data)
        except OSError as error:
            self.refused = self.refused or error
            raise

    def readinto(self, buffer: Any) -> Any:
        try:
            return super().readinto(buffer)
        except OSError as error:
            self.refused = self.refused or error
            raise


def carries_credentials(file: Path) -> bool:
    """Whether there are credentials, damaged or not, in the file or beside it.

    Raises:
        OSError: the file cannot be read.
    """
    return _is_there(sidecar_path(file)) or _has_marker(file)


def read_credentials(file: Path, anchors: Sequence[str] = ()) -> Credentials:
    """The credentials in a file, or in the sidecar beside it, and whether they hold.

    Args:
        file: file of any kind; damaged and hostile ones too.
        anchors: PEM texts of the certificates whose holders are trusted.
    """
    try:
        size = file.stat().st_size
        embedded = _has_marker(file)
        sidecar = None if embedded else sidecar_path(file)
        if sidecar is not None and not _is_there(sidecar):
            return Credentials(state="none", reason="The file carries no content credentials.")
        if sidecar is not None and sidecar.stat().st_size > _MOST_SIDECAR:
            return _invalid("sidecar", "the sidecar is larger than any manifest")
    except OSError as error:
        return _not_run(f"the file cannot be read: {error.strerror or error}")
    place: Literal["embedded", "sidecar"] = "sidecar" if sidecar else "embedded"
    try:
        found = _ask(
            {
                "path": str(file.absolute()),
                "sidecar": None if sidecar is None else str(sidecar.absolute()),
                "anchors": list(anchors),
                "memory_mb": MEMORY_MB,
                "cpu_s": _START_S + size // _BYTES_A_SECOND,
            }
        )
    except subprocess.TimeoutExpired:
        return _invalid(place, "they could not be read in the time allowed; damaged or hostile")
    except (OSError, ValueError) as error:
        return _not_run(f"the reading process could not be used: {error}")
    if found is None:
        return _invalid(place, "reading them ended the reading process; damaged or hostile")
    return _judge(found, place)


def _is_there(sidecar: Path) -> bool:
    """Whether there is a sidecar; a file whose name is too long for one has none."""
    return os.path.isfile(sidecar)  # noqa: PTH113  (`Path.is_file` raises there)


def _has_marker(file: Path) -> bool:
    """Whether the bytes hold anything that only signed files hold."""
    longest = max(map(len, _MARKERS))
    data = b""
    with file.open("rb") as stream:
        while piece := stream.read(_PIECE):  # small, so that other threads get their turn
            data = data[-longest:] + piece
            if any(marker in data for marker in _MARKERS):
                return True
    return False


def _ask(request: dict[str, Any]) -> dict[str, Any] | None:
    """The child's answer; None where it died."""
    done = subprocess.run(
        # -P: a file named json.py in the current folder must not be imported.
        [sys.executable, "-P", "-B", "-m", "counterface.provenance.manifest_process"],
        input=json.dumps(request).encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        timeout=2.0 * request["cpu_s"],
        check=False,
        start_new_session=True,
    )
    if done.returncode != 0 or not done.stdout:
        return None
    values: dict[str, Any] = json.loads(done.stdout)
    return values


def _judge(found: dict[str, Any], place: Literal["embedded", "sidecar"]) -> Credentials:
    if not found["found"]:
        return _invalid(place, "parts of them are in the file, but no whole manifest")
    if "error" in found:
        return _invalid(place, f"the manifest cannot be read ({found['error']})")
    facts: dict[str, Any] = {
        "place": place,
        "signer": found["signer"],
        "made_by": found["generator"].replace("/", " ").strip(),
        "source_types": tuple(found["source_types"]),
        "earlier_source_types": tuple(found["earlier_source_types"]),
        "ingredients": tuple(found["ingredients"]),
        "record_sha256": found["made"].get("record_sha256"),
    }
    if "loose" in found:
        return _invalid(place, f"bytes outside the signature were changed: {found['loose']}", facts)
    who = found["signer"] or "a signer without name"
    if found["state"] == "Trusted":
        reason = f"The content credentials are valid; signed by {who}, trusted on this machine."
        return Credentials(state="trusted", reason=reason, **facts)
    if found["state"] == "Valid":
        reason = (
            f"The content credentials are valid, but nobody you trust vouches for their signer, "
            f"{who}."
        )
        return Credentials(state="valid_unknown_signer", reason=reason, **facts)
    failures = [(c, text) for c, text in found["failures"] if c != "signingCredential.untrusted"]
    words = dict.fromkeys(_WORDS.get(code) or text or code for code, text in failures)
    return _invalid(place, "; ".join(words) or "no reason was given", facts)


def _invalid(
    place: Literal["embedded", "sidecar"], why: str, facts: dict[str, Any] | None = None
) -> Credentials:
    reason = f"The content credentials do not hold: {why}."
    return Credentials(state="invalid", reason=reason, **{**(facts or {}), "place": place})


def _not_run(why: str) -> Credentials:
    return Credentials(state="not_run", reason=f"Content credentials were not read: {why}.")
