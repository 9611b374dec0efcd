"""Every reader of the project's own files against damaged and lying ones, for some seconds each.

    python benchmarks/hardening/project_files.py                # 3 s a reader, some minutes in all
    python benchmarks/hardening/project_files.py --seconds 60 --seed 7

The readers and their small valid files are those of `tests/project_readers.py`. Half of the files
have other bytes, the others can be parsed and hold other values (`tests/hostile_values.py`). Each
must be read, or be one error of the project that names the file, within `LONGEST_S` of CPU time and
a limit on memory; the numbers of a finding are printed, and the script ends with 1.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "benchmarks")]

from hostile_values import with_other_values  # noqa: E402
from project_readers import READERS, Reader  # noqa: E402
from tables import head, row  # noqa: E402
from test_project_files import damaged  # noqa: E402

from counterface.errors import CounterfaceError  # noqa: E402

LONGEST_S = 10.0  # of CPU time, for a file of some kilobytes
MEMORY_MB = 8000  # address space, torch's and Arrow's included


def attack(make: Callable[[Path], Reader], seconds: float, seed: int) -> tuple[str, list[str]]:
    """Give one reader hostile files; a row of what became of them, and the faults."""
    faults: list[str] = []
    read_count = refused = 0
    slowest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        path, read = make(Path(folder))
        whole = path.read_bytes()
        until = time.monotonic() + seconds
        number = 0
        while time.monotonic() < until:
            for content in contents(whole, path.suffix, f"{seed} {number}"):
                if time.monotonic() > until:
                    break
                path.write_bytes(content)
                started = time.process_time()
                try:
                    read()
                    read_count += 1
                except CounterfaceError as error:
                    refused += 1
                    if path.name not in str(error):
                        faults.append(f"{make.__name__} {number}: no name in {str(error)[:200]!r}")
                except Exception as error:  # noqa: BLE001  (what must not come)
                    faults.append(f"{make.__name__} {number}: {error!r} of {content[:200]!r}")
                slowest = max(slowest, time.process_time() - started)
            number += 1
    if slowest > LONGEST_S:
        faults.append(f"{make.__name__}: {slowest:.1f} s for one file")
    name = make.__name__
    return row(name, read_count + refused, read_count, refused, f"{slowest:.2f}"), faults


def contents(whole: bytes, suffix: str, seed: str) -> Iterator[bytes]:
    """Some damaged files, and between them as many with other values where the kind is known."""
    for number, content in enumerate(damaged(whole, Random(seed).getrandbits(32), 4)):
        other = with_other_values(whole, suffix, Random(f"{seed} {number}"))
        if other is not None:
            yield other
        yield content


def main() -> int:
    """Attack every reader in turn, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3, help="for each reader")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    os.environ["COUNTERFACE_HOME"] = tempfile.mkdtemp()
    limit = MEMORY_MB * 1_000_000
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    print("\n".join(head("reader", "files", "read", "refused", "slowest, s of CPU")))
    faults: list[str] = []
    for make in READERS:
        line, found = attack(make, arguments.seconds, arguments.seed)
        print(line, flush=True)
        faults += found
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(f"\n{len(faults)} faults; {peak:.0f} MB of memory at most")
    print("\n".join(f"FAULT: {fault}" for fault in faults[:50]))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
