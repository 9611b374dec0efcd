"""What a file says of its own making: found, named, bounded, and never more than text."""

from __future__ import annotations

from pathlib import Path

import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL.ExifTags import IFD
from PIL.PngImagePlugin import PngInfo

from counterface.media import sandbox
from counterface.media.tags.container import read_container_tags
from counterface.media.tags.metadata import (
    LONGEST_VALUE,
    MOST_TAGS,
    Metadata,
    clean,
    judge_program,
    list_tags,
    place_of,
    read_iso6709,
    xmp_fields,
)
from counterface.media.tags.picture import read_picture_tags

EVIL = "\u202e\x9b2J</script><script>alert(1)</script>\x00\n" + "x" * 5000


def a_photo(path: Path, *, gps: dict[int, object] | None = None, **main: str) -> Path:
    """A small JPEG with EXIF; names of its main directory as in the standard."""
    exif = PIL.Image.Exif()
    numbers = {"make": 0x010F, "model": 0x0110, "software": 0x0131, "modified": 0x0132}
    for name, value in main.items():
        exif[numbers[name]] = value
    exif.get_ifd(IFD.Exif)[0x9003] = "2025:06:07 08:09:10"
    if gps:
        exif.get_ifd(IFD.GPSInfo).update(gps)
    PIL.Image.new("RGB", (32, 32)).save(path, exif=exif)
    return path


def test_a_photo_tells_camera_program_dates_and_place(tmp_path):
    gps = {1: "S", 2: (33.0, 51.0, 35.9), 3: "E", 4: (151.0, 12.0, 40.0)}
    file = a_photo(
        tmp_path / "p.jpg",
        gps=gps,
        make="Canon",
        model="Canon EOS R5",
        software="Adobe Photoshop 25.0 (Windows)",
        modified="2025:07:01 00:00:00",
    )
    found = sandbox.read_metadata(file)
    assert found.camera == "Canon EOS R5"
    assert [(p.name, p.role) for p in found.programs] == [
        ("Adobe Photoshop 25.0 (Windows)", "editor")
    ]
    assert (found.created, found.modified) == ("2025:06:07 08:09:10", "2025:07:01 00:00:00")
    assert found.place is not None
    assert found.place.latitude == pytest.approx(-33.859972, abs=1e-6)
    assert found.place.longitude == pytest.approx(151.211111, abs=1e-6)
    assert found.makers == ()


def test_a_generator_and_its_prompt_are_named(tmp_path):
    chunks = PngInfo()
    chunks.add_text("parameters", "a face, Steps: 20, Sampler: Euler a")
    PIL.Image.new("RGB", (32, 32)).save(tmp_path / "g.png", pnginfo=chunks)
    found = sandbox.read_metadata(tmp_path / "g.png")
    assert len(found.makers) == 1
    assert any("Sampler" in tag.value for tag in found.tags)


def test_the_digital_source_of_xmp_is_read(tmp_path):
    address = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    for packet in (
        f'<rdf:Description Iptc4xmpExt:DigitalSourceType="{address}" xmp:CreatorTool="X 1"/>',
        f"<Iptc4xmpExt:DigitalSourceType>{address}</Iptc4xmpExt:DigitalSourceType>",
    ):
        PIL.Image.new("RGB", (32, 32)).save(tmp_path / "x.jpg", xmp=packet.encode())
        found = sandbox.read_metadata(tmp_path / "x.jpg")
        assert found.digital_source == "trainedAlgorithmicMedia"
        assert found.makers == ("trainedAlgorithmicMedia",)


def test_xmp_says_the_first_of_each_and_nothing_of_closing_tags():
    packet = "<a:CreatorTool>X 1</a:CreatorTool>\n <b/><a:CreatorTool>Y</a:CreatorTool>"
    assert list(xmp_fields(packet)) == [("CreatorTool", "X 1"), ("CreatorTool", "Y")]


def test_the_xmp_of_a_video_is_read(tmp_path):
    import av

    with av.open(str(tmp_path / "v.mp4"), "w") as file:
        stream = file.add_stream("mpeg4", rate=5)
        stream.width = stream.height = 32
        file.mux(stream.encode(av.VideoFrame(32, 32, "yuv420p")))
        file.mux(stream.encode(None))
    packet = b'<r:D xmp:CreatorTool="Veo" ext:DigitalSourceType="a/trainedAlgorithmicMedia"/>'
    box = bytes.fromhex("be7acfcb97a942e89c71999491e3afac") + packet
    with (tmp_path / "v.mp4").open("ab") as file:
        file.write((8 + len(box)).to_bytes(4, "big") + b"uuid" + box)
    found = sandbox.read_metadata(tmp_path / "v.mp4")
    assert found.digital_source == "trainedAlgorithmicMedia"
    assert found.programs[0].name == "Veo"


def test_a_video_tells_what_its_container_says(tmp_path):
    import av

    with av.open(str(tmp_path / "v.mov"), "w", options={"movflags": "use_metadata_tags"}) as file:
        file.metadata.update(
            {
                "com.apple.quicktime.make": "Apple",
                "com.apple.quicktime.model": "iPhone 15",
                "com.apple.quicktime.location.ISO6709": "+48.8577+002.2950+035/",
                "title": EVIL,
            }
        )
        stream = file.add_stream("mpeg4", rate=5)
        stream.width = stream.height = 32
        for packet in stream.encode(av.VideoFrame(32, 32, "yuv420p")):
            file.mux(packet)
        file.mux(stream.encode(None))
    found = sandbox.read_metadata(tmp_path / "v.mov")
    assert found.camera == "Apple iPhone 15"
    assert found.place is not None
    assert (found.place.latitude, found.place.longitude) == (48.8577, 2.295)
    assert any(p.role == "converter" and p.name.startswith("FFmpeg") for p in found.programs)
    (title,) = [tag.value for tag in found.tags if tag.name == "title"]
    assert title.isprintable()
    assert len(title) <= LONGEST_VALUE + 1


def test_hostile_values_of_a_picture_are_one_bounded_line(tmp_path):
    file = a_photo(tmp_path / "e.jpg", make=EVIL, model=EVIL, software=EVIL, modified=EVIL)
    found = read_picture_tags(file)
    for text in (found.camera, found.modified, *(p.name for p in found.programs)):
        assert text is not None
        assert text.isprintable()
        assert len(text) <= LONGEST_VALUE + 1


def test_a_place_that_is_none_is_left_out(tmp_path):
    for number, gps in enumerate(
        (
            {1: "N", 2: (99.0, 0.0, 0.0), 3: "E", 4: (1.0, 0.0, 0.0)},
            {1: "N", 2: (0.0, 0.0, 0.0), 3: "E", 4: (0.0, 0.0, 0.0)},
            {1: "N"},
        )
    ):
        file = tmp_path / f"{number}.jpg"
        a_photo(file, gps=gps)
        assert sandbox.read_metadata(file).place is None


def test_a_file_without_metadata_says_nothing_and_one_that_is_no_media_says_why(tmp_path):
    PIL.Image.new("RGB", (32, 32)).save(tmp_path / "bare.png")
    (tmp_path / "text.mp4").write_text("no video")
    assert sandbox.read_metadata(tmp_path / "bare.png").empty
    assert "is text" in (sandbox.read_metadata(tmp_path / "text.mp4").problem or "")


@given(data=st.binary(max_size=400), at=st.integers(0, 400))
def test_damaged_exif_is_metadata_still(tmp_path_factory, data, at):
    folder = tmp_path_factory.getbasetemp()
    whole = _JPEG[:20] + data + _JPEG[20 + at :]
    (folder / "damaged.jpg").write_bytes(whole)
    try:
        found = read_picture_tags(folder / "damaged.jpg")
    except Exception as error:  # noqa: BLE001
        assert type(error).__name__ == "MediaError"  # noqa: PT017
        return
    assert Metadata.model_validate_json(found.model_dump_json()) == found


def _a_jpeg() -> bytes:
    import io

    exif = PIL.Image.Exif()
    exif[0x010F] = "Maker" * 20
    exif.get_ifd(IFD.GPSInfo).update({1: "N", 2: (1.0, 2.0, 3.0), 3: "E", 4: (1.0, 2.0, 3.0)})
    stream = io.BytesIO()
    PIL.Image.new("RGB", (16, 16)).save(stream, "JPEG", exif=exif)
    return stream.getvalue()


_JPEG = _a_jpeg()


@given(
    value=st.text() | st.binary() | st.lists(st.floats(), max_size=20) | st.integers() | st.none()
)
@settings(max_examples=50)
def test_any_value_becomes_one_printable_line(value):
    text = clean(value)
    assert text.isprintable()
    assert len(text) <= LONGEST_VALUE + 1


def test_many_tags_are_cut_and_counted():
    tags, left_out = list_tags((f"n{i}", "v") for i in range(MOST_TAGS + 7))
    assert (len(tags), left_out) == (MOST_TAGS, 7)


@given(packet=st.binary(max_size=300))
def test_any_packet_is_read(packet):
    for name, value in xmp_fields(b'<a:Credit="' + packet):
        assert name
        assert value


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("Adobe Photoshop 25.0", "editor"),
        ("CapCut 9.1", "editor"),
        ("FFmpeg (Lavf60.3.100)", "converter"),
        ("Stable Diffusion XL", "generator"),
        ("FaceFusion 3", "generator"),
        ("17.2.1", "other"),
        ("Visor de sorabadas, android-id 4", "other"),
    ],
)
def test_programs_are_named_by_what_they_do(name, role):
    assert judge_program(name) == role


def test_places_in_words():
    assert read_iso6709("+48.8577+002.2950+035/") == place_of(48.8577, 2.295)
    assert read_iso6709("-33.9-070.6/") == place_of(-33.9, -70.6)
    assert read_iso6709("") is None
    assert place_of(float("nan"), 1.0) is None
    assert read_iso6709("48 N") is None


def test_a_container_of_another_kind_is_an_error(tmp_path):
    (tmp_path / "x").write_bytes(b"0" * 100)
    with pytest.raises(Exception, match="is text"):
        read_container_tags(tmp_path / "x")
