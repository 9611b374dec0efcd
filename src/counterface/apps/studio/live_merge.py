"""The process that holds one model and one moment, and merges it again with other settings.

    python -P -m counterface.apps.studio.live_merge

Reads lines of JSON from its input and answers each with one: first `{"open": [MODEL, TARGET],
"config": {...}}`, then `{"at": seconds}`, `{"before": true}` and `{"merge": {settings}}`, answered
by `{"error": text}` or by what was asked for, pictures as JPEG in base64. It ends with its input.
"""

from __future__ import annotations

import base64
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from counterface.apps.studio.child_process import take_answers
from counterface.config import validate
from counterface.errors import CounterfaceError, missing_extra, reason_of

if TYPE_CHECKING:
    from counterface.swap.conversion.preview import LivePreview

QUALITY = 90  # of JPEG


def main() -> None:
    """Answer until the input ends."""
    tell = take_answers()
    live: LivePreview | None = None
    for line in sys.stdin:
        begun = time.perf_counter()
        asked = json.loads(line)
        answer: dict[str, Any]
        try:
            if "open" in asked:
                live = _open(asked)
                answer = {"opened": True}
            else:
                assert live is not None  # the parent opens first
                answer = _answer(live, asked)
        except CounterfaceError as error:
            answer = {"error": reason_of(error), "kind": type(error).__name__}
        except ModuleNotFoundError as error:
            answer = {"error": missing_extra(error) or str(error), "kind": ""}
        except Exception as error:  # noqa: BLE001  (the parent tells it; the process stays warm)
            answer = {"error": f"unexpected {type(error).__name__}: {error}", "kind": ""}
        answer["ms"] = round(1000 * (time.perf_counter() - begun))
        tell(answer)


def _open(asked: dict[str, Any]) -> LivePreview:
    from counterface.swap.conversion.preview import LivePreview, PreviewConfig

    model, target = map(Path, asked["open"])
    return LivePreview(model, target, validate(PreviewConfig, asked["config"], "options"))


def _answer(live: LivePreview, asked: dict[str, Any]) -> dict[str, Any]:
    from counterface.media.image import encode_image
    from counterface.swap.merge.settings import MergeSettings

    if "at" in asked:
        moment = live.at(float(asked["at"]))
        height, width = moment.frame.image.shape[:2]
        return {
            "pts": float(moment.frame.pts),
            "person": moment.face.person,
            "box": [round(float(one), 1) for one in moment.face.box],
            "width": width,
            "height": height,
        }
    if "before" in asked:
        picture = encode_image(live.moment.frame.image, "JPEG", QUALITY)
    else:
        picture = live.merged(validate(MergeSettings, asked["merge"], "settings"), QUALITY)
    return {"picture": base64.b64encode(picture).decode()}


if __name__ == "__main__":
    main()
