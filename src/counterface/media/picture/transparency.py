"""The note on a picture that is transparent in places."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from counterface.media.notes import MediaNote

_LEAST = 0.005  # of the picture; rounded corners take less
_CLEAR = 16  # of 255; what is less opaque is not seen
_PICTURE = 8  # of 255: the spread of what is no even colour
_LOOKED_AT = 1_000_000  # pixels


def transparency_note(rgba: NDArray[Any]) -> MediaNote | None:
    """The share that cannot be seen, and whether a picture lies under it; None where all can be.

    Args:
        rgba: uint8 (H, W, 4).
    """
    step = int(np.ceil(np.sqrt(rgba.shape[0] * rgba.shape[1] / _LOOKED_AT)))
    some = rgba[::step, ::step]
    clear = some[..., 3] < _CLEAR
    share = float(clear.mean())
    if share < _LEAST:
        return None
    text = f"About {share:.0%} of the picture is transparent and was taken for white."
    if some[clear][:, :3].std(axis=0).max() > _PICTURE:
        text += " A picture that no viewer shows lies beneath and was not looked at."
    return MediaNote("transparent", text)
