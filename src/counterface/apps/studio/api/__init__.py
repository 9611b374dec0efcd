"""The interface for programs under `/api/v1`; the pages use nothing else."""

from counterface.apps.studio.api import detectors, jobs, merge, places, runs, scans, session

ROUTERS = (
    *(session.router, places.router, jobs.router, scans.router),
    *(runs.router, merge.router, detectors.router),
)
