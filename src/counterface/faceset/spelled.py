"""Settings that people write in several ways: a time, and the angles a picture is turned by."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator

_CLOCK = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d+)?)")
_SIXTY = 60


def read_clock(value: object) -> object:
    """Seconds as decimal text: `1:02:03.5`, `62:03.5` and 3723.5 are all `3723.5`.

    None stays None.

    Raises:
        ValueError: no such time, or minutes or seconds of 60 and more beside larger units.
    """
    if value is None:
        return None
    found = _CLOCK.fullmatch(str(value).strip())
    hours, minutes, seconds = found.groups() if found else (None, None, "")
    beyond = found and (
        (minutes and float(seconds) >= _SIXTY) or (hours and int(minutes or 0) >= _SIXTY)
    )
    if isinstance(value, bool) or not found or beyond:
        raise ValueError(f"{value!r} is no time; write seconds (90.5), m:ss (1:30.5) or h:mm:ss")
    total = Decimal(seconds) + _SIXTY * (int(minutes or 0) + _SIXTY * int(hours or 0))
    return f"{total.normalize():f}"


def read_angles(value: object) -> object:
    """Angles as text, rising, each once: `270,90` is `90,270`, and the step `90` `90,180,270`.

    `0` is no angle at all, `0,90` is 90 alone. None stays None.

    Raises:
        ValueError: no whole numbers from 0 to 359.
    """
    if value is None:
        return None
    listed = value if isinstance(value, list | tuple) else str(value).split(",")
    words = [str(part).strip() for part in listed]
    if not words or not all(re.fullmatch(r"\d{1,3}", word) and int(word) < 360 for word in words):
        raise ValueError(
            f"{value!r} names no angles; write degrees from 1 to 359 as 90,180,270, one number as "
            "a step, or 0 for none"
        )
    angles = {int(word) for word in words} - {0}
    if len(words) == 1 and angles:
        (step,) = angles
        angles = set(range(step, 360, step))
    if len(angles) < 2 and len(words) > 1:
        angles |= {0}  # what is written is read as it was
    return ",".join(map(str, sorted(angles))) or "0"


def angles_of(text: str) -> tuple[int, ...]:
    """The angles, degrees, of what `read_angles` gave."""
    return tuple(angle for angle in map(int, text.split(",")) if angle)


Clock = Annotated[str, BeforeValidator(read_clock)]
Angles = Annotated[str, BeforeValidator(read_angles)]
