"""Commands killed (SIGKILL) at random moments of the clock: what is lost, and what is left.

    python benchmarks/hardening/sudden_death.py               # ten minutes, a few kills of each
    python benchmarks/hardening/sudden_death.py --out DIR --minutes 180 [--kills 100] [--only NAME]
    python benchmarks/hardening/sudden_death.py --out DIR --table  # writes it into docs/results.md

Each command is run unkilled, then again and again from the start: it is killed at a moment, one in
four before its first unit of work is done and the others after, with all its children, run again,
in every second case killed once more, and run until it gets through. Then all that is there must
open and verify, nothing may be left over, and what it says must be what the unkilled run says. The
moments follow from a seed. `--out` keeps results, a line a chain, and the same call goes on where
it was stopped; chains that end otherwise are kept there to look into. The script ends with 1 where
one did.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "benchmarks")]

from killed import left_behind  # noqa: E402
from killed_by_clock import (  # noqa: E402
    Attempt,
    Moment,
    attempt,
    contents,
    count_units,
    damaged,
    work_again,
)
from short_commands import (  # noqa: E402
    COMMANDS,
    SERVICES,
    UNITS,
    Command,
    draw_desk,
    warm_up,
)
from tables import head, row, write_section  # noqa: E402

ALL = (*COMMANDS, *SERVICES)
IN_WORK = 0.75  # share of the kills that come after the first unit of work


class Whole(NamedTuple):
    """An unkilled run."""

    cpu_s: float  # of it and all that it started
    start_cpu_s: float  # of these, before its first unit of work was done
    found: dict[str, str]  # what each file says; "" where two runs say different things


class Bench:
    """A place where one command at a time is run and killed."""

    def __init__(self, folder: Path) -> None:
        self.desk, self.trial, self.tally = folder / "desk", folder / "trial", folder / "tally"
        self._whole: dict[str, Whole] = {}

    def run(self, case: Command, kill_at: Moment | None = None) -> Attempt:
        """One attempt, in the folder as it is."""

        def call() -> int:
            os.chdir(self.trial)
            return case.run()

        return attempt(call, self.tally, kill_at)

    def lay_out(self) -> None:
        """Make the trial folder as the desk is."""
        shutil.rmtree(self.trial, ignore_errors=True)
        shutil.copytree(self.desk, self.trial)

    def whole(self, case: Command) -> Whole:
        """The unkilled run of a command: the mean of two."""
        file = self.desk.with_name(f"whole {case.name}.json")
        if file.exists():  # of a call that was stopped
            self._whole[case.name] = Whole(*json.loads(file.read_text()))
        if case.name not in self._whole:
            runs, attempts = [], []
            for _ in range(2):
                self.lay_out()
                done = self.run(case)
                if done.code != 0:
                    raise SystemExit(f"{case.words}: exit code {done.code}\n{done.said}")
                if wrong := damaged(self.trial):
                    raise SystemExit(f"{case.words}: unkilled, but damaged: {wrong}")
                runs.append(self.found(case))
                attempts.append(done)
            first, second = runs
            differ = [name for name in first if first[name] != second.get(name)]
            self._keep(f"whole {case.name}")
            self._whole[case.name] = whole = Whole(
                statistics.mean(one.cpu_s for one in attempts),
                statistics.mean(one.start_cpu_s for one in attempts),
                {name: "" if name in differ else found for name, found in first.items()},
            )
            print(
                f"{case.name}: {whole.cpu_s:.1f} s, {whole.start_cpu_s:.1f} of them before work, "
                f"{len(done.units)} units; not steady: {differ}",
                flush=True,
            )
            file.write_text(json.dumps(self._whole[case.name]))
        return self._whole[case.name]

    def found(self, case: Command) -> dict[str, str]:
        """What is there now."""
        found = contents(self.trial)
        return {name: said for name, said in found.items() if Path(name).parts[0] != case.apart}

    def _keep(self, name: str) -> None:
        """Keep a copy of the folder to look into."""
        copy = self.desk.with_name(name)
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.trial, copy)

    def chain(self, case: Command, number: int, seed: int) -> dict[str, Any]:
        """One run that is killed, continued, maybe killed again, and continued to its end."""
        rng = random.Random(f"{seed} {case.name} {number}")
        whole = self.whole(case)
        self.lay_out()
        attempts, wrong = [], []
        for _ in range(1 + number % 2):
            in_work = rng.random() < IN_WORK
            seconds = whole.cpu_s - whole.start_cpu_s if in_work else whole.start_cpu_s
            moment = Moment(rng.random() * seconds, rng.random() * 0.05, in_work)
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
        wrong += list(_differences(whole.found, self.found(case)))
        if wrong:
            self._keep(f"wrong {case.name} {number}")
        again = work_again(attempts)
        return {
            "case": case.name,
            "number": number,
            "kills": [
                {
                    "at_cpu_s": round(one.cpu_s, 3),
                    "of_cpu_s": round(whole.cpu_s, 3),
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
    yield from head(
        "command", "kills", "in work proper", "done again: median, worst", "ended otherwise"
    )
    units = {case.name: case.unit for case in ALL}
    for name, all_ in chains.items():
        kills = [kill for chain in all_ for kill in chain["kills"]]
        lost = [kill["again"] for kill in kills if kill["in_work"]] or [0]
        wrong = sum(bool(chain["wrong"]) for chain in all_)
        yield row(
            f"`{name}`",
            len(kills),
            sum(kill["in_work"] for kill in kills),
            f"{statistics.median(lost):g}, {max(lost)} {units[name].replace(' or ', 's or ')}s",
            f"{wrong} of {len(all_)} runs",
        )


def main() -> int:
    """Kill, print the table, and end with 1 where something was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="keep results, and go on from them")
    parser.add_argument("--minutes", type=float, default=10.0, help="no chain is begun after")
    parser.add_argument("--kills", type=int, default=100, help="of each command")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--only", nargs="*", default=[], help="names of commands")
    parser.add_argument("--table", action="store_true", help="write it into docs/results.md")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = (given.out or Path(scratch)).resolve()
        results = folder / "chains.jsonl"
        if not given.table:
            folder.mkdir(parents=True, exist_ok=True)
            measure(folder, results, given)
            os.chdir(ROOT)  # the folder may be one that goes away
        lines = list(table(results))
        if given.table:
            write_section("sudden death", lines)
        print("\n".join(lines))
        return int(any(json.loads(line)["wrong"] for line in results.read_text().splitlines()))


def measure(folder: Path, results: Path, given: argparse.Namespace) -> None:
    """Kill each command in turn, until each has had its kills or the time is over."""
    end = time.monotonic() + given.minutes * 60
    os.environ.setdefault("MKL_CBWR", "AVX2,STRICT")  # else it rounds by where memory lies
    bench = Bench(folder)
    warm_up()
    if not bench.desk.exists():
        drawn = folder / "drawn"
        shutil.rmtree(drawn, ignore_errors=True)
        drawn.mkdir(parents=True)
        made = attempt(lambda: _draw(drawn), bench.tally)  # training here would leave threads
        if made.code != 0:
            raise SystemExit(made.said)
        drawn.rename(bench.desk)
    os.environ["COUNTERFACE_HOME"] = str(bench.trial / "own")
    os.chdir(folder)
    count_units(UNITS, bench.tally)
    known = results.read_text().splitlines() if results.exists() else []
    numbers: dict[str, int] = defaultdict(int)
    kills: dict[str, int] = defaultdict(int)
    for found in map(json.loads, known):
        numbers[found["case"]] = max(numbers[found["case"]], found["number"] + 1)
        kills[found["case"]] += len(found["kills"])
    cases = [case for case in ALL if not given.only or case.name in given.only]
    with results.open("a") as stream:
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


def _draw(folder: Path) -> int:
    os.environ["COUNTERFACE_HOME"] = str(folder / "own")
    os.chdir(folder)
    draw_desk(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
