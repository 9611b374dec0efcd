"""Tracked files name no package index, no path of one machine; nothing is far too long.

A Markdown table ends with an empty line: text right below it would become a row.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

MAX_FILE_LINES, MAX_FUNCTION_LINES = 500, 60
MAX_BYTES = 21_000_000  # the shipped detector may have 20 MB
FORBIDDEN = {
    "an index address": re.compile(
        r"https?://[^\s\"'<>]*(?:pypi\.|pythonhosted|artifactory|nexus|devpi|/simple\b)"
        r"|--(?:extra-)?index-url[= ]+\S*://|--find-links[= ]+\S*/",
        re.IGNORECASE,
    ),
    "a path of one machine": re.compile(
        r"(?<![\w.~/-])/(?:work|root|home/\w+|Users/\w+|mnt|workspace)/|[A-Z]:\\\\?Users"
    ),
}
WAIVED = re.compile(r"docs/adr/\d{4}-.*\.md")  # a decision may name what it decides about


def tracked() -> list[Path]:
    """The files that git knows."""
    listed = subprocess.run(["git", "ls-files", "-z"], check=True, capture_output=True, text=True)
    return [Path(name) for name in listed.stdout.split("\0") if name and Path(name).is_file()]


def complaints(path: Path) -> Iterator[str]:
    """What is wrong with one file, one line each."""
    if path.stat().st_size > MAX_BYTES:
        yield f"{path}: {path.stat().st_size} bytes, at most {MAX_BYTES}"
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return
    if path != Path(".ci/check_tree.py") and not WAIVED.fullmatch(path.as_posix()):
        for number, line in enumerate(text.splitlines(), 1):
            for what, pattern in FORBIDDEN.items():
                if found := pattern.search(line):
                    yield f"{path}:{number}: names {what}: {found[0]}"
    if path.suffix == ".py":
        yield from too_long(path, text)
    if path.suffix == ".md":
        for number, (above, line) in enumerate(pairwise(text.splitlines()), 2):
            if above.startswith("|") and line.strip() and not line.startswith("|"):
                yield f"{path}:{number}: text right below a table: {line[:40]}; add an empty line"


def too_long(path: Path, text: str) -> Iterator[str]:
    """Files and functions past the limit of the style guide."""
    lines = text.count("\n")
    if lines > MAX_FILE_LINES:
        yield f"{path}: {lines} lines, at most {MAX_FILE_LINES}; split it"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            length = (node.end_lineno or 0) - body[0].lineno + 1 if body else 0
            if length > MAX_FUNCTION_LINES:
                yield f"{path}:{node.lineno}: {node.name} has {length} lines, at most 60; split it"


def main() -> int:
    """The exit code; complaints go to stderr."""
    found = [text for path in tracked() for text in complaints(path)]
    print("\n".join(found) or "tree: clean", file=sys.stderr if found else sys.stdout)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
