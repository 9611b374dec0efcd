"""Fuzzing of the parsers of the project's own files, guided by the branches that a file reaches.

    python benchmarks/hardening/coverage_guided.py                       # 10 s a reader
    python benchmarks/hardening/coverage_guided.py --seconds 600 --seed 7 manifest polygons

Each reader runs in a process of its own under Atheris (libFuzzer) and begins with its valid file of
`tests/project_readers.py`. A file that reaches a new branch is kept and changed on; half of the
changes are libFuzzer's, of bytes, and half are other values in whole files
(`tests/hostile_values.py`). A file must be read, or be refused in one error of the project that
names it, within `LONGEST_S` and `MEMORY_MB`; the first that is not is left in `--out`, and the
script ends with 1. Corpora are kept there too, and a later run goes on from them.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "benchmarks")]

LONGEST_S = 10  # for a file of some kilobytes
MEMORY_MB = 4000
MOST_BYTES = 16_384
PARSERS = (
    *("manifest", "manifest_csv", "cluster_run", "faceset_header", "faceset_rows"),
    *("faceset_commit", "build_recipe", "run_settings", "merge_plan", "rights", "polygons"),
    *("xseg_crop", "known_fakes", "known_fakes_list", "watermark_sums"),
)


def watermark_sums(folder: Path) -> tuple[Path, Callable[[], object]]:
    """The sums over a picture from which a mark's payload is read, as float32."""
    import numpy as np

    from counterface.provenance.error_code import encode
    from counterface.provenance.watermark import CHANNEL_BITS
    from counterface.provenance.watermark.carrier import message_of
    from counterface.provenance.watermark.first_format import FirstFormat

    path, mark = folder / "sums.bin", FirstFormat(bytes(32))
    bits = encode(message_of(7, mark._secret, 32))
    path.write_bytes(np.where(bits, 1, -1).astype(np.float32).tobytes())

    def read() -> object:
        data = path.read_bytes()
        rows = len(data) // (4 * CHANNEL_BITS)
        sums = np.frombuffer(data[: rows * 4 * CHANNEL_BITS], np.float32)
        with np.errstate(all="ignore"):
            return mark.read(sums.reshape(rows, CHANNEL_BITS)) if rows else None

    return path, read


def fuzz(name: str, corpus: Path, options: list[str]) -> None:
    """Fuzz one reader in this process, which libFuzzer ends."""
    import atheris

    with atheris.instrument_imports(include=["counterface"]):
        module, _, function = name.rpartition(":")
        make = getattr(import_module(module or "project_readers"), function, None)
        path, read = (make or globals()[function])(Path(tempfile.mkdtemp()))
    from hostile_values import with_other_values
    from test_project_files import check

    corpus.mkdir(parents=True, exist_ok=True)
    (corpus / "valid").write_bytes(path.read_bytes())

    def one(data: bytes) -> None:
        path.write_bytes(data)
        check(path, read)

    def change(data: bytes, most: int, seed: int) -> bytes:
        chance = Random(seed)
        if chance.random() < 0.5:
            try:
                other = with_other_values(data, path.suffix, chance)
            except Exception:  # noqa: BLE001  (it cannot be parsed any more)
                other = None
            if other is not None and len(other) <= most:
                return other
        return atheris.Mutate(data, most)

    atheris.Setup([sys.argv[0], *options, str(corpus)], one, custom_mutator=change)
    atheris.Fuzz()


def watch(name: str, out: Path, seconds: int, seed: int) -> tuple[str, str]:
    """Fuzz one reader in a process of its own: its row of the table, and its fault if any."""
    from tables import row

    options = [
        *(f"-max_total_time={seconds}", f"-seed={seed}", f"-timeout={LONGEST_S}"),
        *(f"-rss_limit_mb={MEMORY_MB}", f"-max_len={MOST_BYTES}", "-print_final_stats=1"),
        f"-artifact_prefix={out / name.replace(':', '.')}-",
    ]
    words = [sys.executable, __file__, "--out", str(out), "--in-this-process", name, *options]
    with tempfile.TemporaryDirectory() as private:
        environment = {**os.environ, "TMPDIR": private, "COUNTERFACE_HOME": f"{private}/home"}
        ended = subprocess.run(
            words,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            errors="replace",
            check=False,
        )
    files = re.findall(r"stat::number_of_executed_units: *(\d+)", ended.stdout)
    reached = re.findall(r"cov: (\d+) ft: \d+ corp: (\d+)/", ended.stdout) or [("0", "0")]
    line = row(name, files[-1] if files else "0", reached[0][0], *reached[-1])
    return line, "" if ended.returncode == 0 else f"{name}:\n{ended.stdout[-3000:]}"


def main() -> int:
    """Fuzz readers, as many at once as there are cores, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("readers", nargs="*", default=PARSERS, help="names, or MODULE:FUNCTION")
    parser.add_argument("--seconds", type=int, default=10, help="for each reader")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="folder of corpora and findings")
    parser.add_argument("--in-this-process", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if find_spec("atheris") is None:
        print(
            "left out: Atheris is not installed here; it is for x86-64 Linux, Python 3.11 to 3.13"
        )
        return 0
    out = Path(arguments.out or tempfile.mkdtemp()).absolute()
    if arguments.in_this_process:
        name, *options = arguments.in_this_process
        fuzz(name, out / "corpora" / name, options)
        return 0
    from tables import head

    out.mkdir(parents=True, exist_ok=True)
    print("\n".join(head("reader", "files", "branches at first", "at last", "files kept")))
    faults = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for line, fault in pool.map(
            lambda name: watch(name, out, arguments.seconds, arguments.seed), arguments.readers
        ):
            print(line, flush=True)
            faults += [fault] if fault else []
    print(f"\n{len(faults)} faults; corpora and findings: {out}")
    print("\n".join(f"FAULT: {fault}" for fault in faults))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
