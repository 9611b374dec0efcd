"""`counterface provenance export` and `import` from the outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from counterface.apps.cli.main import main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a list of two good rows and a wrong one; its own home."""
    monkeypatch.setenv("COUNTERFACE_HOME", str(tmp_path / "home"))
    (tmp_path / "list.csv").write_text(f"hash\n{'0f' * 32}\nnone\n{'f0' * 32}\n")
    return tmp_path


def test_a_list_goes_in_and_comes_out(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["provenance", "import", str(folder / "list.csv")]) == 2
    told = capsys.readouterr().out
    assert "added        2 hashes, 1 file; 0 known already" in told
    assert "! line 3 left out: hash 'none' is not 64 hexadecimal digits" in told
    assert main(["provenance", "export", str(folder / "out.csv"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"file": str(folder / "out.csv"), "hashes": 2}
    assert main(["provenance", "import", str(folder / "out.csv"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["hashes"], facts["known"], facts["wrong"]) == (0, 2, 0)


def test_one_list_that_cannot_be_read_stops_no_other(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    lists = [str(folder / name) for name in ("absent.csv", "list.csv")]
    assert main(["provenance", "import", *lists, "--json"]) == 2
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert "absent.csv" in first["error"]
    assert second["hashes"] == 2
    assert second["wrong_rows"] == [
        {"line": 3, "reason": "hash 'none' is not 64 hexadecimal digits"}
    ]


def test_wrong_use_is_told(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["provenance", "export", str(folder / "out.csv")]) == 1
    assert "nothing to export" in capsys.readouterr().err
    assert main(["provenance", "export", str(folder)]) == 1
    assert "is a folder" in capsys.readouterr().err
    assert main(["provenance", "import"]) == 1
    assert capsys.readouterr().err
