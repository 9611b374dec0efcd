"""Many files: their scans in the order given, in one process or several.

A file that cannot be scanned becomes a row with its error; the rest goes on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from counterface.detect.findings import Report, report_failure
from counterface.detect.scanning.kept_reports import KeptReports, scan_the_rest
from counterface.detect.scanning.scan import ChangeFrames, ScanConfig, Scanner
from counterface.detect.scanning.workers import open_workers
from counterface.errors import CounterfaceError, reason_of
from counterface.types import Progress


def scan_files(
    paths: Sequence[str | Path],
    config: ScanConfig | None = None,
    *,
    jobs: int = 1,
    progress: Progress | None = None,
    change: ChangeFrames | None = None,
    kept: KeptReports | None = None,
) -> Generator[Report, None, None]:
    """The report on each file, in the order given; of a failed one `error` says why.

    Args:
        paths: files; see `counterface.media.find_media` for folders and globs.
        config: settings of all files.
        jobs: processes; each loads its own models (about 200 MB).
        progress: called as (files done, files, name) before each result, and between two results
            of one process as often as a video is read on, with the frame beside the name; of one
            file alone as (frames looked at, frames expected, name).
        change: see `Scanner`; can be pickled where there are several jobs.
        kept: reports that are not made again, and where new ones are kept.

    Raises:
        CounterfaceError: the models cannot be loaded, so that no file could be scanned.
    """
    config = config or ScanConfig()
    files = [Path(path) for path in paths]

    def scan(some: list[Path]) -> Iterator[Report]:
        if not some:
            return iter(())
        if jobs <= 1 or len(some) < 2:
            return _in_turn(some, config, change, progress)
        return _at_once(some, config, jobs, change)

    source = scan(files) if kept is None else scan_the_rest(files, kept, scan)
    for done, report in enumerate(source):
        if progress:
            progress(done + 1, len(files), report.file.name)
        yield report


def _in_turn(
    files: list[Path], config: ScanConfig, change: ChangeFrames | None, progress: Progress | None
) -> Iterator[Report]:
    scanner = Scanner(config, change)
    for done, path in enumerate(files):
        yield _scan_or_failure(scanner, path, _within(progress, done, len(files)))


def _within(progress: Progress | None, done: int, files: int) -> Progress | None:
    """What is called while one of the files is read."""
    if progress is None or files == 1:
        return progress

    def frame_of_file(frame: int, frames: int | None, name: str) -> None:
        progress(done, files, f"{name}, frame {frame}" + (f" of {frames}" if frames else ""))

    return frame_of_file


def _scan_or_failure(scanner: Scanner, path: Path, progress: Progress | None = None) -> Report:
    try:
        return scanner.scan(path, progress)
    except (CounterfaceError, OSError) as error:
        text = reason_of(error)
        return report_failure(path, text if path.name in text else f"{path}: {text}")
    except Exception as error:  # noqa: BLE001  (one odd file must not end a scan of thousands)
        return report_failure(path, f"{path}: unexpected {type(error).__name__}: {error}")


_worker: Scanner | None = None  # one a process, made by the pool's initializer


def _start_worker(config: ScanConfig, change: ChangeFrames | None) -> None:
    global _worker
    _worker = Scanner(config, change)


def _work(path: Path) -> Report:
    if _worker is None:
        raise RuntimeError("the worker process was not started")
    return _scan_or_failure(_worker, path)


def _at_once(
    files: list[Path], config: ScanConfig, jobs: int, change: ChangeFrames | None
) -> Generator[Report, None, None]:
    """Scans in worker processes; when one dies, the files in work are tried one by one."""
    Scanner(config, change)  # fails here, with its own words, when the models cannot be loaded
    waiting = deque(files)
    while waiting:
        running: deque[tuple[Path, Future[Report]]] = deque()
        with open_workers(min(jobs, len(waiting)), _start_worker, (config, change)) as workers:
            try:
                while waiting or running:
                    while waiting and len(running) < 2 * jobs:
                        running.append((waiting[0], workers.submit(_work, waiting[0])))
                        waiting.popleft()
                    yield running[0][1].result()
                    running.popleft()
            except BrokenProcessPool:
                pass
        for path, future in running:  # a worker died: of its own accord or for one of these
            if future.done() and future.exception() is None:
                yield future.result()
            else:
                yield _scan_alone(path, config, change)


def _scan_alone(path: Path, config: ScanConfig, change: ChangeFrames | None) -> Report:
    """The scan of a file that may have ended its process, in a process of its own."""
    with open_workers(1, _start_worker, (config, change)) as workers:
        try:
            return workers.submit(_work, path).result()
        except BrokenProcessPool:
            return report_failure(path, f"{path}: the scanning process died (out of memory?)")
