"""`counterface provenance ...`: check where a file comes from, show who signs here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from counterface.apps.cli import output
from counterface.apps.cli.app import Json
from counterface.errors import ConfigError, MediaError
from counterface.files import write_bytes

if TYPE_CHECKING:
    from counterface.provenance.signer import Identity
    from counterface.provenance.verify import Provenance


def verify(
    files: Annotated[tuple[Path, ...], Parameter(help="files, folders, globs", negative="")],
    /,
    *,
    trust: Annotated[tuple[Path, ...], Parameter(negative="")] = (),
    json_output: Json = False,
) -> int:
    """Say which marks files carry, and whether they hold.

    Credentials are trusted, valid of an unknown signer, invalid (with the reason) or absent. The
    watermark is that of this machine's key, and known fakes are those made here. Exit code 0: all
    files were checked, whatever was found; 2: some could not be checked; 1: wrong use.

    Args:
        trust: PEM files of certificates to trust besides the user's own.
    """
    from counterface.media.find_media import find_media
    from counterface.provenance.signer import read_anchor
    from counterface.provenance.verify import verify_file

    if not files:
        raise ConfigError("no file named; say 'counterface provenance verify clip.mp4'")
    anchors = [read_anchor(path) for path in trust]
    failed = 0
    for path in find_media(files):
        try:
            found = verify_file(path, anchors=anchors)
        except MediaError as error:
            failed += 1
            facts = {"file": shown(path), "error": str(error)}
            output.tell(facts, [str(path), f"  failed: {error}"], json_output)
        else:
            facts = {"file": shown(path), **found.model_dump(mode="json")}
            output.tell(facts, [str(path), *describe(found)], json_output)
    return 2 if failed else 0


def shown(path: Path) -> str:
    """The path as text that JSON can hold: bytes that are no UTF-8 are escaped."""
    return str(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def describe(found: Provenance) -> Iterator[str]:
    """The marks of a file in a few lines of plain words."""
    if found.mark:
        yield f"  MADE BY A MACHINE: {found.mark}"
    elif found.doubt and found.doubt != found.known_fake.reason:
        yield f"  ! {found.doubt}"
    for title, block in (
        ("credentials", found.credentials),
        ("watermark", found.watermark),
        ("known fakes", found.known_fake),
        ("record", found.record),
    ):
        state = block.state.replace("_", " ")
        yield f"  {title:12} {state}: {block.reason}"


def identity(
    *,
    export: Annotated[Path | None, Parameter(negative="")] = None,
    json_output: Json = False,
) -> int:
    """Show who signs what is made here; the local identity is created if there is none.

    Args:
        export: PEM file to write: the certificate that others have to trust; it holds no secret.
    """
    from counterface.provenance.signer import describe_signer, open_signer

    signer = open_signer()
    about = describe_signer(signer)
    if export is not None:
        write_bytes(export, signer.root.encode("ascii"))
    return output.tell(about, _identity_lines(about), json_output)


def _identity_lines(about: Identity) -> Iterator[str]:
    kind = "made on this machine; nobody else vouches for it" if about.self_made else "configured"
    yield f"subject      {about.subject} ({kind})"
    yield f"fingerprint  {about.fingerprint}"
    yield f"algorithm    {about.algorithm}"
    yield f"valid        {about.made:%Y-%m-%d} to {about.expires:%Y-%m-%d}"
    yield f"file         {about.path or 'none'}"
