"""The signing identity: private from its first moment, made once, and what a user brings."""

from __future__ import annotations

import os
import stat
import sys
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from signing import write_identity

from counterface.errors import ProvenanceError
from counterface.provenance.signer import (
    Signer,
    configured_signer,
    describe_signer,
    has_local_identity,
    local_signer,
    open_signer,
    pem_signer,
    trust_anchors,
)

KEYS = ["ec256", "ec384", "ec521", "rsa", "ed25519"]


def test_the_identity_is_made_once_and_stays(tmp_path: Path):
    home = tmp_path / "home"
    assert not has_local_identity(home)
    first = describe_signer(local_signer(home))
    assert describe_signer(local_signer(home)) == first
    assert first.self_made
    assert first.expires - first.made > timedelta(days=3650)
    assert describe_signer(local_signer(tmp_path / "other")).fingerprint != first.fingerprint


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX")
def test_the_key_is_its_owners_only_whatever_the_umask(tmp_path: Path):
    before = os.umask(0)
    try:
        local_signer(tmp_path / "home")
    finally:
        os.umask(before)
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "home").iterdir()}
    assert modes == {"identity.pem": 0o600}
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX")
def test_a_key_that_others_can_read_is_refused(tmp_path: Path):
    local_signer(tmp_path)
    (tmp_path / "identity.pem").chmod(0o644)
    with pytest.raises(ProvenanceError, match="chmod 600"):
        local_signer(tmp_path)


def _fingerprint(home: Path) -> str:
    return describe_signer(local_signer(home)).fingerprint


@pytest.mark.slow
def test_processes_that_make_it_at_once_get_the_same(tmp_path: Path):
    # not forked: a lock that another thread holds at that moment stays shut in the child
    context = get_context("spawn")
    with context.Pool(2, initializer=context.Barrier(2).wait) as pool:
        assert len(set(pool.map(_fingerprint, [tmp_path / "home"] * 8, chunksize=1))) == 1
    assert [p.name for p in (tmp_path / "home").iterdir()] == ["identity.pem"]


def test_the_chain_holds_no_key_and_leads_to_its_root(tmp_path: Path):
    signer = local_signer(tmp_path)
    assert "PRIVATE" in (tmp_path / "identity.pem").read_text()
    assert "PRIVATE" not in signer.chain
    leaf, root = signer.certificates
    leaf.verify_directly_issued_by(root)
    root.verify_directly_issued_by(root)
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert not usage.key_cert_sign


def test_what_it_signs_is_checked_by_its_certificate(tmp_path: Path):
    signer = local_signer(tmp_path)
    public = signer.certificates[0].public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(signer.sign(b"text"), b"text", ec.ECDSA(hashes.SHA256()))
    with pytest.raises(InvalidSignature):
        public.verify(signer.sign(b"text"), b"texs", ec.ECDSA(hashes.SHA256()))


@pytest.mark.parametrize("kind", KEYS)
def test_a_signer_can_be_brought_as_pem_files(tmp_path: Path, monkeypatch, kind: str):
    cert, key = write_identity(tmp_path, kind)
    monkeypatch.setenv("COUNTERFACE_SIGN_CERT", str(cert))
    monkeypatch.setenv("COUNTERFACE_SIGN_KEY", str(key))
    signer = open_signer(tmp_path / "home")
    assert not describe_signer(signer).self_made
    assert not has_local_identity(tmp_path / "home")
    assert trust_anchors(tmp_path / "home") == [signer.root]


def test_half_a_configuration_is_an_error_that_names_the_rest(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("COUNTERFACE_SIGN_KEY", str(tmp_path / "key.pem"))
    with pytest.raises(ProvenanceError, match="COUNTERFACE_SIGN_CERT is not"):
        configured_signer()


def test_a_key_of_another_certificate_is_refused(tmp_path: Path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    cert, _ = write_identity(tmp_path / "a", "ec256")
    _, key = write_identity(tmp_path / "b", "ec256")
    with pytest.raises(ProvenanceError, match="not the key of"):
        pem_signer(cert, key)


def test_a_certificate_out_of_its_time_is_refused(tmp_path: Path):
    cert, key = write_identity(tmp_path, "ec256", made=datetime.now(UTC) - timedelta(days=4000))
    with pytest.raises(ProvenanceError, match="not now"):
        pem_signer(cert, key)


def test_files_that_hold_no_key_are_refused(tmp_path: Path):
    cert, key = write_identity(tmp_path, "ec256")
    with pytest.raises(ProvenanceError, match="no PEM private key"):
        pem_signer(cert, cert)
    with pytest.raises(ProvenanceError, match="no PEM certificate"):
        pem_signer(key, key)
    with pytest.raises(ProvenanceError, match="cannot be read"):
        pem_signer(tmp_path / "absent.pem", key)


def test_trusted_are_the_identity_and_the_certificates_the_user_put_there(tmp_path: Path):
    home = tmp_path / "home"
    assert trust_anchors(home) == []
    own = local_signer(home)
    (home / "trust").mkdir()
    other = local_signer(tmp_path / "other")
    (home / "trust" / "other.pem").write_text(other.root)
    assert trust_anchors(home) == [own.root, other.root]
    (home / "trust" / "wrong.pem").write_text("no certificate")
    with pytest.raises(ProvenanceError, match=r"wrong\.pem"):
        trust_anchors(home)


def test_a_callback_is_a_signer(tmp_path: Path):
    local = local_signer(tmp_path)
    asked: list[int] = []

    def sign(data: bytes) -> bytes:
        asked.append(len(data))
        return local.sign(data)

    signer = Signer(local.chain, "es256", sign)
    assert describe_signer(signer).path is None
    assert not describe_signer(signer).self_made
