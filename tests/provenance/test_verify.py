"""Verification: each mark is found or said to be absent, and only what is proof counts as proof."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from made_files import draw_frames, make_file, write_frames
from signing import write_identity

from counterface.apps.cli.main import main
from counterface.errors import MediaError
from counterface.files import file_sha256
from counterface.media.image import read_image, write_image
from counterface.media.video_reader import read_video
from counterface.provenance.fingerprint import KnownFakes, import_known_fakes
from counterface.provenance.mark import Marker
from counterface.provenance.record import record_path
from counterface.provenance.signer import local_signer
from counterface.provenance.verify import Provenance, own_payload, verify_file


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made clip and a made picture, their targets, and the home of who made them."""
    folder = tmp_path_factory.mktemp("desk")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COUNTERFACE_HOME", str(folder / "home"))
        make_file(folder / "out.mp4")
        make_file(folder / "out.png", person=2)
    return folder


@pytest.fixture
def maker(desk: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The desk, looked at by who made the files."""
    monkeypatch.setenv("COUNTERFACE_HOME", str(desk / "home"))
    return desk


def test_all_marks_of_a_made_file_are_found(maker: Path):
    for name in ("out.mp4", "out.png"):
        found = verify_file(maker / name)
        assert found.credentials.state == "trusted"
        assert found.watermark.state == "found"
        assert found.watermark.confidence > 0.9
        assert found.watermark.checksum == "right"
        assert found.known_fake.state == "same_file"
        assert found.known_fake.name == name
        assert found.record.state == "agrees"
        assert "the one that was signed" in found.record.reason
        assert found.mark is not None
        assert not found.altered
        assert Provenance.model_validate_json(found.model_dump_json()) == found


@pytest.mark.slow
def test_nothing_of_it_is_found_in_a_file_from_elsewhere(maker: Path):
    clip = write_frames(maker / "other.mp4", [f.image for f in draw_frames(6, person=5)])
    found = verify_file(clip)
    assert found.credentials.state == "none"
    assert found.watermark.state == "not_found"
    assert found.known_fake.state == "no_match"
    assert found.record.state == "none"
    assert found.mark is None
    assert not found.altered
    assert found.warnings == ()


def test_on_another_machine_credentials_are_of_an_unknown_signer_and_prove_nothing(
    desk: Path, home: Path
):
    found = verify_file(desk / "out.png")
    assert found.credentials.state == "valid_unknown_signer"
    assert found.watermark.state == "not_run"
    assert found.known_fake.state == "not_run"
    assert found.record.state == "agrees"
    assert found.mark is None
    assert "anybody can sign" in found.warnings[0]
    assert not home.exists()  # looking makes nothing


def test_a_signer_that_the_user_names_is_trusted(desk: Path):
    root = local_signer(desk / "home").root
    found = verify_file(desk / "out.png", anchors=[root])
    assert found.credentials.state == "trusted"
    assert found.mark is not None
    assert "declare" in found.mark


def half(image: np.ndarray) -> np.ndarray:
    size = (image.shape[1] // 4 * 2, image.shape[0] // 4 * 2)
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize(("change", "crf"), [(lambda x: x, 28), (half, 23)])
def test_encoding_again_loses_the_credentials_but_not_the_watermark(
    maker: Path, tmp_path: Path, change, crf: int
):
    frames = [change(frame.image) for frame in read_video(maker / "out.mp4")]
    again = write_frames(tmp_path / "again.mp4", frames, crf=crf)
    found = verify_file(again)
    assert found.credentials.state == "none"
    assert found.watermark.state == "found"
    assert found.known_fake.state == "match"
    assert found.known_fake.distance <= 31
    assert found.mark is not None
    assert "watermark" in found.mark
    assert not found.altered  # it says nothing that does not fit


def test_the_footage_that_a_fake_was_made_from_is_not_called_made(maker: Path):
    found = verify_file(maker / "target.mp4")
    assert found.known_fake.state == "match"
    assert found.mark is None
    assert any("footage that it was made from" in text for text in found.warnings)


def test_a_mirrored_copy_is_known(maker: Path, tmp_path: Path):
    image = read_image(maker / "out.png")
    write_image(tmp_path / "mirrored.png", np.ascontiguousarray(image[:, ::-1]))
    found = verify_file(tmp_path / "mirrored.png")
    assert found.known_fake.state == "match"
    assert found.watermark.state == "found"


@pytest.mark.slow
def test_a_changed_file_is_altered_whatever_was_changed(maker: Path, tmp_path: Path):
    data = bytearray((maker / "out.mp4").read_bytes())
    out = tmp_path / "out.mp4"
    record_path(out).write_bytes(record_path(maker / "out.mp4").read_bytes())
    for place in (10, data.find(b"jumb") + 2, data.find(b"mdat") + 2, len(data) - 1):
        changed = data.copy()
        changed[place] ^= 4
        out.write_bytes(changed)
        found = verify_file(out)
        assert found.credentials.state == "invalid"
        assert found.record.state == "differs"
        assert found.altered
        assert found.credentials.reason in found.warnings


def test_a_changed_record_is_noticed(maker: Path, tmp_path: Path):
    out = tmp_path / "out.png"
    out.write_bytes((maker / "out.png").read_bytes())
    values = json.loads(record_path(maker / "out.png").read_text())
    values["inputs"][0]["name"] = "another.png"
    record_path(out).write_text(json.dumps(values))
    found = verify_file(out)
    assert found.credentials.state == "trusted"
    assert found.record.state == "differs"
    assert "not the one that was signed" in found.record.reason
    record_path(out).write_text("{")
    assert verify_file(out).record.state == "unreadable"


def test_what_cannot_be_decoded_is_said_and_the_rest_is_looked_at(maker: Path, tmp_path: Path):
    (tmp_path / "notes.mp4").write_text("no video")
    found = verify_file(tmp_path / "notes.mp4")
    assert found.watermark.state == "not_run"
    assert "is text" in found.watermark.reason
    assert found.known_fake.state == "not_run"
    assert found.credentials.state == "none"


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path):
    with pytest.raises(MediaError, match="does not exist"):
        verify_file(tmp_path / "absent.mp4")


def test_damage_in_the_home_folder_is_told_not_raised(maker: Path, tmp_path: Path, home: Path):
    home.mkdir(exist_ok=True)
    bad = tmp_path / "bad"
    bad.mkdir()
    for name in ("identity.pem", "watermark.key", "known_fakes.sqlite"):
        (bad / name).write_bytes(b"rubbish")
        (bad / name).chmod(0o600)
    found = verify_file(maker / "out.png", bad)
    assert found.credentials.state == "not_run"
    assert found.watermark.state == "not_run"
    assert found.mark is None


def test_a_mark_of_another_key_is_not_ours(maker: Path, tmp_path: Path):
    Marker(home=tmp_path / "other")
    assert verify_file(maker / "out.png", tmp_path / "other").watermark.state == "not_found"


def test_the_command_says_it_in_words_and_in_json(maker: Path, capsys):
    assert main(["provenance", "verify", str(maker / "out.png"), str(maker / "target.png")]) == 0
    made, target = capsys.readouterr().out.split("target.png\n")
    assert "MADE BY A MACHINE" in made
    assert "credentials  trusted" in made
    assert "record       agrees" in made
    assert "MADE BY A MACHINE" not in target
    assert "credentials  none" in target
    assert main(["provenance", "verify", str(maker / "out.png"), "--json"]) == 0
    line = json.loads(capsys.readouterr().out)
    assert line.pop("file").endswith("out.png")
    assert Provenance.model_validate(line).mark


def test_the_command_fails_softly(maker: Path, capsys):
    words = ["provenance", "verify", str(maker / "absent.mp4"), str(maker / "out.png"), "--json"]
    assert main(words) == 2
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert "does not exist" in first["error"]
    assert second["mark"]
    assert main(["provenance", "verify"]) == 1


def test_trust_by_flag(desk: Path, home: Path, tmp_path: Path, capsys, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setenv("COUNTERFACE_HOME", str(desk / "home"))
        words = ["provenance", "identity", "--export", str(tmp_path / "root.pem"), "--json"]
        assert main(words) == 0
    about = json.loads(capsys.readouterr().out)
    assert about["self_made"]
    assert "PRIVATE" not in (tmp_path / "root.pem").read_text()
    words = ["provenance", "verify", str(desk / "out.png"), "--trust", str(tmp_path / "root.pem")]
    assert main(words) == 0
    assert "credentials  trusted" in capsys.readouterr().out


def test_the_identity_is_shown(home: Path, capsys):
    assert main(["provenance", "identity"]) == 0
    printed = capsys.readouterr().out
    assert "nobody else vouches" in printed
    assert str(home / "identity.pem") in printed


@pytest.mark.parametrize("letters", [239, 240, 246, 247, 251])  # from where no sidecar's name fits
def test_a_name_too_long_for_sidecars_has_none(tmp_path: Path, letters: int):
    file = tmp_path / f"{'y' * letters}.bin"
    file.write_bytes(b"no picture")
    found = verify_file(file)
    assert (found.credentials.state, found.record.state) == ("none", "none")


def test_the_payload_of_the_signer_in_use_is_looked_for(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A known payload is found where an unknown one is too faint, a configured signer's too."""
    local = Marker()
    payloads = {Marker().watermark.payload, own_payload(home)}
    assert payloads == {local.watermark.payload}
    cert, key = write_identity(tmp_path, "ec256")
    monkeypatch.setenv("COUNTERFACE_SIGN_CERT", str(cert))
    monkeypatch.setenv("COUNTERFACE_SIGN_KEY", str(key))
    configured = Marker().watermark.payload
    assert configured == own_payload(home) != local.watermark.payload
    key.unlink()  # cannot be used any more; the local one is
    assert own_payload(home) == local.watermark.payload


def test_a_file_that_a_list_names_is_doubted_and_not_called_made(tmp_path: Path) -> None:
    """Anybody can write the SHA-256 of somebody's genuine footage into a list."""
    path = tmp_path / "news.png"
    write_image(path, draw_frames(1, person=5)[0].image)
    text = f"hash,sha256,name\n{'0f' * 32},{file_sha256(path)},x.png\n"
    (tmp_path / "list.csv").write_text(text)
    import_known_fakes(KnownFakes(tmp_path / "home"), tmp_path / "list.csv")
    found = verify_file(path, tmp_path / "home")
    assert found.mark is None
    assert found.doubt == found.known_fake.reason
    assert "the list 'list.csv'" in found.doubt
    assert "a file on an imported list" in found.in_a_line
