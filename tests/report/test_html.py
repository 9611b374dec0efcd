import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest
from drawn_reports import a_cue, a_failure, a_report, a_still, a_weighed

from counterface.detect.findings import Check, Contribution, Notice, Part, Report, SetAside
from counterface.errors import MediaError
from counterface.media.tags.metadata import Metadata, Place, Program, Tag
from counterface.provenance.credentials import Credentials
from counterface.provenance.verify import KnownFakeCheck, Provenance, RecordCheck, WatermarkCheck
from counterface.report.html import card_rows, render_html, show_name, write_html

HOSTILE = [
    "<script>alert(1)</script>.mp4",
    "</script><script>alert(1)</script>.mp4",
    '"><img src=x onerror=alert(1)>.mp4',
    "'onmouseover='alert(1).mp4",
    "]]><!--<svg onload=alert(1)>.mp4",
    "{{ 7*7 }}{% raw %}.mp4",
    "a\nb\tc.mp4",
    "-rf.mp4",
    "cod\u202egpj.exe",
    "caf\u00e9 \u732b.mp4",
]


class Page(HTMLParser):
    """The elements and attributes that a browser would see."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.text, self.inside = [], [], []
        self.scripts = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self.inside.append(tag)
        if tag == "script":
            self.scripts.append([dict(attributes), ""])

    def handle_endtag(self, tag):
        if tag in self.inside:
            while self.inside.pop() != tag:
                pass

    def handle_data(self, data):
        if self.inside and self.inside[-1] == "script":
            self.scripts[-1][1] += data
        else:
            self.text.append(data)


@pytest.fixture(scope="module")
def page():
    return render_html([a_report("clip.mp4", [2.0, 3.0, 2.5, 2.8] * 3, [-3.0, -2.0, -2.5] * 4)])


def page_of_name(name):
    return Page(
        render_html([a_report(name, [2.0, 3.0, 2.5]), a_failure(name, f"{name} is cut short")])
    )


@pytest.fixture(scope="module")
def harmless():
    return page_of_name("a.mp4")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_text_and_nothing_else(name, harmless):
    hostile = page_of_name(name)
    assert [tag for tag, _ in hostile.elements] == [tag for tag, _ in harmless.elements]
    assert not any(k.startswith("on") for _, attributes in hostile.elements for k in attributes)
    assert show_name(name) in "".join(hostile.text)


def test_hostile_words_in_notices_and_the_card_are_text_too():
    evil = "</script><script>alert(1)</script>"
    report = a_report("a.mp4", [2.0, 3.0], info={"card": {evil: evil}}, reasons=(evil,))
    parsed = Page(render_html([report]))
    assert not any(script == "alert(1)" for _, script in parsed.scripts)
    assert sum(tag == "script" for tag, _ in parsed.elements) == 3  # points, film, ours


def some_marks(**changes):
    fields = {
        "credentials": Credentials(state="none", reason="None."),
        "watermark": WatermarkCheck(state="not_found", reason="Not there.", frames=8),
        "known_fake": KnownFakeCheck(state="no_match", reason="Unlike all."),
        "record": RecordCheck(state="none", reason="No record."),
        "altered": False,
    }
    return Provenance(**{**fields, **changes})


def test_a_file_without_marks_says_so_in_one_line():
    parsed = Page(render_html([a_report("a.mp4", [-3.0, -3.1], provenance=some_marks())]))
    (line,) = [text for text in parsed.text if "Marks of origin" in text]
    assert line == (
        "Marks of origin: No content credentials, no watermark of this machine, "
        "no likeness to known fakes."
    )
    bare = Page(render_html([a_report("a.mp4", [-3.0, -3.1])]))
    assert not any("Marks of origin" in text for text in bare.text)


def test_marks_are_shown_with_what_they_say_and_hostile_words_stay_text():
    evil = "\u202e</li><script>alert(1)</script>"
    signed = Credentials(
        state="trusted",
        reason=f"Signed by {evil}.",
        signer=evil,
        made_by=evil,
        source_types=("compositeWithTrainedAlgorithmicMedia",),
        ingredients=(evil,),
    )
    broken = RecordCheck(state="differs", reason=f"Of other bytes: {evil}.")
    marks = some_marks(credentials=signed, record=broken, mark=f"Says {evil}.", altered=True)
    report = a_report("a.mp4", [-3.0, -3.1], provenance=marks, reasons=(f"Says {evil}.",))
    page = render_html([report])
    parsed = Page(page)
    text = "".join(parsed.text)
    assert not any(script == "alert(1)" for _, script in parsed.scripts)
    assert "\u202e" not in page
    for words in ("trusted", "Signed by", "differs", "detector alone", "compositeWith"):
        assert words in text
    assert "A face in this file shows traces" not in text


def test_the_page_refers_to_nothing_outside_itself(page):
    for tag, attributes in Page(page).elements:
        for name in ("src", "href", "poster", "data", "action", "srcset", "xlink:href"):
            address = attributes.get(name, "#")
            assert address.startswith(("data:image/jpeg;base64,", "#")), (tag, address[:60])
    style = re.search(r"<style>(.*?)</style>", page, re.S)[1]
    assert "url(" not in style
    assert "@import" not in style


def test_the_policy_allows_our_script_alone(page):
    parsed = Page(page)
    policy = next(a["content"] for t, a in parsed.elements if a.get("http-equiv"))
    assert "default-src 'none'" in policy
    (script,) = [text for attributes, text in parsed.scripts if "type" not in attributes]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy


def test_the_data_for_the_script_is_valid_json(page):
    data = [json.loads(t) for a, t in Page(page).scripts if a.get("type") == "application/json"]
    points = [d for d in data if "score" in d[0]]
    (film,) = [d for d in data if "src" in d[0]]
    assert [len(p) for p in points] == [12, 12]
    assert len(film) == 12


def test_the_verdict_comes_first(page):
    text = " ".join("".join(Page(page).text).split())
    places = [text.index(w) for w in ("Likely manipulated", "Faces over time", "What was checked")]
    assert places == sorted(places)
    assert "not run" in text
    assert "What this report cannot tell" in text


def test_the_track_that_decided_comes_first(page):
    swapped = render_html([a_report("clip.mp4", [-3.0, -2.0, -2.5], [2.0, 3.0, 2.5])])
    for text, faces in ((page, ["Face 1", "Face 2"]), (swapped, ["Face 2", "Face 1"])):
        people = [a for _, a in Page(text).elements if a.get("class", "").startswith("person ")]
        assert [a["aria-label"] for a in people] == faces


def test_every_state_has_a_page_and_many_files_an_overview():
    reports = [
        a_report("fake.mp4", [3.0, 3.1, 3.2]),
        a_report("clear.mp4", [-3.0, -3.1, -3.2]),
        a_report("unsure.mp4", [-3.0, 0.1, 3.2]),
        a_report("empty.mp4"),
        a_failure("broken.mp4", "broken.mp4 is cut short"),
    ]
    text = " ".join("".join(Page(render_html(reports)).text).split())
    assert "5 files" in text
    for words in ("Likely manipulated", "No manipulation found", "Inconclusive", "No face found"):
        assert words in text
    assert "broken.mp4 is cut short" in text


def test_a_report_read_back_from_json_still_has_a_page():
    report = Report.model_validate_json(a_report("clip.mp4", [2.0, 3.0, 2.5]).to_json())
    parsed = Page(render_html([report]))
    assert not any(tag == "img" for tag, _ in parsed.elements)
    assert any("timeline" in a.get("class", "").split() for _, a in parsed.elements)


def test_a_name_shows_what_would_turn_or_hide_it():
    assert show_name("cod\u202egpj.exe") == "cod\\u202egpj.exe"
    assert show_name("a\nb") == "a\\nb"
    assert show_name("plain \u732b.mp4") == "plain \u732b.mp4"


def test_nested_card_values_read_as_one_line():
    rows = dict(card_rows({"auc": {"value": 0.8712, "low": 0.8}, "sets": ["a", "b"], "none": None}))
    assert rows == {"AUC": "value: 0.871; low: 0.8", "Sets": "a, b"}


def test_writing_is_all_or_nothing(tmp_path, monkeypatch):
    page = tmp_path / "report.html"
    write_html([a_report("a.mp4", [1.0, 2.0])], page)
    before = page.read_bytes()
    monkeypatch.setattr("counterface.files.os.fsync", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_html([a_report("b.mp4", [1.0, 2.0])], page)
    assert page.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(MediaError, match="cannot be written"):
        write_html([], tmp_path / "absent" / "report.html")


def words(page):
    return " ".join("".join(Page(page).text).split())


def test_the_big_number_is_named():
    text = words(render_html([a_report("a.mp4", [2.0, 3.0, 2.5])]))
    assert re.search(r"\d+% ?probability of manipulation", text)


def test_facts_that_change_trust_stand_between_the_verdict_and_the_scale():
    notices = (
        Notice(code="hdr", text="It was made for HDR screens.", level="trust"),
        Notice(code="heavy_compression", text="Heavily compressed."),
    )
    page = render_html([a_report("a.mp4", [2.0, 3.0, 2.5], notices=notices)])
    order = [
        "</h2>",
        "made for HDR",
        'class="scale"',
        "Heavily compressed",
        "A reason for the file",
    ]
    places = [page.index(piece) for piece in order]
    assert places == sorted(places)


def test_a_picture_is_shown_whole_with_numbers_and_without_a_face_too():
    group = Page(render_html([a_still("group.jpg", [3.0], [-3.0])]))
    boxes = [a for _, a in group.elements if "numbered" in a.get("class", "").split()]
    assert len(boxes) == 2
    empty = Page(render_html([a_still("empty.jpg")]))
    assert any(a.get("class") == "whole" for _, a in empty.elements)
    film = Page(render_html([a_report("empty.mp4")]))
    assert sum(a.get("alt", "").startswith("Frame at") for _, a in film.elements) == 8


def test_what_many_files_share_is_said_once_and_pictures_have_sizes():
    one = render_html([a_still("a.jpg", [3.0])])
    many = render_html([a_still(f"{i}.jpg", [3.0]) for i in range(30)])
    for page in (one, many):
        assert page.count("Model card</summary>") == 1
        assert page.count("What this report cannot tell</h3>") == 1
    pictures = [a for tag, a in Page(many).elements if tag == "img"]
    assert len(pictures) > 60
    assert all(a.get("width") and a.get("height") and a.get("decoding") for a in pictures)
    assert sum(a.get("loading") == "lazy" for a in pictures) > 60 - 30
    assert len(many) < 30 * len(one)


def test_what_was_not_run_is_folded_away_but_for_one_line():
    checks = (
        Check(name="faces", title="Faces", ran=True, note="1 person."),
        Check(name="watermark", title="Watermark", ran=False, note="No key.", detail=True),
        Check(name="sound", title="Voice", ran=False, note="Not part of this version."),
        Check(name="motion", title="Motion", ran=False, note="Not part of this version."),
    )
    page = render_html([a_report("a.mp4", [2.0, 3.0], checks=checks)])
    (column,) = re.findall(r"What was checked</h3>(.*?)</section>", page, re.S)
    seen, _, folded = column.partition("<details>")
    assert seen.count("not run") == 1
    assert "Voice, motion." in seen
    assert "Watermark" not in seen
    assert [folded.count(note) for note in ("No key.", "Not part of")] == [1, 2]


def test_no_word_needs_an_expert():
    report = a_report("a.mp4", [2.0, 3.0])
    shown = re.sub(r"<(details|style)>.*?</\1>", "", render_html([report]), flags=re.S)
    text = words(shown).lower()
    for word in ("quantiser", "logit", "auc", "calibrat", "template", "sigmoid"):
        assert word not in text


def test_metadata_are_shown_and_hostile_ones_are_text():
    evil = "</dd><script>alert(1)</script>"
    found = Metadata(
        camera="Canon EOS R5",
        programs=(Program(name="Adobe Photoshop 25", role="editor"),),
        created="2025:06:07",
        place=Place(latitude=48.8577, longitude=-2.295),
        tags=(Tag(name=evil, value=evil),),
        left_out=3,
    )
    page = render_html([a_report("a.mp4", [2.0, 3.0], metadata=found)])
    text = words(page)
    assert "Editing programAdobe Photoshop 25" in text
    assert "48.857700, -2.295000" in text
    assert "4 more" in text
    assert not any(script == "alert(1)" for _, script in Page(page).scripts)
    assert "It could not be read: Boom" in words(
        render_html([a_report("a.mp4", [2.0], metadata=Metadata(problem="Boom"))])
    )
    assert "Nothing: no camera" in words(
        render_html([a_report("a.mp4", [2.0], metadata=Metadata())])
    )


def test_what_the_headline_says_is_not_said_again():
    first = a_report("a.mp4", [2.0, 3.0])
    again = a_report("a.mp4", [2.0, 3.0], reasons=(f"{first.headline.text} Another reason.",))
    text = words(render_html([again]))
    assert text.count(first.headline.text) == 1
    assert "Another reason." in text


@pytest.mark.slow
def test_a_face_past_the_line_that_does_not_count_is_not_cut_off_by_many_that_do():
    clear = [[-3.0 + 0.01 * i, -3.1, -3.2] for i in range(20)]
    report = a_report("crowd.mp4", *clear, [3.0, 3.1, 3.2])
    flash = report.tracks[-1].model_copy(
        update={"aside": SetAside(code="brief", text="it was seen in 3 frames"), "brief": True}
    )
    page = render_html([report.model_copy(update={"tracks": (*report.tracks[:-1], flash)})])
    labels = [a.get("aria-label") for _, a in Page(page).elements]
    assert "Face 21" in labels


def test_each_witness_stands_under_its_face_and_the_line_is_that_of_the_quality():
    report = a_weighed("fake.mp4", [3.0, 3.1, 3.0], [2.5, -0.1], line=0.9)
    page = render_html([report])
    assert page.count('class="says-for"') == page.count('class="says-neither"') == 1
    assert "looks for bright faces, speaks for manipulation (+2.5 of at most 3)." in page
    assert "at most 5% score above the line at 90%" in page
    assert "from 90%" in page
    assert "Quality: bin 0" in page
    assert "score for manipulation" in page
    again = Report.model_validate_json(report.to_json())
    assert again == report
    assert "never, at this quality" in render_html([a_weighed("d.mp4", [3.0] * 3, [2.5], line=1.0)])
    plain = render_html([a_report("plain.mp4", [3.0, 3.1, 3.0])])
    assert 'class="witnesses"' not in plain
    assert "probability of manipulation" in plain


def test_the_page_shows_parts_bars_and_courses():
    series = ((0.0, 1.0), (0.5, 2.0), (1.0, 1.5))
    cues = (a_cue(1.25, title="Trembling", series=series), a_cue(None, 0.0, says="no weight"))
    report = a_report("clip.mp4", [1.0] * 8)
    detector = Contribution(name="detector", title="the detector", log_odds=-0.5)
    jitter = Contribution(name="drawn", title="'Trembling'", log_odds=1.25)
    track = report.tracks[0].model_copy(update={"cues": cues, "contributions": (detector, jitter)})
    parts = (
        Part(name="picture", says="undecided", text="Left open."),
        Part(name="sound", says="not judged", text="Nobody speaks."),
        Part(name="match", says="in doubt", text="It may be dubbed."),
    )
    heard = (a_cue(0.7, reads="sound", title="Voice"),)
    page = render_html(
        [report.model_copy(update={"tracks": (track,), "parts": parts, "sound_cues": heard})]
    )
    for words in ("Undecided", "Not judged", "In doubt", "It may be dubbed.", "Lips and sound"):
        assert words in page
    assert page.index("Trembling</span>") < page.index("Detector</span>")
    assert "+1.2" in page
    assert "−0.5" in page
    assert page.count('class="course"') == 1
    assert "2 cues: 1 for, 1 without weight" in page
    assert "1 cue: 1 for" in page


def test_a_report_of_before_has_neither_parts_nor_bars():
    page = render_html([a_report("clip.mp4", [1.0] * 8)])
    assert 'class="parts"' not in page
    assert 'class="bars"' not in page
