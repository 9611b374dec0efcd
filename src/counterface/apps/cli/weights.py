"""`counterface weights ...`: third-party model files on this machine."""

from __future__ import annotations

import sys
from typing import Any

from counterface import weights
from counterface.apps.cli import output
from counterface.apps.cli.app import Json
from counterface.errors import WeightsError


def list_(*, json_output: Json = False) -> int:
    """List the model files: name, size, licence, and whether each is on this machine."""
    for name in weights.ROWS:
        facts = _facts(name)
        here = facts["error"] or facts["path"] or "not fetched"
        lines = [
            f"{name:28}{facts['bytes'] / 1e6:6.1f} MB  {facts['licence']}",
            f"{'':28}{facts['about']}; {here}",
        ]
        output.tell(facts, lines, json_output)
    return 0


def _facts(name: str) -> dict[str, Any]:
    """One row as plain values, with its place on this machine."""
    row = weights.row(name)
    found, error = None, None
    try:
        found = weights.find(name)
    except WeightsError as wrong_hash:
        error = str(wrong_hash)
    return {
        "name": name,
        "bytes": row.bytes,
        "sha256": row.sha256,
        "licence": row.licence,
        "about": row.about,
        "path": str(found) if found else None,
        "error": error,
    }


def fetch(*names: str, json_output: Json = False) -> int:
    """Fetch model files that are not on this machine yet.

    Args:
        names: Files to fetch; none given: all that can be fetched.
    """
    failed = 0
    names = names or tuple(name for name, row in weights.ROWS.items() if row.sources)
    for name in names:
        weights.row(name)  # an unknown name is a usage error, not a failed fetch
    for name in names:
        try:
            path = weights.path(name, progress=lambda line: print(line, file=sys.stderr))
        except WeightsError as error:
            failed += 1
            facts = {"name": name, "path": None, "error": str(error)}
            output.tell(facts, [f"failed   {error}"], json_output)
        else:
            facts = {"name": name, "path": str(path), "error": None}
            output.tell(facts, [f"{name}: {path}"], json_output)
    return 2 if failed else 0


def path(name: str, /, *, json_output: Json = False) -> int:
    """Print where a model file lies; never fetches.

    Args:
        name: Name of the file, as `counterface weights list` prints it.
    """
    found = weights.path(name, fetch=False)
    return output.tell({"name": name, "path": str(found)}, [str(found)], json_output)
