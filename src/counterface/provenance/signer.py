"""Who signs: a local identity made on first use, or a certificate that the user brings.

The local identity proves that a file is unchanged since a key on this machine signed it. It does
not prove who you are: nobody but you has vouched for its certificate.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pydantic import Field

from counterface.config import Record
from counterface.errors import ProvenanceError
from counterface.project_files import read_bytes, reading
from counterface.provenance.home import IDENTITY_FILE, home_dir, read_or_make

MOST_BYTES = 1_000_000  # of a PEM file
TRUST_FOLDER = "trust"  # in the home folder: PEM files of certificates that the user trusts
CERT_VARIABLE, KEY_VARIABLE = "COUNTERFACE_SIGN_CERT", "COUNTERFACE_SIGN_KEY"
# No timestamp authority is asked (nothing leaves the machine), so nothing can show that a signature
# was made before its certificate expired. The certificate therefore has to last.
_YEARS = 30
_ROOT = "Counterface local root"  # common name

_CURVES: dict[str, tuple[str, hashes.HashAlgorithm]] = {  # curve -> C2PA's name, hash
    "secp256r1": ("es256", hashes.SHA256()),
    "secp384r1": ("es384", hashes.SHA384()),
    "secp521r1": ("es512", hashes.SHA512()),
}


@dataclass(frozen=True, slots=True)
class Signer:
    """A certificate chain and a function that signs with its key.

    Build one with your own `sign` if the key lies in a token or a service.
    """

    chain: str  # PEM, the signing certificate first, its root last
    algorithm: str  # es256, es384, es512, ps256 or ed25519
    sign: Callable[[bytes], bytes]  # signature over the bytes; ECDSA as DER
    path: Path | None = None  # where the certificate was read

    @property
    def certificates(self) -> list[x509.Certificate]:
        """The chain, the signing certificate first.

        Raises:
            ProvenanceError: it is not a chain of PEM certificates.
        """
        try:
            return x509.load_pem_x509_certificates(self.chain.encode("ascii"))
        except ValueError as error:
            raise ProvenanceError(f"{self.path or 'signer'}: no PEM certificate in it") from error

    @property
    def root(self) -> str:
        """The last certificate of the chain as PEM: what others have to trust."""
        return _pem(self.certificates[-1])


class Identity(Record):
    """What is publicly known of a signer."""

    subject: str
    fingerprint: str = Field(description="SHA-256 of the signing certificate, hexadecimal")
    made: datetime
    expires: datetime
    algorithm: str
    self_made: bool = Field(description="whether nobody else vouches for the certificate")
    path: str | None

    @property
    def payload(self) -> int:
        """The payload of this signer's watermarks: the first 32 bits of the fingerprint."""
        return int(self.fingerprint[:8], 16)


def open_signer(home: Path | None = None) -> Signer:
    """The signer in use: the configured one, else the local identity, made on first use.

    Args:
        home: the user's private folder; `home_dir()` by default.

    Raises:
        ProvenanceError: the files named by the environment, or the identity, cannot be used.
    """
    return configured_signer() or local_signer(home)


def configured_signer() -> Signer | None:
    """The signer that COUNTERFACE_SIGN_CERT and COUNTERFACE_SIGN_KEY name, if they are set.

    Raises:
        ProvenanceError: only one is set, or the files cannot be used.
    """
    cert, key = os.environ.get(CERT_VARIABLE), os.environ.get(KEY_VARIABLE)
    if not cert and not key:
        return None
    if not cert or not key:
        here, lacks = (CERT_VARIABLE, KEY_VARIABLE) if cert else (KEY_VARIABLE, CERT_VARIABLE)
        raise ProvenanceError(f"{here} is set but {lacks} is not; signing needs both files")
    return pem_signer(Path(cert), Path(key))


def pem_signer(cert: Path, key: Path) -> Signer:
    """A signer from a PEM certificate chain and a PEM private key without a password.

    Raises:
        ProvenanceError: a file cannot be read, or the key is not the certificate's.
    """
    with reading(cert, ProvenanceError, what="the signer's certificate cannot be read"):
        chain = read_bytes(cert, MOST_BYTES).decode("ascii")
    with reading(key, ProvenanceError, what="the signer's key cannot be read"):
        secret = read_bytes(key, MOST_BYTES)
    return _signer(chain, secret, cert, key)


def local_signer(home: Path | None = None) -> Signer:
    """The identity of this user on this machine, made on first use.

    Raises:
        ProvenanceError: it cannot be made or read, or others can read it.
    """
    path = (home or home_dir()) / IDENTITY_FILE
    data = read_or_make(path, _make_identity)
    return _signer(data.decode("ascii", "replace"), data, path, path)


def has_local_identity(home: Path | None = None) -> bool:
    """Whether the local identity has been made."""
    return ((home or home_dir()) / IDENTITY_FILE).exists()


def trust_anchors(home: Path | None = None) -> list[str]:
    """The certificates trusted on this machine, as PEM texts.

    They are the roots of the configured signer and of the local identity, where there are any, and
    the files `*.pem` in the folder `trust` of the home folder.

    Raises:
        ProvenanceError: one of them cannot be read.
    """
    own = [configured_signer(), local_signer(home) if has_local_identity(home) else None]
    roots = [signer.root for signer in own if signer is not None]
    files = sorted(((home or home_dir()) / TRUST_FOLDER).glob("*.pem"))
    return roots + [read_anchor(path) for path in files]


def read_anchor(path: Path) -> str:
    """The certificates in a PEM file, one or several, as PEM text.

    Raises:
        ProvenanceError: the file cannot be read or holds no certificate.
    """
    with reading(path, ProvenanceError, what="no PEM certificate can be read"):
        certificates = x509.load_pem_x509_certificates(read_bytes(path, MOST_BYTES))
    return "".join(map(_pem, certificates))


def describe_signer(signer: Signer) -> Identity:
    """What is publicly known of the signer.

    Raises:
        ProvenanceError: its chain is not a chain of PEM certificates.
    """
    leaf = signer.certificates[0]
    return Identity(
        subject=leaf.subject.rfc4514_string(),
        fingerprint=leaf.fingerprint(hashes.SHA256()).hex(),
        made=leaf.not_valid_before_utc,
        expires=leaf.not_valid_after_utc,
        algorithm=signer.algorithm,
        self_made=signer.path is not None and signer.path.name == IDENTITY_FILE,
        path=None if signer.path is None else str(signer.path),
    )


def _signer(chain: str, secret: bytes, cert: Path, key: Path) -> Signer:
    with reading(key, ProvenanceError, what="no PEM private key without a password"):
        private = serialization.load_pem_private_key(secret, password=None)
    signer = Signer(chain, *_scheme(private, key), cert)
    # The identity's file holds the key too: only its certificates may travel on.
    with reading(cert, ProvenanceError, what="no PEM certificate can be read"):
        signer = replace(signer, chain="".join(map(_pem, signer.certificates)))
        leaf = signer.certificates[0]
        public = leaf.public_key()
    if public != private.public_key():
        raise ProvenanceError(f"{key} is not the key of the first certificate in {cert}")
    if not leaf.not_valid_before_utc <= datetime.now(UTC) <= leaf.not_valid_after_utc:
        raise ProvenanceError(
            f"{cert} is valid from {leaf.not_valid_before_utc:%Y-%m-%d} to "
            f"{leaf.not_valid_after_utc:%Y-%m-%d}, not now; renew it, or set the clock"
        )
    return signer


def _scheme(key: object, path: Path) -> tuple[str, Callable[[bytes], bytes]]:
    """C2PA's name of the algorithm that a key signs with, and the function that signs."""
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        name, digest = _CURVES[key.curve.name]
        return name, lambda data: key.sign(data, ec.ECDSA(digest))
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519", key.sign
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= 2048:
        sha256 = hashes.SHA256()
        salted = padding.PSS(padding.MGF1(sha256), sha256.digest_size)
        return "ps256", lambda data: key.sign(data, salted, sha256)
    raise ProvenanceError(
        f"{path}: C2PA signs with EC keys on P-256, P-384 or P-521, Ed25519, or RSA from 2048 bits"
    )


def _make_identity() -> bytes:
    """A key and its chain as one PEM text.

    C2PA does not accept a root as signing certificate. The root's key is dropped once it has signed
    the one certificate, so that nobody can ever issue another under it.
    """
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    made = datetime.now(UTC).replace(microsecond=0)
    root = _certificate(_ROOT, root_key, made)
    root_id = x509.SubjectKeyIdentifier.from_public_key(root_key.public_key())
    leaf = (
        _certificate("Counterface local identity", key, made)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(root_id), critical=False
        )
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    signed = (_pem(one.sign(root_key, hashes.SHA256())) for one in (leaf, root))
    return secret + "".join(signed).encode("ascii")


def _certificate(
    common_name: str, key: ec.EllipticCurvePrivateKey, made: datetime
) -> x509.CertificateBuilder:
    """A certificate of the local root, or one under it."""
    ca = common_name == _ROOT
    others = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    usage = x509.KeyUsage(
        digital_signature=not ca,
        key_cert_sign=ca,
        crl_sign=ca,
        **dict.fromkeys((*others, "encipher_only", "decipher_only"), False),
    )
    public = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(_name(common_name))
        .issuer_name(_name(_ROOT))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(made)
        .not_valid_after(made + timedelta(days=365 * _YEARS))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=0 if ca else None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _name(common: str) -> x509.Name:
    organization = "Counterface (self-made, not vouched)"
    pairs = ((NameOID.ORGANIZATION_NAME, organization), (NameOID.COMMON_NAME, common))
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in pairs])


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")
