"""The interface for programs under `/api/v1`; the pages use nothing else."""

from counterface.apps.studio.api import (
    crops,
    detectors,
    facesets,
    jobs,
    merge,
    places,
    runs,
    scans,
    session,
)

ROUTERS = tuple(
    part.router for part in (session, places, jobs, scans, facesets, crops, runs, merge, detectors)
)
