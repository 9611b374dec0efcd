"""Seconds and memory of reports as page and as PDF: docs/results.md, "Reports as PDF".

    python benchmarks/report_pdf.py                 # 1 video; 50 files, half of them videos
    python benchmarks/report_pdf.py --files 1 10

Nothing is scanned: reports on drawn faces, with 32 frames of one person and a course of three cues,
or on a picture with one face. Each count is a process of its own; seconds are of its CPU.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))


def measure(count: int) -> str:
    """A row of the table: files, seconds and MB of the page, seconds, MB and pages of the PDF."""
    from drawn_reports import a_cue, a_report, a_still

    from counterface.report.html import write_html
    from counterface.report.pdf import write_pdf

    series = tuple((0.1 * i, float(i % 7)) for i in range(60))
    cues = tuple(a_cue(1.0, title=f"Cue {i}", series=series) for i in range(3))
    reports = []
    for number in range(count):
        video = a_report(f"{number}.mp4", [2.0, 3.0, 2.5, 2.8 + 0.01 * number] * 8)
        track = video.tracks[0].model_copy(update={"cues": cues})
        still = a_still(f"{number}.jpg", [3.0 - 0.01 * number])
        reports.append(still if number % 2 else video.model_copy(update={"tracks": (track,)}))
    row = [str(count)]
    with tempfile.TemporaryDirectory() as folder:
        for write, name in ((write_html, "a.html"), (write_pdf, "a.pdf")):
            path, start = Path(folder, name), time.process_time()
            write(reports, path)
            row += [f"{time.process_time() - start:.1f}", f"{path.stat().st_size / 1e6:.2f}"]
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return f"| {' | '.join(row)} | {most:.0f} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, nargs="+", default=[1, 50])
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(measure(given.one))
        return
    print("| files | page, s | MB | PDF, s | MB | memory, MB |")
    print("|---|---|---|---|---|---|")
    for count in given.files:
        subprocess.run([sys.executable, __file__, "--one", str(count)], check=True)


if __name__ == "__main__":
    main()
