"""The watermark: found after what happens to files, never found where it is not, and unseen."""

from __future__ import annotations

import hmac
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from actors import draw_actor

from counterface.errors import ProvenanceError, ShapeError
from counterface.media.image import read_image
from counterface.provenance.error_code import encode
from counterface.provenance.watermark import (
    FALSE_FIND,
    MIN_SIDE,
    Watermark,
    WatermarkReading,
    load_or_make_key,
    without_bars,
)
from counterface.provenance.watermark.carrier import deal
from counterface.provenance.watermark.first_format import FirstFormat
from counterface.provenance.watermark.moved import PLACES, GridPlace, fourier_plane
from counterface.provenance.watermark.search import CHANCE, VIEWS, limit
from counterface.provenance.watermark.working_size import luma_square
from counterface.types import Image

KEY = bytes(range(32))
PAYLOAD = 0xC0FFEE42


@pytest.fixture(scope="module")
def mark() -> Watermark:
    return Watermark(KEY, PAYLOAD)


@pytest.fixture(scope="module")
def picture() -> Image:
    """An actor before a busy ground, 640x480."""
    rng = np.random.default_rng(5)
    ground = cv2.resize(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8), (640, 480))
    actor = draw_actor(3, size=400).image
    ground[60:460, 120:520] = actor
    return cv2.GaussianBlur(ground, (0, 0), 1.2)


def jpeg(image: Image, quality: int) -> Image:
    coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), dtype=np.uint8)


def resized(image: Image, width: int, height: int) -> Image:
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def x264(frames: list[Image], crf: int) -> list[Image]:
    """The frames after H.264."""
    file = BytesIO()
    with av.open(file, "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=25, options={"crf": str(crf)})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for image in frames:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        out.mux(stream.encode())
    file.seek(0)
    with av.open(file) as back:
        return [frame.to_ndarray(format="rgb24") for frame in back.decode(video=0)]


def found(reading: WatermarkReading) -> bool:
    assert reading.found == (reading.payload == PAYLOAD)
    return reading.found


ATTACKS = {
    "nothing": lambda image: image,
    "JPEG 50": lambda image: jpeg(image, 50),
    "half size": lambda image: resized(image, 320, 240),
    "half size, JPEG 75": lambda image: jpeg(resized(image, 320, 240), 75),
    "other proportions": lambda image: resized(image, 500, 500),
    "twice the size": lambda image: np.asarray(cv2.resize(image, (1280, 960)), np.uint8),
    "brighter": lambda image: cv2.convertScaleAbs(image, alpha=1.0, beta=12),
    "more contrast": lambda image: cv2.convertScaleAbs(image, alpha=1.15, beta=-10),
    "grey": lambda image: cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), 8),
    "mirrored": lambda image: image[:, ::-1],
    "black bars": lambda image: np.pad(image, ((60, 60), (0, 0), (0, 0))),
    "mirrored, bars left and right": lambda i: np.pad(i[:, ::-1], ((0, 0), (99, 99), (0, 0))),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_survives(mark: Watermark, picture: Image, attack: str) -> None:
    assert found(mark.find([np.ascontiguousarray(ATTACKS[attack](mark.mark(picture)))]))


def turned(image: Image, degrees: float) -> Image:
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    return np.asarray(cv2.warpAffine(image, matrix, (width, height)), np.uint8)


MOVES = {
    "10 % off each side pair": lambda image: image[24:-24, 32:-32],
    "10 % off the top": lambda image: image[48:],
    "turned by 2 degrees": lambda image: turned(image, 2),
    "turned, cropped, mirrored": lambda image: turned(image, -1.3)[15:-15, 20:-20][:, ::-1],
}


@pytest.mark.parametrize("move", MOVES)
def test_crops_and_turns_are_searched_for(mark: Watermark, picture: Image, move: str) -> None:
    reading = mark.find([np.ascontiguousarray(MOVES[move](mark.mark(picture)))])
    assert found(reading)
    assert str(reading.view).startswith("moved")


def test_the_search_stays_at_the_places_that_are_counted(mark: Watermark) -> None:
    """Refinement is drawn to the ends of the grid by noise and does not leave it."""
    rng = np.random.default_rng(11)
    steps, turns, furthest = 64, 24, 72
    assert 2 * (steps + 1) ** 2 * (2 * turns + 1) * (2 * furthest + 1) ** 2 == PLACES
    for start in (
        GridPlace(0, 0, -24, -72, 72),
        GridPlace(64, 64, 24, 72, -72),
        GridPlace(0, 64, 0, 72, 72),
    ):
        square = rng.normal(size=(256, 256)).astype(np.float32)
        place = mark.moved.refined(fourier_plane(square), 16 / 9, start, own=True)
        assert 0 <= min(place[:2]) <= max(place[:2]) <= steps
        assert abs(place.turn) <= turns
        assert max(map(abs, place[3:])) <= furthest
        assert all(isinstance(step, int) for step in place)


def test_crops_of_a_quarter_defeat_it(mark: Watermark, picture: Image) -> None:
    assert not mark.find([mark.mark(picture)[60:-60, 80:-80].copy()]).found  # as documented


def test_plain_walls_change_as_little_as_a_codec_changes_them(mark: Watermark) -> None:
    """Half the picture is a wall with a camera's noise, half is busy; the busy half hides it."""
    rng = np.random.default_rng(8)
    noise = rng.normal(0, 1.0, (720, 1280, 1)) + np.linspace(90, 150, 1280)[None, :, None]
    busy = cv2.resize(rng.normal(0, 45, (180, 320)).astype(np.float32), (1280, 720))[..., None]
    noise[:, 640:] += busy[:, 640:]
    image = np.repeat(np.rint(noise).clip(0, 255), 3, axis=2).astype(np.uint8)
    change = (mark.mark(image).astype(float) - image)[..., 0]
    assert change[:, :600].std() < 0.6
    assert change[:, 700:].std() > 1.5


@pytest.mark.parametrize("attack", ["crf 28", "half size"])
def test_survives_in_video(mark: Watermark, attack: str, picture: Image) -> None:
    film = [np.roll(picture, shift, axis=1) for shift in range(8)]
    first = x264([mark.mark(image) for image in film], 18)
    if attack == "crf 28":
        again = x264(first, 28)
    else:
        again = x264([resized(image, 320, 240) for image in first], 23)
    reading = mark.find(again)
    assert found(reading)
    assert reading.images_read == 8


def test_change_is_small_and_everywhere_the_same_for_all_channels(
    mark: Watermark, picture: Image
) -> None:
    for image in (picture, draw_actor(4, size=512).image, np.full((300, 300, 3), 90, np.uint8)):
        before = image.copy()
        change = mark.mark(image).astype(np.int16) - image
        assert (image == before).all()
        assert 10 * np.log10(255**2 / (change.astype(float) ** 2).mean()) > 40
        middle = ((image > 20) & (image < 235)).all(axis=2)
        assert (change[middle].max(axis=1) == change[middle].min(axis=1)).all()  # no colour shift


def test_still_frames_stay_still(mark: Watermark, picture: Image) -> None:
    """The pattern hangs on the picture and not on the frame number; like frames, like change."""
    noisy = cv2.add(picture, np.random.default_rng(0).integers(0, 3, picture.shape, np.uint8))
    change, other = (mark.mark(i).astype(float) - i for i in (picture, noisy))
    assert (mark.mark(picture) == mark.mark(picture)).all()
    assert np.corrcoef(change.ravel(), other.ravel())[0, 1] > 0.95


@pytest.mark.parametrize("size", [(101, 257), (333, 333), (719, 1281), (1081, 500)])
def test_odd_sizes(mark: Watermark, picture: Image, size: tuple[int, int]) -> None:
    image = resized(picture, size[1], size[0])
    marked = mark.mark(image)
    assert marked.shape == image.shape
    assert found(mark.find([marked]))


def test_payload_comes_back(picture: Image) -> None:
    for payload in (0, 1, 2**32 - 1):
        assert Watermark(KEY).find([Watermark(KEY, payload).mark(picture)]).payload == payload


def test_another_key_finds_nothing(mark: Watermark, picture: Image) -> None:
    assert not Watermark(bytes(32)).find([mark.mark(picture)] * 3).found


def test_pattern_hangs_on_key_and_payload_only() -> None:
    """A known answer: marks must stay readable on any machine and in later versions."""
    pattern = deal(KEY).pattern(PAYLOAD)
    np.testing.assert_allclose(pattern[0, :12] * 100, KNOWN_ROW, atol=1)


KNOWN_ROW = [-29, -2, 38, 15, -47, -49, 23, 67, 25, -33, -24, 36]


def test_marks_of_the_first_format_are_read(mark: Watermark, picture: Image) -> None:
    """Each wave pushed to the side of its bit, as the first format did."""
    first = FirstFormat(KEY)
    luma = luma_square(resized(picture, 256, 256))
    told = PAYLOAD.to_bytes(4, "big")
    check = hmac.digest(first._secret, told, "sha256")[:4]
    word = 2.0 * encode(np.unpackbits(np.frombuffer(told + check, np.uint8))) - 1.0
    moves = np.zeros(256 * 37, np.float32)
    moves[first._order] = np.repeat(word, len(first._order) // 140)
    waves = (moves * first._signs).reshape(256, 37) * 6
    blocks = (waves @ first._basis).reshape(16, 16, 16, 16).swapaxes(1, 2).reshape(256, 256)
    old = np.repeat((luma + blocks).clip(0, 255)[..., None], 3, axis=2).astype(np.uint8)
    reading = mark.find([old])
    assert found(reading)
    assert str(reading.view).endswith("first format")


def test_pictures_without_content_or_room(mark: Watermark) -> None:
    for value in (0, 128, 255):
        for shape in ((MIN_SIDE, MIN_SIDE, 3), (63, 900, 3)):
            assert not mark.find([np.full(shape, value, np.uint8)]).found
    assert mark.find([]) == WatermarkReading(False, None, 0.0, None, None, 0)
    tiny = draw_actor(1, size=64).image
    assert (mark.mark(tiny) == tiny).all()
    assert mark.find([tiny]).images_read == 0


def test_wrong_arrays_are_refused(mark: Watermark) -> None:
    for wrong in (np.zeros((200, 200), np.uint8), np.zeros((200, 200, 3), np.float32)):
        with pytest.raises(ShapeError, match="RGB uint8"):
            mark.mark(wrong)  # type: ignore[arg-type]
        with pytest.raises(ShapeError, match="RGB uint8"):
            mark.find([wrong])  # type: ignore[list-item]


def clean_pictures(count: int) -> list[Image]:
    """Cheap pictures of many kinds: noise of all grains, gradients, stripes, drawn faces."""
    rng = np.random.default_rng(7)
    faces = [draw_actor(n, size=160).image for n in range(20)]
    pictures = []
    for n in range(count):
        side = int(rng.integers(4, 97))
        noise = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
        image = np.asarray(cv2.resize(noise, (MIN_SIDE, MIN_SIDE), interpolation=n % 4), np.uint8)
        if n % 3 == 1:
            y, x = rng.integers(0, 160 - MIN_SIDE, 2)
            image = faces[n % 20][y : y + MIN_SIDE, x : x + MIN_SIDE]
        elif n % 3 == 2:
            image = np.roll(np.sort(image, axis=n % 2), n, axis=1)
        pictures.append(image)
    return pictures


@pytest.mark.slow
def test_many_clean_pictures_give_no_find() -> None:
    mark = Watermark(KEY)
    assert sum(mark.find([image]).found for image in clean_pictures(2)) == 0


@pytest.mark.slow
def test_many_more_clean_pictures_give_no_find() -> None:
    mark = Watermark(KEY)
    assert sum(mark.find([image]).found for image in clean_pictures(80)) == 0


def test_a_false_find_in_ten_thousand_files_is_as_good_as_impossible() -> None:
    """The bound of the documentation, over all payloads and places, for both formats."""
    assert 10_000 * FALSE_FIND < 2e-5
    for payloads, places in ((2**32, VIEWS), (2**32, PLACES), (1, VIEWS), (1, PLACES)):
        chance = payloads * places * np.exp(-(limit(payloads, places) ** 2) / 2)
        assert chance <= CHANCE / 4 * 1.001


@pytest.mark.slow
@pytest.mark.footage
def test_clean_faces_give_no_find(footage: Path) -> None:
    mark = Watermark(KEY)
    files = [f for f in sorted(footage.glob("faces_*/**/*")) if f.suffix in (".jpg", ".png")]
    read = finds = 0
    for file in files[::50]:
        reading = mark.find([read_image(file)])
        read, finds = read + reading.images_read, finds + reading.found
    assert read > 40
    assert finds == 0


def test_bars_are_found() -> None:
    image = draw_actor(2, size=200).image
    padded = np.pad(image, ((30, 41), (7, 0), (0, 0)))
    assert without_bars(padded).shape == image.shape
    assert without_bars(image) is image
    black = np.zeros((200, 200, 3), np.uint8)
    assert without_bars(black) is black


def test_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    home = tmp_path / "not" / "there"
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: load_or_make_key(home), range(16)))
    assert len(keys) == 1
    assert len(keys.pop()) == 32
    assert [file.name for file in home.iterdir()] == ["watermark.key"]
    if sys.platform != "win32":
        assert stat.S_IMODE((home / "watermark.key").stat().st_mode) == 0o600
        assert stat.S_IMODE(home.stat().st_mode) == 0o700


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    load_or_make_key(tmp_path)
    (tmp_path / "watermark.key").chmod(0o640)
    with pytest.raises(ProvenanceError, match="chmod 600"):
        load_or_make_key(tmp_path)


def test_damaged_key_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERFACE_HOME", str(tmp_path))
    load_or_make_key()
    (tmp_path / "watermark.key").write_bytes(b"short")
    with pytest.raises(ProvenanceError, match="has 5 bytes"):
        load_or_make_key()
    with pytest.raises(ProvenanceError, match="32 bytes"):
        Watermark(b"short")
    with pytest.raises(ProvenanceError, match="payload"):
        Watermark(KEY, 1 << 32)
