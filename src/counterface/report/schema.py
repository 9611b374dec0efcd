"""The JSON schema of `Report`, which `docs/report.schema.json` holds."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from counterface.detect.findings import Report


def json_schema() -> dict[str, Any]:
    """The schema; its definitions are named by their titles, which outlive names of classes."""
    text = json.dumps(Report.model_json_schema(mode="serialization"))
    for name, found in json.loads(text)["$defs"].items():
        text = text.replace(f'$defs/{name}"', f'$defs/{found["title"]}"')
    schema = json.loads(text)
    schema["$defs"] = {found["title"]: found for found in schema["$defs"].values()}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


if __name__ == "__main__":  # python -m counterface.report.schema docs/report.schema.json
    text = json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
    Path(sys.argv[1]).write_text(text, encoding="utf-8")
