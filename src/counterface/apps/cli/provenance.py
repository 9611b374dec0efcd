"""`counterface provenance ...`: check files, show who signs here, exchange known fakes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from counterface.apps.cli import output
from counterface.apps.cli.app import Json
from counterface.errors import ConfigError, MediaError, ProvenanceError
from counterface.files import write_bytes
from counterface.wording import counted

if TYPE_CHECKING:
    from counterface.provenance.fingerprint import ListImport
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
    watermark is that of this machine's key, and known fakes are those made here or imported. Exit
    code 0: all files were checked, whatever was found; 2: some could not be checked; 1: wrong use.

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


def export(file: Path, /, *, json_output: Json = False) -> int:
    """Write the known fakes of this machine as a CSV list: hashes, names of files, times.

    Other programs that compare PDQ hashes read the column `hash`. Paths of records stay here.

    Args:
        file: CSV file to write.
    """
    from counterface.provenance.fingerprint import KnownFakes, export_known_fakes
    from counterface.provenance.home import home_dir

    output.require_place(file, "export")
    hashes = export_known_fakes(KnownFakes(home_dir()), file)
    facts = {"file": shown(file), "hashes": hashes}
    return output.tell(facts, [f"{file}: {counted(hashes, 'hash', 'hashes')}"], json_output)


def import_(
    lists: Annotated[tuple[Path, ...], Parameter(help="CSV files", negative="")],
    /,
    *,
    json_output: Json = False,
) -> int:
    """Add CSV lists of PDQ hashes to the known fakes; run again to continue.

    A list needs a column `hash`, 64 hexadecimal digits; `sha256`, `name`, `kind`, `when`, `pts` and
    `quality` are read where they are there. A wrong row is left out and named. What is imported is
    a hint and never proof, because nobody here saw it made. Exit code 2: some rows were left out,
    or a list could not be read.
    """
    from counterface.provenance.fingerprint import KnownFakes, import_known_fakes
    from counterface.provenance.home import home_dir

    failed = 0
    for path in lists:
        try:
            with output.progress("import") as report:
                done = import_known_fakes(KnownFakes(home_dir()), path, report)
        except ProvenanceError as error:
            failed += 1
            facts = {"file": shown(path), "error": str(error)}
            output.tell(facts, [str(path), f"  failed: {error}"], json_output)
        else:
            failed += done.wrong
            counts = {"file": shown(path), **asdict(done)}
            output.tell(counts, [str(path), *_import_lines(done)], json_output)
    return 2 if failed else 0


def _import_lines(done: ListImport) -> Iterator[str]:
    hashes = counted(done.hashes, "hash", "hashes")
    yield f"  added        {hashes}, {counted(done.files, 'file')}; {done.known} known already"
    if done.flat:
        yield f"  left out     {done.flat} of pictures with too little detail"
    for row in done.wrong_rows:
        yield f"  ! line {row.line} left out: {row.reason}"
    if (more := done.wrong - len(done.wrong_rows)) > 0:
        yield f"  ! and {more} more"
