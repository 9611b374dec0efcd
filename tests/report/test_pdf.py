import re
import shutil
import subprocess
import sys
from collections import Counter

import pytest
from drawn_reports import a_cue, a_failure, a_report, a_still, a_weighed
from test_html import HOSTILE, Page, some_marks

from counterface.apps.cli.main import main
from counterface.detect.findings import Check, Contribution, Notice, Part
from counterface.errors import ConfigError, MediaError
from counterface.media.tags.metadata import Metadata, Tag
from counterface.provenance.credentials import Credentials
from counterface.report import html as html_page
from counterface.report.html import render_html, show_name
from counterface.report.pdf import MOST_FILES, require_weasyprint, write_pdf

needs_weasyprint = pytest.mark.usefixtures("weasyprint")
needs_pdftotext = pytest.mark.skipif(
    shutil.which("pdftotext") is None, reason="pdftotext (poppler-utils) is not installed"
)
SPACES = re.compile(r"[\s\u00a0]+")


def squeezed(text):
    """Without white space: where lines are broken does not matter."""
    return SPACES.sub("", re.sub("[\u2066-\u2069\u202a-\u202e\u200b-\u200f\f]", "", text))


def words_of(path):
    done = subprocess.run(["pdftotext", path, "-"], capture_output=True, check=True)
    return done.stdout.decode()


def facts_of(path):
    done = subprocess.run(["pdfinfo", path], capture_output=True, check=True)
    lines = (line.split(":", 1) for line in done.stdout.decode().splitlines() if ":" in line)
    return {name: value.strip() for name, value in lines}


def a_video_of_two():
    series = tuple((0.1 * i, float(i % 5)) for i in range(30))
    cues = (
        a_cue(1.25, title="Trembling", series=series, text="The jaw trembles."),
        a_cue(None, 0.0, says="no weight", text="Blinks were not counted."),
    )
    report = a_report("clip.mp4", [2.0, 3.0, 2.5, 2.8] * 3, [-3.0, -2.0, -2.5] * 4)
    pieces = (
        Contribution(name="detector", title="the detector", log_odds=-0.5),
        Contribution(name="drawn", title="'Trembling'", log_odds=1.25),
    )
    track = report.tracks[0].model_copy(update={"cues": cues, "contributions": pieces})
    parts = (
        Part(name="picture", says="undecided", text="Left open."),
        Part(name="match", says="in doubt", text="It may be dubbed."),
    )
    signed = Credentials(
        state="trusted",
        reason="Signed by the drawers.",
        signer="Drawers",
        made_by="Pencil 2",
        source_types=("compositeWithTrainedAlgorithmicMedia",),
        ingredients=("sketch.mp4",),
    )
    checks = (
        Check(name="faces", title="Faces", ran=True, note="2 people."),
        Check(name="watermark", title="Watermark", ran=False, note="No key.", detail=True),
    )
    found = Metadata(camera="Canon EOS R5", tags=(Tag(name="Lens", value="35 mm"),))
    fields = {
        "tracks": (track, *report.tracks[1:]),
        "parts": parts,
        "provenance": some_marks(credentials=signed),
        "checks": checks,
        "metadata": found,
        "sound_cues": (a_cue(0.7, reads="sound", text="The voice is even."),),
        "notices": (
            Notice(code="hdr", text="It was made for HDR screens.", level="trust"),
            Notice(code="brief", text="Seen briefly.", track=1),
        ),
    }
    return report.model_copy(update=fields)


@pytest.fixture(scope="module")
def weasyprint():
    """Skips where WeasyPrint or Pango is absent, with what to install."""
    try:
        require_weasyprint()
    except ConfigError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def video(tmp_path_factory, weasyprint):
    path = tmp_path_factory.mktemp("pdf") / "video.pdf"
    write_pdf([a_video_of_two()], path)
    return path


def said_by(page):
    """Whatever a page of the browser says to its reader, without what only works there."""
    left_out = r'<(title|style|script)\b.*?</\1>|<span class="(on-screen|unseen)">.*?</span>'
    parsed = Page(re.sub(left_out, "", page, flags=re.S))
    return [text.strip() for text in parsed.text if text.strip()]


@needs_weasyprint
@needs_pdftotext
@pytest.mark.slow
def test_the_pdf_says_all_that_the_page_says_and_unfolds_what_is_folded(video):
    shown = squeezed(words_of(video))
    said = said_by(render_html([a_video_of_two()]))
    assert "The jaw trembles." in said  # folded on the page
    assert "No key." in said
    # beside the last sentence of the page, which is of a page
    missing = [text for text in said if squeezed(text) not in shown]
    assert [text for text in missing if "loads nothing" not in text] == []


@needs_weasyprint
@needs_pdftotext
@pytest.mark.slow
def test_what_a_pointer_would_show_stands_there_each_moment_with_score_and_size(video):
    shown = Counter(words_of(video).split())
    page = html_page.file_views([a_video_of_two()])
    points = [point for view in page for person in view["tracks"] for point in person["points"]]
    assert len(points) == 24
    for name in ("time", "score", "size"):
        for word, count in Counter(point[name].split()[0] for point in points).items():
            assert shown[word] >= count, (name, word)


@needs_weasyprint
@needs_pdftotext
@pytest.mark.slow
def test_the_facts_of_the_pdf_name_title_maker_and_date_and_pages_are_numbered(video):
    facts = facts_of(video)
    assert facts["Title"] == "Likely manipulated: clip.mp4"
    assert facts["Creator"].startswith("Counterface ")
    assert "2026" in facts["CreationDate"]
    assert facts["Page size"].endswith("(A4)")
    assert facts["JavaScript"] == "no"
    pages = words_of(video).split("\f")[:-1]
    assert len(pages) == int(facts["Pages"])
    for number, page in enumerate(pages, start=1):
        assert f"{number} of {len(pages)}" in page
        assert "clip.mp4" in page
        assert "2 January 2026, 03:04 UTC" in page
        assert len(page) > 200  # none is empty


@needs_weasyprint
@needs_pdftotext
@pytest.mark.slow
def test_many_files_of_every_kind_have_their_words_and_the_page_where_they_begin(tmp_path):
    reports = [
        a_still("group.jpg", [3.0], [-3.0]),
        a_weighed("weighed.mp4", [3.0, 3.1, 3.0], [2.5, -0.1], line=0.9),
        a_report("empty.mp4"),
        a_failure("broken.mp4", "broken.mp4 is cut short"),
    ]
    write_pdf(reports, tmp_path / "many.pdf")
    text = words_of(tmp_path / "many.pdf")
    shown = squeezed(text)
    missing = [t for t in said_by(render_html(reports)) if squeezed(t) not in shown]
    # what sorts, filters and leads back is of no use on paper
    on_screen = ("loads nothing", "Show", "every verdict", "with", "All files")
    assert [t for t in missing if not any(word in t for word in on_screen)] == []
    pages = text.split("\f")
    for name in ("group.jpg", "weighed.mp4", "empty.mp4", "broken.mp4"):
        first = next(i for i, page in enumerate(pages[1:], start=2) if name in page)
        line = pages[0][pages[0].index(name) :]
        assert re.search(rf"\b{first}\b", line), name


@needs_weasyprint
@needs_pdftotext
@pytest.mark.slow
def test_hostile_names_are_words_and_nothing_else(tmp_path):
    names = [*HOSTILE, "\u05e9\u05dc\u05d5\u05dd.mp4"]
    write_pdf([a_failure(name, "It is cut short.") for name in names], tmp_path / "a.pdf")
    shown = squeezed(words_of(tmp_path / "a.pdf"))
    for name in names[:-2]:  # letters of the last two are drawn by fonts that may be absent
        assert squeezed(show_name(name.rpartition("/")[2])) in shown
    assert "\u202e" not in words_of(tmp_path / "a.pdf").split("cod")[-1][:4]
    assert facts_of(tmp_path / "a.pdf")["JavaScript"] == "no"


@pytest.mark.parametrize("name", HOSTILE)
def test_the_printed_page_has_the_same_elements_whatever_the_name(name):
    def elements(name):
        reports = [a_report(name, [2.0, 3.0, 2.5]), a_failure(name, f"{name} is cut short")]
        return [tag for tag, _ in Page(render_html(reports, printed=True)).elements]

    assert elements(name) == elements("a.mp4")
    assert "script" not in elements(name)


def test_nothing_of_the_printed_page_can_be_folded_away_or_asks_for_more():
    page = render_html([a_video_of_two(), a_still("b.jpg", [3.0])], printed=True)
    parsed = Page(page)
    assert not {"script", "input", "select", "button"} & {tag for tag, _ in parsed.elements}
    for tag, attributes in parsed.elements:
        for name in ("src", "href"):
            address = attributes.get(name, "#")
            assert address.startswith(("data:image/jpeg;base64,", "#")), (tag, address[:60])
    style = re.search(r"<style>(.*?)</style>", page, re.S)[1]
    assert "url(" not in style
    assert "@import" not in style


@needs_weasyprint
def test_no_address_but_the_pages_own_is_loaded(tmp_path, monkeypatch, caplog):
    (tmp_path / "secret.css").write_text("body::after { content: 'leaked' }")
    asked = []

    def page(*_, **__):
        return (
            f'<link rel="stylesheet" href="{(tmp_path / "secret.css").as_uri()}">'
            '<link rel="stylesheet" href="http://127.0.0.1:9/a.css">'
            '<img src="http://127.0.0.1:9/a.png"><img src="relative.png"><p>words</p>'
            f'<div style="background:url({(tmp_path / "secret.css").as_uri()})">x</div>'
        )

    monkeypatch.setattr("counterface.report.html.render_html", page)
    monkeypatch.setattr("socket.socket.connect", lambda *words: asked.append(words))
    opened = []
    monkeypatch.setattr("urllib.request.FileHandler.file_open", lambda *w: opened.append(w))
    monkeypatch.chdir(tmp_path)
    write_pdf([], tmp_path / "a.pdf")
    assert (asked, opened) == ([], [])
    refused = [r.getMessage() for r in caplog.records if "disallowed protocol" in r.getMessage()]
    assert len(refused) >= 3
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")


@needs_weasyprint
@pytest.mark.slow
def test_the_same_reports_give_the_same_bytes_in_another_process(video, tmp_path):
    program = (
        "import sys; sys.path[:0] = ['tests', 'tests/report']; import test_pdf; "
        "test_pdf.write_pdf([test_pdf.a_video_of_two()], sys.argv[1])"
    )
    again = tmp_path / "again.pdf"
    subprocess.run([sys.executable, "-c", program, again], check=True)
    assert again.read_bytes() == video.read_bytes()


@pytest.mark.parametrize(
    ("fault", "advice"),
    [
        (None, "pip install 'counterface\\[pdf\\]'"),
        (
            OSError("cannot load library 'libgobject-2.0-0': not found\nmore"),
            "apt install libpango",
        ),
    ],
)
def test_what_is_missing_is_named_with_what_to_install(tmp_path, monkeypatch, fault, advice):
    class Finder:
        def find_spec(self, name, *_):
            if name == "weasyprint":
                raise fault

    monkeypatch.delitem(sys.modules, "weasyprint", raising=False)
    if fault is None:
        monkeypatch.setitem(sys.modules, "weasyprint", None)
    else:
        monkeypatch.setattr("sys.meta_path", [Finder(), *sys.meta_path])
    with pytest.raises(ConfigError, match=advice) as caught:
        write_pdf([a_failure("a.mp4", "broken")], tmp_path / "a.pdf")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@needs_weasyprint
def test_more_files_than_one_pdf_takes_are_refused_before_any_work(tmp_path):
    reports = [a_failure("a.mp4", "broken")] * (MOST_FILES + 1)
    with pytest.raises(ConfigError, match=f"at most {MOST_FILES}"):
        write_pdf(reports, tmp_path / "a.pdf")


@needs_weasyprint
def test_a_folder_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(MediaError, match="cannot be written"):
        write_pdf([a_failure("a.mp4", "broken")], tmp_path / "absent" / "a.pdf")


@needs_weasyprint
def test_the_command_writes_page_and_pdf_whatever_happens(tmp_path, monkeypatch, capsys):
    def stopped(files, config, **_):
        assert config.pictures  # for the PDF alone as well
        yield a_failure("a.mp4", "a.mp4 is cut short")
        raise KeyboardInterrupt

    monkeypatch.setattr("counterface.detect.scanning.scan_files.scan_files", stopped)
    for words in (["--html", str(tmp_path / "a.html")], []):
        pdf = tmp_path / f"{len(words)}.pdf"
        assert main(["scan", "a.mp4", "b.mp4", "--pdf", str(pdf), *words]) == 130
        assert pdf.read_bytes().startswith(b"%PDF")
        assert f"PDF: {pdf}" in capsys.readouterr().err
    assert (tmp_path / "a.html").exists()


@needs_weasyprint
@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--pdf", "/nowhere/at/all.pdf"], "does not exist"),
        (["--pdf", "/"], "is a folder"),
        (["--pdf", "clip.mp4"], "picture or video"),
        (["--pdf", "a.html", "--html", "a.html"], "another output"),
        (["--pdf", "a.csv", "--csv", "a.csv"], "another output"),
    ],
)
def test_a_place_where_no_pdf_may_go_is_refused_before_the_scan(words, reason, capsys):
    assert main(["scan", "x.mp4", *words]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert reason in printed.err
    assert len(printed.err.splitlines()) == 1
