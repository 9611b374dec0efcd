"""What a worker process does with one file after another, its models loaded once.

Only text goes in and out: a worker is told in JSON what to do, and answers in JSON.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from counterface import __version__
from counterface.apps.cluster.places import FetchError, local_copy, protocol_of
from counterface.apps.cluster.results import Outcome
from counterface.apps.cluster.run_folder import FACESETS_FOLDER, read_run
from counterface.detect.scanning.scan import ScanConfig, Scanner
from counterface.errors import ConfigError, CounterfaceError, is_disk_full, reason_of
from counterface.faceset.extract import ExtractConfig, extract
from counterface.media import sandbox
from counterface.media.decoder_process.parent import Died

Work = Callable[[str, str, Path], Outcome]  # name of the file's faceset, its place, the file


class FileWorker:
    """One worker: `start` first, then `work` for one file at a time."""

    def __init__(self, order: str) -> None:
        """Take the order, which `write_order` makes; nothing is loaded yet."""
        self._order = json.loads(order)

    def start(self) -> str:
        """Load the models: nothing, or why the worker cannot work."""
        try:
            self._work, self._most_mb = _prepare(self._order)
        except (CounterfaceError, OSError) as error:
            return reason_of(error)
        return ""

    def work(self, name: str, place: str) -> str:
        """The outcome of one file as JSON; whatever is wrong with the file is in it."""
        began = time.monotonic()
        try:
            with local_copy(place, self._most_mb) as path:
                if not os.path.lexists(path):
                    raise FileNotFoundError(f"{place} does not exist; check the name")
                outcome = self._work(name, place, path)
        except Exception as error:  # noqa: BLE001  (one odd file must not end a run of millions)
            status = "stopped" if is_disk_full(error) else "failed"  # which every file would meet
            outcome = Outcome(status, error_kind=kind_of(error), error=_tell(error, place))
        return json.dumps({**asdict(outcome), "seconds": round(time.monotonic() - began, 4)})


def write_order(job: str, config: ScanConfig | ExtractConfig, out: Path, run: str) -> str:
    """What a worker is told: the job, its settings, and the folder that relative names mean."""
    return json.dumps(
        {
            "job": job,
            "config": config.model_dump(mode="json", exclude_unset=True),
            "out": str(out.absolute()),
            "run": run,
            "folder": str(Path.cwd()),
            "version": __version__,
        }
    )


def kind_of(error: BaseException) -> str:
    """The kind of an error that a summary counts by."""
    cause = error.__cause__
    if isinstance(error, FileNotFoundError) or isinstance(cause, FileNotFoundError):
        return "missing"
    if isinstance(error, FetchError):
        return "fetch"
    if isinstance(cause, TimeoutError) or (isinstance(cause, Died) and str(cause) == "cpu"):
        return "time_out"
    if isinstance(cause, MemoryError):
        return "memory"
    if isinstance(cause, Died):
        return "decoder_died"
    if isinstance(error, CounterfaceError):
        return type(error).__name__.removesuffix("Error").lower()
    return "unexpected"


def _tell(error: Exception, place: str) -> str:
    known = isinstance(error, CounterfaceError | OSError)
    text = reason_of(error) if known else f"unexpected {type(error).__name__}: {error}"
    name = place.rpartition("/")[2]
    told = text if name in text else f"{place}: {text}"
    return told.encode(errors="backslashreplace").decode()


def _prepare(order: dict[str, Any]) -> tuple[Work, float]:
    """What works on a file, and the most megabytes of one that is fetched."""
    if order["version"] != __version__:
        raise ConfigError(
            f"{os.uname().nodename} has Counterface {__version__}, and the run {order['version']}; "
            "install the same one on every machine"
        )
    with suppress(OSError):  # a machine that has no such folder needs absolute names in settings
        os.chdir(order["folder"])
    if order["job"] == "scan":
        config = ScanConfig.model_validate(order["config"])
        return _scan_by(Scanner(config)), config.limits.file_mb
    settings = ExtractConfig.model_validate(order["config"])
    return _extract_by(settings, Path(order["out"]), order["run"]), settings.limits.file_mb


def _scan_by(scanner: Scanner) -> Work:
    def scan(_: str, place: str, path: Path) -> Outcome:
        report = scanner.scan(path)
        if protocol_of(place):  # the copy is gone when the report is read
            facts = report.file.model_copy(update={"path": place})
            report = report.model_copy(update={"file": facts})
        return Outcome(
            "done",
            verdict=report.verdict,
            score=report.score.probability if report.score else None,
            report=report.to_json(),
        )

    return scan


def _extract_by(config: ExtractConfig, out: Path, run: str) -> Work:
    _require_shared(out, run)
    sandbox.warm_up()
    config.follower()  # loads the models, which stay

    def extract_one(name: str, _: str, path: Path) -> Outcome:
        folder = Path(FACESETS_FOLDER, name)
        (out / folder).mkdir(parents=True, exist_ok=True)
        (result,) = extract(path, out / folder, config).sources
        failed = result.status == "failed"
        return Outcome(
            "failed" if failed else "done",
            crops=result.crops,
            faceset=folder.as_posix(),
            error_kind="media" if failed else None,
            error=result.error,
            report=result.model_dump_json(),
        )

    return extract_one


def _require_shared(out: Path, run: str) -> None:
    """Refuse a machine that does not see the folder that facesets are written to."""
    try:
        found = read_run(out).record.id
    except CounterfaceError as error:
        found = reason_of(error)
    if found != run:
        raise ConfigError(
            f"{os.uname().nodename} does not see the run in {out} ({found}); an extraction needs a "
            "folder that all machines share at the same path"
        )


def faceset_name(shard: int, row: int, name: str) -> str:
    """The folder of a file's faceset, below that of all facesets."""
    stem = re.sub(r"[^\w.-]+", "_", Path(name).stem, flags=re.ASCII).strip("._-")[:40] or "file"
    return f"{shard:05d}/{row:07d}_{stem}"
