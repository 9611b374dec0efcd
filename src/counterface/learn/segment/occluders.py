"""Things drawn over a face with the exact share that they cover: hands, glasses, hair and the like.

A mask must leave out what stands before a face, and few crops show such things. Everything is
placed in face units: the origin lies between the eyes, one unit is the distance of the eyes, x is
to the right and y down.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from counterface.faces.align import TEMPLATES
from counterface.types import Image, Mask

FINE = 2  # shapes are drawn this many times finer
HAIR = ((30, 24, 22), (70, 48, 34), (128, 94, 58), (190, 160, 112), (150, 146, 144), (110, 52, 30))
SKIN = ((232, 194, 170), (208, 162, 132), (170, 122, 92), (118, 80, 58), (84, 56, 44))
LETTERS = "ABCDEFGHKLMNPRSTUVXYZ0123456789 "

Numbers = NDArray[Any]  # points and colours, of any kind of float
Random = np.random.Generator


class Canvas:
    """A picture that things are put on, and what of it they cover."""

    def __init__(self, picture: Image, unit: float, origin: Numbers) -> None:
        """Begin with nothing covered.

        Args:
            picture: RGB uint8 (S, S, 3); not changed.
            unit: pixels of the distance of the eyes.
            origin: (2,) xy pixels of the point between the eyes.
        """
        self.picture = picture.astype(np.float32)
        self.covered = np.zeros(picture.shape[:2], np.float32)
        self.unit, self.origin = unit, origin

    def pixels(self, points: Numbers) -> Numbers:
        """Points (N, 2) of face units in pixels."""
        return np.asarray(points, np.float32) * self.unit + self.origin

    def shape(self, draw: Callable[[Image, Callable[[Numbers], Numbers], float], None]) -> Mask:
        """The share of each pixel that a drawing covers.

        Args:
            draw: is given a mask to draw in, a function from face units to its points, and its
                unit in pixels.
        """
        side = len(self.covered) * FINE
        fine = np.zeros((side, side), np.uint8)

        def place(points: Numbers) -> Numbers:
            at = (self.pixels(points) + 0.5) * FINE - 0.5
            return np.round(np.clip(at, -1e4, 1e4)).astype(np.int32)

        draw(fine, place, self.unit * FINE)
        small = cv2.resize(fine, self.covered.shape[::-1], interpolation=cv2.INTER_AREA)
        return np.asarray(small / 255, np.float32)

    def put(self, alpha: Mask, colours: Numbers, rng: Random, shadow: bool = True) -> None:
        """Put a thing on the picture, and usually its shadow.

        Args:
            alpha: (S, S) share of each pixel that it covers.
            colours: of it, (3,) or (S, S, 3).
            rng: chooses the shadow and how soft the edge is.
            shadow: whether it can cast one.
        """
        soft = float(rng.uniform(0.3, 0.9) + (rng.random() < 0.2) * rng.uniform(0, 2))
        alpha = cv2.GaussianBlur(alpha, (0, 0), soft)
        if shadow and rng.random() < 0.6:
            shift = rng.uniform(-0.12, 0.12, 2) * self.unit
            move = np.array([[1, 0, shift[0]], [0, 1, abs(shift[1])]])
            dark = cv2.warpAffine(alpha, move, alpha.shape[::-1])
            dark = cv2.GaussianBlur(
                dark, (0, 0), max(0.5, float(rng.uniform(0.03, 0.12)) * self.unit)
            )
            self.picture *= 1 - rng.uniform(0.1, 0.5) * dark[..., None]
        self.picture += (colours - self.picture) * alpha[..., None]
        self.covered = np.maximum(self.covered, alpha)


def put_hand(canvas: Canvas, rng: Random) -> None:
    """A hand with some fingers, of the colour of the face or another."""
    tone = _skin_of(canvas) if rng.random() < 0.7 else np.array(SKIN[rng.integers(len(SKIN))])
    tone = np.clip(tone * rng.uniform(0.85, 1.15) * rng.uniform(0.95, 1.05, 3), 0, 255)
    fingers = int(rng.integers(1, 6))
    width = rng.uniform(0.24, 0.42)
    angle = rng.uniform(0, 2 * np.pi)
    way = np.array([np.cos(angle), np.sin(angle)])
    tip = np.array([rng.uniform(-0.9, 0.9), rng.uniform(-0.8, 1.5)])
    across = np.array([-way[1], way[0]])
    length, spread = rng.uniform(1.0, 1.8), rng.uniform(-0.25, 0.35)
    lines = []
    for number in range(fingers):
        aside = (number - (fingers - 1) / 2) * width * 1.05
        lean = way + across * spread * (number - (fingers - 1) / 2) * 0.5
        end = tip + across * aside - lean * rng.uniform(0, 0.3)
        knee = end - lean * length * 0.5 + across * rng.normal(0, 0.05)
        lines.append(np.stack([end, knee, tip + across * aside - way * length]))
    order = rng.permutation(fingers)
    for number in order:
        line = lines[number]

        def finger(
            fine: Image, place: Callable[[Numbers], Numbers], unit: float, line: Numbers = line
        ) -> None:
            cv2.polylines(fine, [place(line)], False, 255, max(2, int(width * unit)), cv2.LINE_AA)

        alpha = canvas.shape(finger)
        canvas.put(alpha, _rounded(alpha, tone, rng, 0.16 * canvas.unit), rng)
    if rng.random() < 0.75:
        palm = tip - way * (length + 0.55)
        sides = max(0.4, fingers * width * 0.6)

        def back(fine: Image, place: Callable[[Numbers], Numbers], unit: float) -> None:
            axes = (int(0.85 * unit), int(sides * unit))
            centre = tuple(int(n) for n in place(palm[None])[0])
            cv2.ellipse(fine, centre, axes, float(np.degrees(angle)), 0, 360, 255, -1, cv2.LINE_AA)
            arm = np.stack([palm, palm - way * 4])
            cv2.polylines(fine, [place(arm)], False, 255, max(2, int(sides * 1.4 * unit)))

        alpha = canvas.shape(back)
        canvas.put(alpha, _rounded(alpha, tone, rng, 0.3 * canvas.unit), rng, shadow=False)


def put_glasses(canvas: Canvas, rng: Random) -> None:
    """Glasses: their frame is covered; lenses are where they are dark."""
    half, tall = rng.uniform(0.3, 0.44), rng.uniform(0.2, 0.4)
    drop = rng.uniform(-0.02, 0.1)
    thick = rng.uniform(0.025, 0.1)
    power = float(rng.choice([2.0, 3.0, 6.0]))
    turn = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    round_ = np.stack(
        [
            half * np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** (2 / power),
            tall * np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** (2 / power),
        ],
        axis=1,
    )
    tilt, sway = rng.normal(0, 0.03), rng.normal(0, 0.04)
    matrix = np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
    lenses = [(round_ + np.array([side * 0.52 + sway, drop])) @ matrix.T for side in (-1, 1)]
    colour = rng.uniform(5, 70, 3) if rng.random() < 0.75 else rng.uniform(60, 220, 3)
    kind = rng.random()

    def glass(fine: Image, place: Callable[[Numbers], Numbers], unit: float) -> None:
        for lens in lenses:
            cv2.fillPoly(fine, [place(lens)], 255, cv2.LINE_AA)

    if kind < 0.35:  # sunglasses
        alpha = canvas.shape(glass) * rng.uniform(0.8, 1.0)
        tint = rng.uniform(0, 60, 3) + _ramp(canvas, rng) * rng.uniform(0, 90)
        before = canvas.covered
        canvas.put(alpha, tint, rng)
        canvas.covered = np.maximum(before, np.minimum(1, alpha * 1.25))
    elif kind < 0.8:  # clear, with a reflection
        shine = canvas.shape(glass) * _ramp(canvas, rng)[..., 0] ** 2 * rng.uniform(0, 0.35)
        canvas.picture += (rng.uniform(170, 255, 3) - canvas.picture) * shine[..., None]

    def frame(fine: Image, place: Callable[[Numbers], Numbers], unit: float) -> None:
        line = max(1, int(thick * unit))
        for lens, side in zip(lenses, (-1, 1), strict=True):
            cv2.polylines(fine, [place(lens)], True, 255, line, cv2.LINE_AA)
            outer = np.array(
                [[side * (0.52 + half) + sway, drop - 0.06], [side * 1.35, drop - 0.08]]
            )
            cv2.polylines(fine, [place(outer @ matrix.T)], False, 255, line, cv2.LINE_AA)
        bridge = np.array(
            [
                [-0.52 + half + sway, drop - 0.04],
                [sway, drop - 0.1],
                [0.52 - half + sway, drop - 0.04],
            ]
        )
        cv2.polylines(fine, [place(bridge @ matrix.T)], False, 255, line, cv2.LINE_AA)

    canvas.put(canvas.shape(frame), colour + _ramp(canvas, rng) * 30, rng)


def put_microphone(canvas: Canvas, rng: Random) -> None:
    """A microphone from below or the side, before the mouth or the chin."""
    head = np.array([rng.uniform(-0.8, 0.8), rng.uniform(0.9, 1.7)])
    size = rng.uniform(0.22, 0.5)
    lean = rng.uniform(-1.0, 1.0)
    way = np.array([np.sin(lean), np.cos(lean)])

    def handle(fine: Image, place: Callable[[Numbers], Numbers], unit: float) -> None:
        line = np.stack([head, head + way * 4])
        cv2.polylines(fine, [place(line)], False, 255, max(2, int(size * 0.9 * unit)), cv2.LINE_AA)

    def ball(fine: Image, place: Callable[[Numbers], Numbers], unit: float) -> None:
        axes = (int(size * unit), int(size * rng.uniform(1.0, 1.4) * unit))
        centre = tuple(int(n) for n in place(head[None])[0])
        cv2.ellipse(fine, centre, axes, -float(np.degrees(lean)), 0, 360, 255, -1, cv2.LINE_AA)

    grey = rng.uniform(10, 110) * rng.uniform(0.85, 1.1, 3)
    alpha = canvas.shape(handle)
    canvas.put(alpha, _rounded(alpha, grey * rng.uniform(0.4, 1.2), rng, 0.2 * canvas.unit), rng)
    alpha = canvas.shape(ball)
    foam = _rounded(alpha, grey, rng, size * canvas.unit)
    canvas.put(alpha, foam + rng.normal(0, rng.uniform(2, 22), foam.shape[:2])[..., None], rng)


def put_hair(canvas: Canvas, rng: Random) -> None:
    """Strands that fall over forehead, temples and cheeks, or a fringe."""
    colour = np.array(HAIR[rng.integers(len(HAIR))]) * rng.uniform(0.6, 1.2)
    side = float(rng.choice([-1, 1]))
    fringe = rng.random() < 0.45
    count = int(rng.integers(20, 70)) if fringe else int(rng.integers(3, 30))
    root = np.array([side * rng.uniform(0, 0.9), rng.uniform(-1.7, -1.2)])
    end = np.array([side * rng.uniform(0.3, 1.2), rng.uniform(-0.6, 1.6)])
    wide = rng.uniform(0.1, 0.5)
    along = np.linspace(0, 1, 14)[:, None]
    top, bottom = rng.uniform(-0.95, -0.2), rng.normal(0, 0.15)
    lines = []
    for _ in range(count):
        if fringe:
            x = rng.uniform(-1.2, 1.2)
            first = np.array([x * 0.9, -1.6])
            last = np.array([x + bottom, top + rng.normal(0, 0.08)])
        else:
            first = root + rng.normal(0, wide * 0.6, 2)
            last = end + rng.normal(0, wide, 2)
        bow = (first + last) / 2 + [side * rng.normal(0.2, 0.12), rng.normal(0, 0.1)]
        lines.append((1 - along) ** 2 * first + 2 * along * (1 - along) * bow + along**2 * last)
    widths = rng.uniform(0.008, 0.13 if fringe else 0.07, count)
    for part in np.array_split(np.arange(count), 4):

        def strands(
            fine: Image, place: Callable[[Numbers], Numbers], unit: float, part: Numbers = part
        ) -> None:
            for number in part:
                line = max(1, round(float(widths[number]) * unit))
                cv2.polylines(fine, [place(lines[number])], False, 255, line, cv2.LINE_AA)

        canvas.put(canvas.shape(strands), colour * rng.uniform(0.75, 1.25), rng)


def put_object(canvas: Canvas, rng: Random, texture: Image | None = None) -> None:
    """A thing of any outline with any texture, or with that of another picture."""
    centre = np.array([rng.uniform(-1.1, 1.1), rng.uniform(-1.2, 1.7)])
    corners = int(rng.integers(3, 9))
    turn = np.sort(rng.uniform(0, 2 * np.pi, corners))
    size = rng.uniform(0.2, 0.9)
    far = size * rng.uniform(0.6, 1.2, corners)
    stretch = rng.uniform(0.5, 1.5)
    points = centre + np.stack([np.cos(turn) * far * stretch, np.sin(turn) * far], axis=1)
    if rng.random() < 0.4:
        along = np.linspace(0, 2 * np.pi, 40)
        points = centre + np.stack([np.cos(along) * size * stretch, np.sin(along) * size], axis=1)

    def outline(fine: Image, place: Callable[[Numbers], Numbers], unit: float) -> None:
        cv2.fillPoly(fine, [place(points)], 255, cv2.LINE_AA)

    alpha = canvas.shape(outline)
    side = alpha.shape[0]
    kind = rng.random()
    if texture is not None and kind < 0.4:
        colours = cv2.resize(texture, (side, side)).astype(np.float32)[:, ::-1]
        colours = np.roll(colours, tuple(rng.integers(0, side, 2)), axis=(0, 1))
    elif kind < 0.6:
        cells = int(rng.integers(2, 24))
        noise = rng.uniform(0, 255, (cells, cells, 3)).astype(np.float32)
        way = int(rng.choice([cv2.INTER_CUBIC, cv2.INTER_NEAREST]))
        colours = cv2.resize(noise, (side, side), interpolation=way)
    else:
        colours = rng.uniform(0, 255, 3) + (_ramp(canvas, rng) - 0.5) * rng.uniform(0, 120)
        colours = colours + rng.normal(0, rng.uniform(0, 12), (side, side))[..., None]
    canvas.put(alpha, np.clip(colours, 0, 255), rng)


def put_text(canvas: Canvas, rng: Random) -> None:
    """Letters laid over the picture, on a bar or without one."""
    words = "".join(LETTERS[n] for n in rng.integers(len(LETTERS), size=int(rng.integers(3, 16))))
    start = np.array([rng.uniform(-1.6, 0.0), rng.uniform(-1.0, 1.8)])
    font, scale = int(rng.integers(0, 5)), rng.uniform(0.008, 0.024)
    light = rng.random() < 0.7
    bar = rng.random() < 0.35

    def letters(fine: Image, place: Callable[[Numbers], Numbers], unit: float) -> None:
        at = tuple(int(n) for n in place(start[None])[0])
        thick = max(1, int(unit * scale * rng.uniform(1.0, 3.0)))
        cv2.putText(fine, words, at, font, unit * scale, 255, thick, cv2.LINE_AA)

    if bar:
        low = start + np.array([-0.1, -25 * scale])
        corners = np.array(
            [low, [low[0] + 5, low[1]], [low[0] + 5, start[1] + 0.1], [low[0], start[1] + 0.1]]
        )

        def ground(fine: Image, place: Callable[[Numbers], Numbers], unit: float) -> None:
            cv2.fillPoly(fine, [place(corners)], 255)

        canvas.put(canvas.shape(ground), rng.uniform(0, 255, 3), rng, shadow=False)
    canvas.put(
        canvas.shape(letters),
        rng.uniform(200, 255, 3) if light else rng.uniform(0, 80, 3),
        rng,
        shadow=False,
    )


KINDS: dict[str, Callable[[Canvas, Random], None]] = {
    "hand": put_hand,
    "glasses": put_glasses,
    "microphone": put_microphone,
    "hair": put_hair,
    "object": put_object,
    "text": put_text,
}


def occlude(
    picture: Image,
    mask: Mask,
    rng: Random,
    kind: str,
    template: str = "whole_face",
    share: float = 1.0,
    texture: Image | None = None,
) -> tuple[Image, Mask]:
    """The picture with a thing over the face, and the mask without what it covers.

    Args:
        picture: RGB uint8 (S, S, 3), a crop; not changed.
        mask: float32 (S, S) in [0, 1].
        rng: chooses everything.
        kind: one of `KINDS`.
        template: of the crop.
        share: side of the template in the picture, of the picture's; below 1 where the crop shows
            more around the template.
        texture: another picture that an object may be covered with.
    """
    side, eye_line = TEMPLATES[template]
    size = len(picture) * share
    first = (len(picture) - size) / 2
    canvas = Canvas(
        picture, size / side, np.array([first + size / 2, first + eye_line * size], np.float32)
    )
    if kind == "object":
        put_object(canvas, rng, texture)
    else:
        KINDS[kind](canvas, rng)
    shown = np.clip(np.round(canvas.picture), 0, 255).astype(np.uint8)
    return shown, np.asarray(mask * (1 - np.clip(canvas.covered, 0, 1)), np.float32)


def _skin_of(canvas: Canvas) -> Numbers:
    """The colour of the cheeks."""
    found = []
    for x in (-0.6, 0.6):
        px, py = canvas.pixels(np.array([[x, 0.6]]))[0]
        reach = max(2, int(0.12 * canvas.unit))
        x0, y0 = max(0, int(px) - reach), max(0, int(py) - reach)
        found.append(canvas.picture[y0 : y0 + 2 * reach, x0 : x0 + 2 * reach].reshape(-1, 3))
    return np.asarray(np.median(np.concatenate(found), axis=0))


def _ramp(canvas: Canvas, rng: Random) -> Numbers:
    """A slope of light over the picture, (S, S, 1) in [0, 1]."""
    side = len(canvas.covered)
    angle = rng.uniform(0, 2 * np.pi)
    line = np.linspace(-1, 1, side, dtype=np.float32)
    slope = line[None] * np.cos(angle) + line[:, None] * np.sin(angle)
    return np.asarray(np.clip(slope * 0.5 + 0.5, 0, 1)[..., None])


def _rounded(alpha: Mask, colour: Numbers, rng: Random, reach: float) -> Numbers:
    """A colour shaded as on something round, with faint noise, (S, S, 3)."""
    inside = (alpha > 0.5).astype(np.uint8)
    depth = cv2.distanceTransform(inside, cv2.DIST_L2, 3) / max(reach, 1.0)
    light = 1.05 - rng.uniform(0.15, 0.45) * np.exp(-2.5 * depth)
    noise = rng.normal(0, 0.04, (12, 12)).astype(np.float32)
    grain = cv2.resize(noise, alpha.shape[::-1], interpolation=cv2.INTER_CUBIC)
    fine = rng.normal(0, 0.015, alpha.shape)
    return np.asarray(colour * (light + grain + fine)[..., None], np.float32)
