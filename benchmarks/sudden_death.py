"""Commands killed (SIGKILL) at random moments of the clock: what is lost, and what is left.

    python benchmarks/sudden_death.py RESULTS.jsonl [--minutes 60] [--kills 100] [--only NAME ...]
    python benchmarks/sudden_death.py RESULTS.jsonl --table

Each command is run unkilled, then again and again from the start: it is killed at a moment spread
over its whole duration, with all its children, run again, in every second case killed once more,
and run until it gets through. Then all that is there must open and verify, nothing may be left
over, and what it says must be what the unkilled run says. The moments follow from a seed; results
are appended one line a chain, and the same call goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drawn import draw_clip, write_person
from tables import head, row

# isort: split
from actors import write_clip
from killed import left_behind
from killed_by_clock import (
    Attempt,
    Moment,
    Unit,
    attempt,
    contents,
    count_units,
    damaged,
    work_again,
)

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
)


@dataclass(frozen=True)
class Case:
    """A command whose death is looked at."""

    words: str
    unit: str  # of its work
    bound: int  # units that a kill may cost at most, as its page says
    weight: int = 1  # how many kills of others one of this takes the time of

    @property
    def name(self) -> str:
        """The words before the first argument."""
        words = self.words.split()
        return "scan --jobs 2" if words[0] == "scan" else " ".join(words[:2])


CASES = (
    Case(f"faceset extract clip.mp4 fs --template head --size 96 {RIGHTS}", "frame", 64),
    Case(
        "swap train --model lightweight --source fs_a --target fs_b --out trained "
        f"--set options.width=8 --set options.code=16 {LOOP} --set loop.steps=30",
        "step",
        5,
    ),
    Case("detect train detector.toml", "step", 5),
    Case(
        f"swap convert run clip_b.mp4 swapped.mp4 --segment-s 0.5 --batch 8 {RIGHTS}", "frame", 240
    ),
    Case("dataset build pairs.toml --yes", "frame or step", 240, 3),
    Case("scan many --jobs 2 --html page.html --csv table.csv --detector tiny.onnx", "file", 4, 3),
    Case("dataset faces set.parquet cut --size 64 --moments 2", "file", 1),
)


def draw_desk(folder: Path) -> None:
    """Make what the commands need: drawn clips, facesets, a trained swap, a manifest."""
    from tiny_detector import write_detector

    from counterface.apps.cli.main import main
    from counterface.provenance.watermark import load_or_make_key

    for name, person, frames in (
        ("clip", 1, 140),
        ("clip_b", 2, 48),
        ("short_a", 3, 16),
        ("short_b", 4, 16),
    ):
        write_clip(folder / f"{name}.mp4", draw_clip([person], frames, 192, 144))
    for label, people in (("real", (5, 6, 7)), ("fake", (8, 9, 10))):
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


class Bench:
    """A place where one command at a time is run and killed."""

    def __init__(self, folder: Path) -> None:
        self.desk, self.trial, self.tally = folder / "desk", folder / "trial", folder / "tally"
        self._whole: dict[str, tuple[float, dict[str, str]]] = {}

    def run(self, case: Case, kill_at: Moment | None = None) -> Attempt:
        """One attempt, in the folder as it is."""

        def call() -> int:
            from counterface.apps.cli.main import main

            os.chdir(self.trial)
            return main(case.words.split())

        return attempt(call, self.tally, kill_at)

    def lay_out(self) -> None:
        """Make the trial folder as the desk is."""
        shutil.rmtree(self.trial, ignore_errors=True)
        shutil.copytree(self.desk, self.trial)

    def whole(self, case: Case) -> tuple[float, dict[str, str]]:
        """CPU seconds of an unkilled run, and what is there then, where two runs agree on it."""
        if case.name not in self._whole:
            runs, seconds = [], []
            for _ in range(2):
                self.lay_out()
                done = self.run(case)
                if done.code != 0:
                    raise SystemExit(f"{case.words}: exit code {done.code}\n{done.said}")
                if wrong := damaged(self.trial):
                    raise SystemExit(f"{case.words}: unkilled, but damaged: {wrong}")
                runs.append(contents(self.trial))
                seconds.append(done.cpu_s)
            first, second = runs
            differ = [name for name in first if first[name] != second.get(name)]
            print(f"{case.name}: {seconds} s, {len(done.units)} units; not steady: {differ}")
            self._keep(f"whole {case.name}")
            self._whole[case.name] = (
                statistics.mean(seconds),
                {name: "" if name in differ else found for name, found in first.items()},
            )
        return self._whole[case.name]

    def _keep(self, name: str) -> None:
        """Keep a copy of the folder to look into."""
        copy = self.desk.with_name(name)
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.trial, copy)

    def chain(self, case: Case, number: int, seed: int) -> dict[str, Any]:
        """One run that is killed, continued, maybe killed again, and continued to its end."""
        rng = random.Random(f"{seed} {case.name} {number}")
        seconds, expected = self.whole(case)
        self.lay_out()
        attempts, wrong = [], []
        for _ in range(1 + number % 2):
            moment = Moment(rng.random() * seconds, rng.random() * 0.05)
            attempts.append(self.run(case, moment))
            wrong += [f"after the kill: {text}" for text in damaged(self.trial)]
            if not attempts[-1].killed:
                break
        killed = [one for one in attempts if one.killed]
        attempts.append(self.run(case))
        last = attempts[-1]
        if last.code != 0:
            wrong.append(f"exit code {last.code}: {last.said[-500:]}")
        wrong += [f"continued: {text}" for text in damaged(self.trial)]
        wrong += [f"left over: {path.name}" for path in left_behind(self.trial)]
        wrong += list(_differences(expected, contents(self.trial)))
        if wrong:
            self._keep(f"wrong {case.name} {number}")
        again = work_again(attempts)
        return {
            "case": case.name,
            "number": number,
            "kills": [
                {
                    "at_cpu_s": round(one.cpu_s, 3),
                    "of_cpu_s": round(seconds, 3),
                    "in_work": any(o.units for o in attempts[: place + 1]),
                    "again": again[place],
                }
                for place, one in enumerate(killed)
            ],
            "wrong": wrong,
        }


def _differences(expected: dict[str, str], found: dict[str, str]) -> Iterator[str]:
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            yield f"missing: {name}"
        elif name not in expected:
            yield f"not made by an unkilled run: {name}"
        elif expected[name] and expected[name] != found[name]:
            yield f"says something else: {name}"


def table(results: Path) -> Iterator[str]:
    """The table of what was found so far."""
    chains: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in results.read_text().splitlines():
        found = json.loads(line)
        chains[found["case"]].append(found)
    yield from head("command", "kills", "in work proper", "work lost: median, worst", "wrong")
    units = {case.name: case.unit for case in CASES}
    for name, all_ in chains.items():
        kills = [kill for chain in all_ for kill in chain["kills"]]
        lost = [kill["again"] for kill in kills if kill["in_work"]] or [0]
        wrong = sum(bool(chain["wrong"]) for chain in all_)
        yield row(
            f"`{name}`",
            len(kills),
            sum(kill["in_work"] for kill in kills),
            f"{statistics.median(lost):g}, {max(lost)} {units.get(name, 'job')}s",
            f"{wrong} of {len(all_)} runs",
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("--folder", type=Path, default=Path("sudden_death"), help="to work in")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--kills", type=int, default=100, help="of each command")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--table", action="store_true")
    given = parser.parse_args()
    if given.table:
        print("\n".join(table(given.results)))
        return
    end = time.monotonic() + given.minutes * 60
    measure(given.folder.resolve(), given, end)
    print("\n".join(table(given.results)))


def measure(folder: Path, given: argparse.Namespace, end: float) -> None:
    """Kill each command in turn, until each has had its kills or the time is over."""
    os.environ.setdefault("MKL_CBWR", "AVX2,STRICT")  # else it rounds by where memory lies
    bench = Bench(folder)
    warm_up()
    if not bench.desk.exists():
        drawn = folder / "drawn"
        shutil.rmtree(drawn, ignore_errors=True)
        drawn.mkdir(parents=True)
        os.environ["COUNTERFACE_HOME"] = str(drawn / "own")
        os.chdir(drawn)
        draw_desk(drawn)
        os.chdir(folder)
        drawn.rename(bench.desk)
    os.environ["COUNTERFACE_HOME"] = str(bench.trial / "own")
    os.chdir(folder)
    count_units(UNITS, bench.tally)
    known = given.results.read_text().splitlines() if given.results.exists() else []
    numbers: dict[str, int] = defaultdict(int)
    kills: dict[str, int] = defaultdict(int)
    for found in map(json.loads, known):
        numbers[found["case"]] = max(numbers[found["case"]], found["number"] + 1)
        kills[found["case"]] += len(found["kills"])
    cases = [case for case in CASES if not given.only or case.name in given.only]
    with given.results.open("a") as stream:
        while time.monotonic() < end:
            open_ = [case for case in cases if kills[case.name] < given.kills]
            if not open_:
                return
            case = min(open_, key=lambda case: kills[case.name] * case.weight)
            found = bench.chain(case, numbers[case.name], given.seed)
            numbers[case.name] += 1
            kills[case.name] += len(found["kills"])
            stream.write(json.dumps(found) + "\n")
            stream.flush()
            for text in found["wrong"]:
                print(f"{case.name} {found['number']}: {text}", flush=True)


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


if __name__ == "__main__":
    main()
