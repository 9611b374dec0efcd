"""`counterface weights` from the outside; nothing is fetched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from counterface import weights
from counterface.apps.cli.main import main
from counterface.errors import WeightsError


@pytest.fixture
def empty_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("COUNTERFACE_CACHE", str(tmp_path))
    monkeypatch.delenv("COUNTERFACE_WEIGHTS", raising=False)
    return tmp_path


def test_the_list_names_every_row_with_its_licence(empty_store: Path, capsys):
    assert main(["weights", "list", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["name"] for row in rows] == list(weights.ROWS)
    assert all(row["licence"] and row["path"] is None for row in rows)
    assert main(["weights", "list"]) == 0
    assert "not fetched" in capsys.readouterr().out


def test_a_file_that_is_absent_is_told_with_the_command_that_fetches_it(empty_store: Path, capsys):
    assert main(["weights", "path", "centerface"]) == 1
    assert "weights fetch centerface" in capsys.readouterr().err


def test_a_wrong_copy_in_the_users_folder_is_told_in_the_list(
    empty_store: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    monkeypatch.setenv("COUNTERFACE_WEIGHTS", str(empty_store))
    (empty_store / weights.row("centerface").file).write_bytes(b"other")
    assert main(["weights", "list", "--json"]) == 0
    rows = {r["name"]: r for r in map(json.loads, capsys.readouterr().out.splitlines())}
    assert "SHA-256" in rows["centerface"]["error"]
    assert rows["face_landmark"]["error"] is None


def test_one_failed_fetch_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch, capsys):
    def path(name: str, **_: object) -> Path:
        if name == "centerface":
            raise WeightsError("centerface: cannot be fetched")
        return Path("/somewhere") / name

    monkeypatch.setattr(weights, "path", path)
    assert main(["weights", "fetch", "centerface", "face_landmark"]) == 2
    printed = capsys.readouterr().out
    assert "failed" in printed
    assert "/somewhere/face_landmark" in printed


def test_an_unknown_name_fetches_nothing(monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setattr(weights, "path", lambda *_, **__: pytest.fail("fetched"))
    assert main(["weights", "fetch", "face_landmark", "facelandmark"]) == 1
    assert "face_landmark" in capsys.readouterr().err
