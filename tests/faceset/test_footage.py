"""Extraction of real clips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from counterface.faces.landmarks import interocular
from counterface.faceset.extract import ExtractConfig, extract
from counterface.faceset.inspect import verify
from counterface.faceset.store import Faceset

pytestmark = pytest.mark.footage


@pytest.mark.slow
def test_following_agrees_with_detecting_in_every_frame(footage: Path, tmp_path: Path):
    clip = footage / "clips_talking_heads" / "real3dportrait_may_5s.mp4"
    rows = {}
    for every in (1, 5):
        folder = tmp_path / str(every)
        summary = extract(clip, folder, ExtractConfig(every=3, detect_every=every, faces=1))
        assert summary.sources[0].frames_with_face == summary.sources[0].frames == 42
        assert verify(folder).problems == ()
        rows[every] = Faceset.open(folder).rows
    for detected, followed in zip(rows[1], rows[5], strict=True):
        off = np.linalg.norm(detected.landmarks - followed.landmarks, axis=1).mean()
        assert off / interocular(detected.landmarks) < 0.06
