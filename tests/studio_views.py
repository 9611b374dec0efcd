"""Every page of the studio and its main parts with something on it, and the way to each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from actors import Expression, draw_actor, draw_clip, write_clip
from drawn_facesets import write_person
from made_files import make_file
from studio_running import RunningStudio
from swap_files import write_df
from swap_targets import draw_images, write_target
from tiny_detector import metadata, write_detector

from counterface.media.image import write_image
from counterface.provenance.rights import Rights
from counterface.types import Pose

RIGHTS = Rights(shown="a drawn face", basis="synthetic", reference="tests/actors.py")
SAID = {"shown", "basis", "reference"}
CROPS = 60
TRAINING: dict[str, Any] = {
    "model": "lightweight",
    "options": {"width": 8, "code": 16},
    "source": ["lab/anna"],
    "target": ["lab/ben"],
    "out": "lab/run",
    "preview_every": 5,
    "preview_rows": 1,
    "preview_history": True,
    "loop": {"steps": 12, "batch_size": 2, "log_every": 1, "tensorboard": False, "device": "cpu"},
}


def draw_lab(root: Path) -> None:
    """Put something for every page into a folder."""
    write_clip(root / "clip.mp4", draw_clip([1, 2], frames=36, width=480, height=270))
    write_person(root / "jane", 1, CROPS)
    write_person(root / "anna", 1, 4, template="head", side=128)
    write_person(root / "ben", 2, 4, template="head", side=128)
    write_df(root / "df.safetensors", RIGHTS)
    write_target(root / "target.mp4", draw_images((1,), 12, 320, 240))
    (root / "rights.toml").write_text(
        "".join(f'{name} = "{value}"\n' for name, value in RIGHTS.model_dump(include=SAID).items())
    )
    make_file(root / "made.png")
    draw_measured(root / "data")


def draw_measured(folder: Path) -> None:
    """Eight pictures, the fake ones lighter, their manifest, and two detectors."""
    folder.mkdir()
    lines = ["path,label"]
    for number in range(8):
        image = draw_actor(number, Pose(0, 0, 0), Expression(), 320).image.astype(np.float32)
        fake = number % 2
        image = np.clip(image * 0.6 + 90 * fake, 0, 255).astype(np.uint8)
        write_image(folder / f"{number}.png", image)
        lines.append(f"{number}.png,{'fake' if fake else 'real'}")
    (folder / "drawn.csv").write_text("\n".join(lines) + "\n")
    write_detector(folder / "one.onnx")
    write_detector(folder / "two.onnx", metadata(name="other"))


def run_jobs(studio: RunningStudio) -> None:
    """Scan the clip twice, train for a moment, measure two detectors: scans are number 1 and 2."""
    asked: list[tuple[str, dict[str, Any]]] = [
        ("scans", {"places": ["lab/clip.mp4"]}),
        ("scans", {"places": ["lab/clip.mp4"], "options": {"frames": 5}}),
        ("jobs", {"command": "swap train", "options": {"set": TRAINING}}),
        (
            "jobs",
            {
                "command": "detect evaluate",
                "arguments": ["lab/data/drawn.csv"],
                "options": {"detector": ["lab/data/one.onnx", "lab/data/two.onnx"]},
                "page": True,
            },
        ),
    ]
    jobs = []
    for noun, body in asked:
        status, answer = studio.ask("POST", f"/api/v1/{noun}", body)
        assert status == 201, answer
        jobs.append(answer["jobs"][0]["id"] if noun == "scans" else answer["id"])
    for number in jobs:
        ended = studio.wait_for(number)
        assert ended["job"]["state"] == "done", ended["job"]


@dataclass(frozen=True)
class View:
    """Something that the studio shows: its address, what is done until it is seen, and then.

    What `act` does may move the page: the result of a job comes when it comes.
    """

    address: str
    come: Callable[[Any], None]
    act: Callable[[Any], None] = lambda page: None

    def open(self, page: Any, studio: RunningStudio) -> None:
        """Load the studio anew at this view."""
        page.goto("about:blank")
        page.goto(f"{studio.address}/#/{self.address}")
        self.come(page)
        page.wait_for_timeout(300)  # what comes late moves what is there


def see(*selectors: str) -> Callable[[Any], None]:
    """Wait for elements."""

    def wait(page: Any) -> None:
        for selector in selectors:
            page.locator(selector).first.wait_for()

    return wait


def _judge(page: Any) -> None:
    page.fill("#scan-path", "lab/clip.mp4")
    page.get_by_role("button", name="Judge", exact=True).click()
    page.locator(".queue li a").first.wait_for()
    page.locator("summary", has_text="Options of the scan").click()


def _editor(mode: str, then: Callable[[Any], None]) -> Callable[[Any], None]:
    def come(page: Any) -> None:
        page.wait_for_selector(".crop img[src]")
        page.focus(".crop-grid")
        page.keyboard.press("Home")
        page.get_by_role("button", name=mode, exact=True).click()
        then(page)

    return come


def _draw_polygon(page: Any) -> None:
    page.get_by_text("No polygon yet").wait_for()
    page.keyboard.press("i")
    for step in ("ArrowRight", "ArrowDown", "ArrowLeft"):
        page.keyboard.press("Space")
        for _ in range(3):
            page.keyboard.press(f"Shift+{step}")
    page.keyboard.press("Enter")


def _merge(page: Any) -> None:
    page.get_by_label("out *").fill("lab/out.mp4")
    page.get_by_role("button", name="Open", exact=True).click()
    page.locator("img.after[src^='blob:']").wait_for()
    page.locator("img.film[src]").first.wait_for()
    page.get_by_role("button", name="Add span here").click()
    page.get_by_label("To, s").wait_for()


def _charts(page: Any) -> None:
    page.locator("tbody tr").nth(1).wait_for()
    page.get_by_role("button", name="Charts").first.click()
    page.frame_locator("iframe.report").locator("h1").first.wait_for()


def _look_into(page: Any) -> None:
    section = page.locator("section.sheet", has=page.get_by_role("heading", name="Look into"))
    section.get_by_label("manifest").fill("lab/data/drawn.csv")
    section.get_by_role("button", name="Look").click()
    section.get_by_role("heading", name="8 entries").wait_for()


def _verify(page: Any) -> None:
    page.get_by_role("button", name="Choose on this machine").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("made.png", exact=True).click()
    dialog.get_by_role("button", name="Choose").click()
    page.get_by_text("Made by a machine.").wait_for()
    page.get_by_text("Details").first.click()


def _pick(page: Any) -> None:
    page.get_by_role("button", name="Choose on this machine").click()
    page.get_by_role("dialog").get_by_text("clip.mp4", exact=True).click()


def _jobs(page: Any) -> None:
    page.locator(".scan-drop").wait_for()
    page.locator("#jobs-button").click()
    page.locator("#jobs .job").first.wait_for()


def _options(page: Any) -> None:
    page.get_by_text("Options of the model").click()
    page.get_by_text("Loop", exact=True).click()


PLAYER = (".player[data-pts]", ".chart canvas", ".face")
VIEWS = {
    "scan": View("scan", see(".scan-drop", "h2 >> text=History")),
    "scan: queue": View("scan", _judge),
    "scan: report": View("scan/1", see(*PLAYER)),
    "scan: comparison": View("scan/compare/1/2", see(".chart canvas")),
    "jobs": View("scan", _jobs),
    "choice of files": View("scan", _pick),
    "facesets": View("facesets", see("tbody tr", "text=then tell its people apart")),
    "faceset": View("facesets/lab%2Fjane", see(".crop img[src]")),
    "faceset: trash": View("facesets/lab%2Fjane/trash", see("text=The trash is empty")),
    "faceset: people": View("facesets/lab%2Fjane/people", see("text=in no groups yet")),
    "faceset: coverage": View("facesets/lab%2Fjane/coverage", see(".coverage")),
    "faceset: rights": View("facesets/lab%2Fjane/rights", see("text=Save the record")),
    "faceset: commands": View("facesets/lab%2Fjane/commands", see("#command", ".field .help")),
    "landmarks": View("facesets/lab%2Fjane", _editor("Landmarks", see("[data-point='67']"))),
    "polygons": View("facesets/lab%2Fjane", _editor("Mask", _draw_polygon)),
    "train": View("train", see("tbody tr")),
    "train: form": View("train/new", _options),
    "train: run": View("train/run/lab%2Frun", see(".run-legend .mono", "img.run-picture[src]")),
    "merge": View("merge", see(".field .help")),
    "merge: opened": View("merge/lab%2Fdf.safetensors/lab%2Ftarget.mp4", _merge),
    "data": View("data", see("text=Split"), _look_into),
    "data: build": View("data/build", see("text=Cut faces")),
    "data: evaluate": View("data/evaluate", _charts),
    "data: detectors": View("data/detectors", see("text=judges crops of the template")),
    "origin": View("origin", see(".drop")),
    "origin: verified": View("origin", _verify),
}
