"""A desk of small drawn inputs, and commands of some seconds on it that go on after a kill."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from actors import draw_clip, write_clip
from drawn_facesets import write_person
from killed_by_clock import Unit
from studio_work import run_jobs
from tiny_detector import write_detector

RIGHTS = "--rights.shown x --rights.basis synthetic --rights.reference drawn"
LOOP = "--set loop.batch_size=2 --set loop.device=cpu --set loop.checkpoint_every=5"
RECIPE = """
out = "detector"
[data]
faces = "faces"
[model]
name = "meso4"
options = { size = 64 }
[loop]
steps = 40
checkpoint_every = 5
log_every = 5
batch_size = 4
device = "cpu"
tensorboard = false
"""
SWAP = """
model = "lightweight"
preview_every = 0
[options]
width = 8
code = 16
[loop]
steps = 10
checkpoint_every = 5
batch_size = 2
device = "cpu"
tensorboard = false
"""
BUILD = """
out = "built"
methods = ["tiny_swap.toml"]
masks = true
[people.ann]
clips = "short_a.mp4"
rights = { shown = "ann", basis = "synthetic", reference = "drawn" }
[people.bob]
clips = "short_b.mp4"
rights = { shown = "bob", basis = "synthetic", reference = "drawn" }
[extract]
size = 96
"""
UNITS = (
    Unit("counterface.faceset.intake:Intake._frames", lambda frame: f"frame {frame.index}"),
    Unit("counterface.learn.loop:_update", lambda task, batch, step, *_: f"step {step}"),
    Unit("counterface.swap.conversion.footage:_numbered", lambda frame: f"look {frame.index}"),
    Unit(
        "counterface.swap.conversion.render:Renderer._cut",
        lambda renderer, frame: f"made {renderer.identity} {frame.index}",
    ),
    Unit("counterface.datasets.face_store:cut_clips", lambda path, *_: f"file {path.name}"),
    Unit("counterface.detect.scanning.scan_files:scan_files", lambda report: f"{report.file.name}"),
    Unit("counterface.apps.cluster.dispatch:Dispatch._finish", lambda _, row, *__: f"row {row}"),
    Unit("studio_work:has_ended", lambda line: f"job {line}"),
)
PEOPLE = {"real": (5, 6, 7, 11, 12, 13), "fake": (8, 9, 10, 14, 15, 16)}  # of clips in `many`
CLIPS = [f"many/real/{person}.mp4" for person in PEOPLE["real"]]
CUT = {
    "command": "dataset faces",
    "arguments": ["trial/set.parquet", "trial/studio_cut"],
    "options": {"size": 64, "moments": 2},
}


@dataclass(frozen=True)
class Command:
    """A command whose death is looked at."""

    words: str
    unit: str  # of its work
    bound: int  # units that a kill may cost at most, as its page says
    weight: int = 1  # how many kills of others one of this takes the time of

    call: Callable[[], int] | None = None  # in the folder, in place of a command of these words
    apart: str = "-"  # folder whose files have names of chance: what they say stands elsewhere too

    @property
    def name(self) -> str:
        """The words before the first argument."""
        words = self.words.split()
        return "scan --jobs 2" if words[0] == "scan" else " ".join(words[:2])

    def run(self) -> int:
        """The exit code of the command in the current folder."""
        from counterface.apps.cli.main import main

        return self.call() if self.call else main(self.words.split())


COMMANDS = (
    Command(f"faceset extract clip.mp4 fs --template head --size 96 {RIGHTS}", "frame", 64),
    Command(
        "swap train --model lightweight --source fs_a --target fs_b --out trained "
        f"--set options.width=8 --set options.code=16 {LOOP} --set loop.steps=30",
        "step",
        5,
    ),
    Command("detect train detector.toml", "step", 5),
    Command(  # ProRes, for x264 does not always encode the same pictures the same way
        "swap convert run clip_b.mp4 swapped.mov --codec prores --segment-s 0.5 --batch 8 "
        f"{RIGHTS}",
        "frame",
        240,
    ),
    Command("dataset build pairs.toml --yes", "frame or step", 240, 3),
    Command(
        "scan many --jobs 2 --html page.html --csv table.csv --detector tiny.onnx", "file", 4, 3
    ),
    Command("dataset faces set.parquet cut --size 64 --moments 2", "file", 1),
)
# they start many processes of their own, which take their time
SERVICES = (
    Command(
        "cluster scan many scanned --workers 1 --shard-rows 2 --detector tiny.onnx", "row", 3, 8
    ),
    Command("studio jobs", "job", 0, 8, lambda: run_jobs(Path.cwd(), CLIPS, CUT), "studio"),
)


def draw_desk(folder: Path) -> None:
    """Make what the commands need: drawn clips, facesets, a trained swap, a manifest."""
    from counterface.apps.cli.main import main
    from counterface.provenance.watermark import load_or_make_key

    for name, person, frames in (
        ("clip", 1, 140),
        ("clip_b", 2, 48),
        ("short_a", 3, 16),
        ("short_b", 4, 16),
    ):
        write_clip(folder / f"{name}.mp4", draw_clip([person], frames, 192, 144))
    for label, people in PEOPLE.items():
        (folder / "many" / label).mkdir(parents=True)
        for person in people:
            clip = draw_clip([person], 6, 192, 144)
            write_clip(folder / "many" / label / f"{person}.mp4", clip)
    for name, person in (("fs_a", 1), ("fs_b", 2)):
        write_person(folder / name, person, 8, template="head", side=96)
    write_detector(folder / "tiny.onnx")
    recipes = {"detector": RECIPE, "tiny_swap": SWAP, "pairs": BUILD}
    for name, text in recipes.items():
        (folder / f"{name}.toml").write_text(text)
    load_or_make_key()
    for words in (
        "dataset index two_folders many --out set.parquet",
        "dataset split set.parquet --train 0.5 --val 0 --test 0.5",
        "dataset faces set.parquet faces --size 64 --moments 2",
        "swap train --model lightweight --source fs_a --target fs_b --out run --until 2 "
        f"--set options.width=8 --set options.code=16 {LOOP}",
        "provenance identity",
    ):
        if main(words.split()) != 0:
            raise SystemExit(f"the desk could not be made: {words}")


def warm_up() -> None:
    """Import once what each forked command would import anew."""
    import counterface.apps.cli.app
    import counterface.apps.cli.output
    import counterface.builds.build
    import counterface.detect.scanning.scan_files
    import counterface.detect.training.fit
    import counterface.report.html
    import counterface.swap.conversion.convert
    import counterface.swap.training.train  # noqa: F401
