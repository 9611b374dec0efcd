"""The interface for programs under `/api/v1`; the pages use nothing else."""

from counterface.apps.studio.api import crops, facesets, jobs, places, scans, session

ROUTERS = (
    session.router,
    places.router,
    jobs.router,
    scans.router,
    facesets.router,
    crops.router,
)
