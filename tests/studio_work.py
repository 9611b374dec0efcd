"""Jobs of a studio as one call, which can be killed with all that it started and goes on."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from studio_running import RunningStudio, run_studio

OPEN = {"waiting", "running", "stopping"}


def run_jobs(folder: Path, places: list[str], command: dict[str, Any]) -> int:
    """Start a studio, ask for its jobs unless it has them, and wait until all have ended.

    What came of them is written into `folder/jobs.json`.

    Args:
        folder: what the studio may look into; its state lies inside.
        places: files to scan, below the folder.
        command: a job that runs for long, as the interface takes it.
    """
    begun, ended = time.time(), set[str]()
    with run_studio(folder / "studio", folder) as studio:
        jobs = jobs_of(studio)
        if not any(job["command"] == "scan" for job in jobs):
            asked = {"places": [f"{folder.name}/{place}" for place in places]}
            studio.ask("POST", "/api/v1/scans", asked)
        if not any(job["command"] == command["command"] for job in jobs):
            studio.ask("POST", "/api/v1/jobs", command)
        while True:
            jobs = jobs_of(studio)
            for job in jobs:
                if job["state"] not in OPEN and job["ended"] >= begun and job["id"] not in ended:
                    ended.add(job["id"])
                    has_ended(job["line"])
            if not any(job["state"] in OPEN for job in jobs):
                break
            time.sleep(0.1)
        found = [
            studio.ask("GET", f"/api/v1/jobs/{job['id']}")[1]
            for job in jobs
            if job["command"] == "scan"  # the other says what was there already
        ]
        _, scans = studio.ask("GET", "/api/v1/scans")
    told = {
        "jobs": sorted([job["command"], job["title"], job["state"], job["code"]] for job in jobs),
        "reports": sorted([one["job"]["title"], one["results"]] for one in found),
        "scans": sorted([scan["name"], scan["verdict"]] for scan in scans),
    }
    (folder / "jobs.json").write_text(json.dumps(told))
    return 0


def jobs_of(studio: RunningStudio) -> list[dict[str, Any]]:
    """All jobs, as the interface gives them."""
    _, jobs = studio.ask("GET", "/api/v1/jobs")
    return list(jobs)


def has_ended(line: str) -> None:
    """Note that a job ended during this call; what counts units of work looks at it."""
