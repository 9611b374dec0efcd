"""Where the face was in its frame: how it was turned, how large it was, and when it came."""

from __future__ import annotations

import numpy as np

from counterface.faceset.measures.measure import Measure
from counterface.faceset.row import Row
from counterface.types import Floats


def row_yaw(row: Row) -> float:
    """The turn of the head, degrees, above 0 to the image's right; NaN without a pose."""
    return row.pose.yaw if row.pose else float("nan")


def row_pitch(row: Row) -> float:
    """The nod of the head, degrees, above 0 upwards; NaN without a pose."""
    return row.pose.pitch if row.pose else float("nan")


def row_roll(row: Row) -> float:
    """The tilt of the head in its frame, degrees, above 0 clockwise; NaN without a pose."""
    return row.pose.roll if row.pose else float("nan")


def row_size(row: Row) -> float:
    """The shorter side of the face in its frame, pixels."""
    return float((row.box[2:] - row.box[:2]).min())


def nothing(_: Row) -> float:
    """A 0: of the original order only the place among the rows counts."""
    return 0.0


def places(values: Floats) -> Floats:
    """The place of each among them, from 0."""
    return np.arange(len(values), dtype=np.float32)


YAW = Measure(
    name="yaw",
    says="turn of the head, above 0 to the image's right",
    unit="degrees",
    reads="row",
    of=row_yaw,
)
PITCH = Measure(
    name="pitch", says="nod of the head, above 0 upwards", unit="degrees", reads="row", of=row_pitch
)
ROLL = Measure(
    name="roll",
    says="tilt of the head in its frame, above 0 clockwise",
    unit="degrees",
    reads="row",
    of=row_roll,
)
SIZE = Measure(
    name="size",
    says="shorter side of the face in its frame",
    unit="pixels",
    reads="row",
    of=row_size,
    largest_first=True,
)
ORIGINAL = Measure(
    name="original",
    says="original order: by source, frame and face",
    unit="place",
    reads="row",
    of=nothing,
    together=places,
)
