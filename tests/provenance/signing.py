"""Certificates for the tests: chains of a root and a signing certificate, of every kind of key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

MAKE_KEY = {
    "ec256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ec384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ec521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
}


def write_identity(
    folder: Path, kind: str, made: datetime | None = None, days: int = 3650
) -> tuple[Path, Path]:
    """A chain `cert.pem` and the key `key.pem` of its first certificate."""
    made = made or datetime.now(UTC) - timedelta(minutes=1)
    root_key, key = MAKE_KEY["ec256"](), MAKE_KEY[kind]()
    root_id = x509.SubjectKeyIdentifier.from_public_key(root_key.public_key())
    root = _certificate("root", root_key, made, days, ca=True)
    leaf = _certificate("actor", key, made, days, ca=False).add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(root_id), critical=False
    )
    pem = [c.sign(root_key, hashes.SHA256()) for c in (leaf, root)]
    texts = [c.public_bytes(serialization.Encoding.PEM) for c in pem]
    (folder / "cert.pem").write_bytes(b"".join(texts))
    form, none = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    secret = key.private_bytes(serialization.Encoding.PEM, form, none)
    (folder / "key.pem").write_bytes(secret)
    return folder / "cert.pem", folder / "key.pem"


def _certificate(
    name: str, key: Any, made: datetime, days: int, *, ca: bool
) -> x509.CertificateBuilder:
    def called(common: str) -> x509.Name:
        pairs = ((NameOID.ORGANIZATION_NAME, "Test films"), (NameOID.COMMON_NAME, common))
        return x509.Name([x509.NameAttribute(oid, text) for oid, text in pairs])

    names = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    usage = dict.fromkeys((*names, "encipher_only", "decipher_only"), False)
    usage |= {"digital_signature": not ca, "key_cert_sign": ca, "crl_sign": ca}
    certificate = (
        x509.CertificateBuilder()
        .subject_name(called(name))
        .issuer_name(called("root"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(made)
        .not_valid_after(made + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if ca:
        return certificate
    purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
    return certificate.add_extension(purposes, critical=False)
