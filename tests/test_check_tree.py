from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SPEC = importlib.util.spec_from_file_location("check_tree", ROOT / ".ci" / "check_tree.py")
assert SPEC is not None
assert SPEC.loader is not None
check_tree = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(check_tree)


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        (("https://mirror.example/py", "pi/sim", "ple/numpy"), "index"),
        (("https://files.python", "hosted.org/x.whl"), "index"),
        (("uv pip install --index-", "url http://10.0.0.1/x"), "index"),
        (("open('/ho", "me/ann/clip.mp4')"), "machine"),
        (("DATA = '/ro", "ot/data'"), "machine"),
        (("C:\\Us", "ers\\ann"), "machine"),
    ],
)
def test_what_must_not_be_tracked_is_found(
    tmp_path: Path, parts: tuple[str, ...], says: str
) -> None:
    path = tmp_path / "notes.md"
    path.write_text("fine\n" + "".join(parts) + "\n")
    (found,) = check_tree.complaints(path)
    assert says in found
    assert ":2:" in found


def test_ordinary_text_passes(tmp_path: Path) -> None:
    path = tmp_path / "notes.md"
    path.write_text(
        "See https://arxiv.org/abs/2204.08376, ../shared/data, src/counterface/work/x, "
        "~/.cache, `--index` and /tmp/clip.mp4.\n"
    )
    assert not list(check_tree.complaints(path))


def test_text_right_below_a_table_is_found(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("| a |\n|---|\n| 1 |\n\n## Next\n")
    assert not list(check_tree.complaints(path))
    path.write_text("| a |\n|---|\n| 1 |\n## Next\n")
    (found,) = check_tree.complaints(path)
    assert ":4:" in found


def test_a_long_function_is_found_and_its_docstring_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "long.py"
    doc = '    """First.\n' + "\n    more" * 40 + '\n    """\n'
    path.write_text("def f():\n" + doc + "    x = 1\n" * 60)
    assert not list(check_tree.complaints(path))
    path.write_text("def f():\n" + doc + "    x = 1\n" * 61)
    (found,) = check_tree.complaints(path)
    assert "f has 61 lines" in found
