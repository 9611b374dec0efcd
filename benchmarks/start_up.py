"""How long the command takes to show its help, against Python alone and `import numpy`.

    python benchmarks/start_up.py [--rounds 15]

Each call is a process of its own, the calls take turns, and the fastest of all rounds counts. The
aim: `counterface --help` takes under 1.5 times as long as `import numpy`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from time import perf_counter

CALLS = {
    "python -c pass": ["-c", "pass"],
    "import numpy": ["-c", "import numpy"],
    "counterface": ["-m", "counterface"],
    "counterface --help": ["-m", "counterface", "--help"],
    "counterface --version": ["-m", "counterface", "--version"],
    "counterface detect --help": ["-m", "counterface", "detect", "--help"],
    "counterface faceset --help": ["-m", "counterface", "faceset", "--help"],
    "counterface weights list": ["-m", "counterface", "weights", "list"],
    "counterface scan --help": ["-m", "counterface", "scan", "--help"],
}


def call_seconds(words: list[str]) -> float:
    start = perf_counter()
    subprocess.run([sys.executable, *words], stdout=subprocess.DEVNULL, check=True)
    return perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    taken: dict[str, list[float]] = {name: [] for name in CALLS}
    for _ in range(parser.parse_args().rounds):
        for name, words in CALLS.items():
            taken[name].append(call_seconds(words))
    numpy = min(taken["import numpy"])
    for name, seconds in taken.items():
        print(f"{name:28}{1000 * min(seconds):7.0f} ms  {min(seconds) / numpy:6.2f} x import numpy")


if __name__ == "__main__":
    main()
