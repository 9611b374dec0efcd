"""Thousands of hostile media files through `counterface scan --json`: what became of each.

    python benchmarks/hardening/hostile_media.py                       # 400 files, some minutes
    python benchmarks/hardening/hostile_media.py --count 10000 --out /tmp/hostile
    python benchmarks/hardening/hostile_media.py --show 'png_bomb whole 3' --out /tmp/hostile

Files are drawn, mutated and named by `tests/hostile_files.py`, scanned some hundred at a time in a
folder of their own, and watched by strace where that is there. It is an error if

- the command ends otherwise than with 0 or 2, or a file has no row, or two;
- a row tells of a fault of the program rather than of the file;
- no row comes for longer than the limits on one file allow;
- a process asks for the network, starts a program, or opens a file that is none of its own;
- a file is left in the temporary folder, or made in the folder of the media;
- the command's own memory passes `MOST_MB`, or grows while the same files, the largest among them,
  come again and again (what models need for a large frame they keep: that is no growth).

With `--out` the results are kept as they come, and a run that was interrupted goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import select
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "benchmarks")]

from hostile_files import HostileFile, make, plan  # noqa: E402
from hostile_inventions import FOREIGN  # noqa: E402
from hostile_seeds import all_seeds  # noqa: E402
from tables import head, row  # noqa: E402
from tiny_detector import write_detector  # noqa: E402

LONGEST_S = 300  # without a row: four questions are asked of a file, each of at most 60 s
MOST_MB = 1500  # of the command's own memory
GROWTH_MB = 20  # of it, once each of the `AGAIN` has come three times
AGAIN = (
    HostileFile("mpg_mpeg2", "add_noise", 13),
    HostileFile("avi_mjpeg", "repeat", 9),
    HostileFile("jpeg_size", "whole", 5),
    HostileFile("gif_frames", "whole", 0),
    *(HostileFile(seed, "odd_name", 0) for seed in ("png", "heic", "avif", "mp4_h264", "webm_vp9")),
    *(HostileFile(seed, "cut_short", 0) for seed in ("jpeg", "mov_hevc", "ts_h264", "gif")),
)
ROUNDS = 6
CALLS = "socket,connect,open,openat,openat2,creat,execve,mkdir,mkdirat,rename,unlink,unlinkat"
KINDS = {  # of what is refused, by words of the error; the first that fits counts
    "fault of the program": r"unexpected |the scanning process died|answered nonsense|report this",
    "fault of the decoder's code": r"made the decoder fail",
    "decoder crashed": r"crashed \(|ended with exit code|stopped answering",
    "memory": r"memory_mb",
    "time": r"cpu_s|wall_s",
    "too many pixels": r"pixels, more than|more than the limit of",
    "no pixels": r"no pixels",
    "playlist": r"is a playlist",
    "empty": r"0 bytes",
    "no picture in it": r"sound without|no video|no frame|no picture|no stream",
    "of another kind": r"' is (a|an|no|text|nothing but)\b",
    "codec not known": r"codec is not known",
    "cut short": r"cut short \(|is cut short",
    "damaged": r"damaged|cannot be|not be read|nothing of",
}


def kind_of(error: str) -> str:
    """The kind of reason for which a file was refused."""
    return next((kind for kind, words in KINDS.items() if re.search(words, error)), "other")


class Folder:
    """One folder of hostile files and the scan of it."""

    def __init__(
        self, number: int, files: Sequence[HostileFile], place: Path, rounds: int = 1
    ) -> None:
        """Name it.

        Args:
            number: of the folder.
            files: to write into it.
            place: the run's folder.
            rounds: how often each of them comes.
        """
        self.number, self.place, self.rounds = number, place, rounds
        self.files = [file for _ in range(rounds) for file in files]
        self.base = place / f"folder_{number}"
        self.media, self.scratch = self.base / "media", self.base / "scratch"
        self.trace = self.base / "trace.txt"
        self.faults: list[str] = []
        self.rows: list[dict[str, Any]] = []
        self.memory: list[float] = []

    def write(self, seeds: dict[str, bytes]) -> list[str]:
        """Write the files; their names."""
        shutil.rmtree(self.base, ignore_errors=True)
        self.media.mkdir(parents=True)
        self.scratch.mkdir()
        names = []
        for number, file in enumerate(self.files):
            names.append(file.name if self.rounds == 1 else f"{number}-{file.name}")
            (self.media / names[-1]).write_bytes(make(file, seeds))
        return names

    def scan(self, names: Sequence[str], options: Sequence[str], watched: bool) -> None:
        """Run the command and keep what it says of each file."""
        words = ["-P", "-m", "counterface", "scan", "--json", *options, "--", *names]
        strace = ["strace", "-f", "-qq", "-y", "-s", "300", "--seccomp-bpf", "-e", f"trace={CALLS}"]
        before = [*strace, "-o", str(self.trace)] if watched else []
        with (self.base / "stderr").open("wb") as errors:
            process = subprocess.Popen(
                [*before, sys.executable, *words],
                cwd=self.media,
                env=self._environment(),
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
            self._listen(process, watched)
        if process.wait() not in (0, 2):
            self.faults.append(f"the command ended with {process.returncode}: {self._last_words()}")
        if len(self.rows) != len(names):
            self.faults.append(f"{len(self.rows)} rows for {len(names)} files")
        for file in self.scratch.iterdir():
            self.faults.append(f"left in the temporary folder: {file.name}")
        strange = {os.fsencode(p.name) for p in self.media.iterdir()} - set(map(os.fsencode, names))
        self.faults.extend(f"made beside the media: {name!r}" for name in strange)
        if watched:
            self.faults.extend(self.misdeeds())
        if self.most_mb > MOST_MB:
            self.faults.append(f"the command took {self.most_mb:.0f} MB")
        if self.rounds > 3 and self.growth_mb > GROWTH_MB:
            self.faults.append(f"the command's memory grew by {self.growth_mb:.0f} MB")

    def _environment(self) -> dict[str, str]:
        given = {"TMPDIR": str(self.scratch), "COUNTERFACE_HOME": str(self.place / "own")}
        return {**os.environ, **given, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "src")}

    def _last_words(self) -> str:
        return (self.base / "stderr").read_text(errors="replace")[-2000:]

    def _listen(self, process: subprocess.Popen[bytes], watched: bool) -> None:
        """Take the rows as they come, with the time of each and the memory of the command."""
        assert process.stdout is not None
        started, rest = time.monotonic(), b""
        while True:
            if not select.select([process.stdout], [], [], LONGEST_S)[0]:
                self.faults.append(f"no row for {LONGEST_S} s after file {len(self.rows)}")
                os.killpg(process.pid, 9)
                return
            data = os.read(process.stdout.fileno(), 1 << 20)
            if not data:
                return
            *lines, rest = (rest + data).split(b"\n")
            now = time.monotonic()
            for line in lines:
                self._take(json.loads(line), (now - started) / len(lines))
            if lines:
                started = now
                self.memory.append(_resident_mb(process.pid, watched))

    def _take(self, found: dict[str, Any], seconds: float) -> None:
        if len(self.rows) == len(self.files):
            self.faults.append("more rows than files")
            return
        file, error = self.files[len(self.rows)], found["error"] or ""
        kind = kind_of(error) if error else f"read: {found['verdict']}"
        about = {"seed": file.seed, "mutation": file.mutation, "number": file.number}
        self.rows.append(
            {**about, "kind": kind, "error": error[:500], "seconds": round(seconds, 3)}
        )
        other = found["file"]["name"] != file.name
        if other and file.mutation != "odd_name" and self.rounds == 1:
            self.faults.append(f"a row of {found['file']['name']!r} for {file.name!r}")
        if kind.startswith("fault"):
            self.faults.append(f"{file}: {error[:300]}")

    @property
    def most_mb(self) -> float:
        """The most memory that the command itself had after a file."""
        return max(self.memory, default=0)

    @property
    def growth_mb(self) -> float:
        """How far the command's memory rose after the first third of the files."""
        third = len(self.memory) // 3
        return statistics.median(self.memory[-9:]) - max(self.memory[: third + 1]) if third else 0

    def misdeeds(self) -> Iterator[str]:
        """What the trace tells of a network, of programs, and of files that are none of its own."""
        from counterface.weights import cache_dir

        own = (str(self.base), str(self.place / "own"), str(cache_dir().parent), str(ROOT))
        own = (*own, str(self.place / "tiny.onnx"))
        system = ("/usr/", "/lib", "/proc/", "/sys/", "/dev/", "/etc/ld.so", "/etc/localtime")
        system = (
            *system,
            "/etc/passwd",
            "/etc/nsswitch.conf",
            "/etc/os-release",
            "/etc/ssl/openssl.cnf",
        )
        python = (sys.prefix, sys.base_prefix, str(Path(sys.prefix).resolve()))
        allowed = (*own, *system, *python, *map(os.path.realpath, python))
        for line in self.trace.read_text(errors="replace").splitlines():
            call = line.split(maxsplit=1)[-1]
            if re.search(r"AF_INET6?\b|AF_PACKET|AF_NETLINK", call):
                yield f"network: {call[:300]}"
            elif call.startswith("execve(") and os.path.realpath(sys.executable) not in call:
                if sys.executable not in call and "= -1 E" not in call:
                    yield f"program: {call[:300]}"
            elif call.startswith("open") and not re.search("= -1 E|O_DIRECTORY", call):
                name = os.path.normpath((re.findall(r'"([^"]*)"', call) or [""])[0])
                absent = "<unfinished" in call and not os.path.exists(name)  # noqa: PTH110
                if name.startswith("/") and not name.startswith(allowed) and not absent:
                    yield f"opened: {call[:300]}"

    def close(self, keep: Path | None) -> None:
        """Remove the files; those behind a fault are kept."""
        if self.faults and keep is not None:
            shutil.rmtree(keep / self.base.name, ignore_errors=True)
            shutil.move(self.base, keep / self.base.name)
        shutil.rmtree(self.base, ignore_errors=True)


def _resident_mb(pid: int, watched: bool) -> float:
    """The memory of the command, without its children, MB."""
    try:
        if watched:  # strace stands before it
            pid = int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


class Run:
    """Folders one after another, with a record from which an interrupted run goes on."""

    def __init__(self, place: Path, arguments: argparse.Namespace) -> None:
        """Read what has been done."""
        self.place, self.arguments = place, arguments
        self.record = place / f"results-{arguments.seed}-{arguments.detector}.jsonl"
        self.keep = place / "kept"
        self.lock = Lock()
        self.until = time.monotonic() + 60 * arguments.minutes
        self.watched = shutil.which("strace") is not None and not arguments.unwatched
        lines = self.record.read_text().splitlines() if self.record.exists() else []
        self.faults: list[str] = []  # of files that come again
        self.steady = ""
        self.folders: dict[int, dict[str, Any]] = {f["folder"]: f for f in map(json.loads, lines)}

    def go(self) -> None:
        """Scan every folder that is not in the record, until the time is over."""
        self.keep.mkdir(parents=True, exist_ok=True)
        seeds = all_seeds(self.place / "seeds")
        tiny = write_detector(self.place / "tiny.onnx")
        files, size = plan(self.arguments.count, self.arguments.seed), self.arguments.folder
        shipped = self.arguments.detector == "default"
        detector = [] if shipped else ["--detector", str(tiny), "--no-quality-gate"]

        def one(number: int, part: Sequence[HostileFile]) -> None:
            if number in self.folders or time.monotonic() > self.until:
                return
            folder = Folder(number, part, self.place)
            marks = [] if shipped or number % 4 == 0 else ["--no-marks"]
            folder.scan(folder.write(seeds), [*detector, *marks], self.watched)
            found = {
                "folder": number,
                "faults": folder.faults,
                "most_mb": folder.most_mb,
                "marks": not marks,
                "rows": folder.rows,
            }
            folder.close(self.keep)
            with self.lock, self.record.open("a") as record:
                record.write(json.dumps(found) + "\n")
                self.folders[number] = found
                done = sum(len(f["rows"]) for f in self.folders.values())
                print(f"{done} of {len(files)} files, {len(folder.faults)} faults here", flush=True)

        with ThreadPoolExecutor(self.arguments.jobs) as pool:
            for future in [
                pool.submit(one, start // size, files[start : start + size])
                for start in range(0, len(files), size)
            ]:
                future.result()
        self.steady = self._look_for_growth(seeds, detector)

    def _look_for_growth(self, seeds: dict[str, bytes], options: Sequence[str]) -> str:
        """Scan the same files over and over; what became of the memory."""
        folder = Folder(-1, AGAIN, self.place, ROUNDS)
        folder.scan(folder.write(seeds), options, watched=False)
        self.faults += folder.faults
        folder.close(self.keep)
        return (
            f"{len(AGAIN)} files {ROUNDS} times: {folder.growth_mb:+.1f} MB after the third time, "
            f"{folder.most_mb:.0f} MB at most."
        )

    def report(self) -> list[str]:
        """The tables of what was found."""
        rows = [one for folder in self.folders.values() for one in folder["rows"]]
        faults = [fault for folder in self.folders.values() for fault in folder["faults"]]
        faults += self.faults
        kinds = Counter(one["kind"] for one in rows)
        most = max((folder["most_mb"] for folder in self.folders.values()), default=0)
        marked = sum(len(f["rows"]) for f in self.folders.values() if f["marks"])
        lines = [
            f"{len(rows)} files in {len(self.folders)} folders, {len(faults)} faults; marks of "
            f"origin looked for in {marked}; {'all' if self.watched else 'none'} watched by "
            f"strace; the command itself had at most {most:.0f} MB. {self.steady}",
            "",
            *head("outcome", "files"),
            *(row(kind, count) for kind, count in kinds.most_common()),
            "",
            *head("format", "files", "read", "refused, by reason", "slowest, s"),
            *_table(rows, "seed"),
            "",
            *head("mutation", "files", "read", "refused, by reason", "slowest, s"),
            *_table(rows, "mutation"),
        ]
        return [*lines, "", *(f"FAULT: {fault}" for fault in faults)]


def _table(rows: Sequence[dict[str, Any]], by: str) -> Iterator[str]:
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in rows:
        groups["made up from nothing" if one[by] in FOREIGN else one[by]].append(one)
    for name, group in sorted(groups.items()):
        reasons = Counter(one["kind"] for one in group if not one["kind"].startswith("read"))
        told = ", ".join(f"{kind} {count}" for kind, count in reasons.most_common())
        read = len(group) - reasons.total()
        yield row(name, len(group), read, told or "-", f"{max(o['seconds'] for o in group):.1f}")


def main() -> int:
    """Scan, print the tables, and end with 1 where there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=int, default=200, help="files at a time")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=10, help="no folder is begun after")
    parser.add_argument("--detector", choices=("tiny", "default"), default="tiny")
    parser.add_argument("--unwatched", action="store_true", help="without strace")
    parser.add_argument("--out", type=Path, help="keep results, and go on from them")
    parser.add_argument("--report", action="store_true", help="print what --out has")
    parser.add_argument("--show", help="write one file, 'SEED MUTATION NUMBER', into --out")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        place = (arguments.out or Path(scratch)).absolute()
        if arguments.show:
            seed, mutation, number = arguments.show.split()
            file = HostileFile(seed, mutation, int(number))
            (place / file.name).write_bytes(make(file, all_seeds(place / "seeds")))
            print(place / file.name)
            return 0
        run = Run(place, arguments)
        if not arguments.report:
            run.go()
        print("\n".join(run.report()))
    return 1 if run.faults or any(folder["faults"] for folder in run.folders.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
