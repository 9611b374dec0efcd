"""Detectors: what files say of themselves, and what evaluations found."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from counterface.apps.studio.studio import Studio, StudioHere
from counterface.config import Record

router = APIRouter(tags=["detectors"])
MOST_EVALUATIONS = 200


class DetectorCard(Record):
    """What a detector file says of itself."""

    name: str
    version: str
    place: str = Field(description="'default', or the place of the file")
    template: str = Field(description="of the crops that it judges")
    size: int = Field(description="side of those crops, pixels")
    card: tuple[tuple[str, str], ...] = Field(description="its model card, as (label, text)")


class EvaluationRow(Record):
    """One detector measured on one manifest."""

    job: str
    created: float
    detector: str = Field(description="name and version")
    file: str = Field(description="detector file as it was named")
    manifest: str
    split: str
    real: int
    fake: int
    not_scored: int
    threshold: float
    values: dict[str, tuple[float, float | None, float | None]] = Field(
        description="values by name, each with the ends of its 95 % interval"
    )
    cautions: tuple[str, ...]


@router.get("/detectors/card")
def card(
    studio: StudioHere,
    place: Annotated[str, Query(description="a detector file; unset: the one that ships")] = "",
) -> DetectorCard:
    """What a detector says of itself."""
    from counterface.detect.detector import Detector
    from counterface.report.html import card_rows

    path = studio.places.readable(place) if place else None
    info = (Detector.load(path) if path else Detector.load()).info
    return DetectorCard(
        name=info.name,
        version=info.version,
        place=place or "default",
        template=info.template,
        size=info.size,
        card=tuple(card_rows(info.card)),
    )


@router.get("/evaluations")
def evaluations(studio: StudioHere) -> list[EvaluationRow]:
    """Every evaluation that a job has made, newest first."""
    found = []
    for job in studio.store.jobs(states=("done",), name="detect evaluate", most=MOST_EVALUATIONS):
        for result in studio.store.results(job.id):
            if "video" in result and result.get("detector"):
                found.append(_row(studio, job.id, job.created, result))
    return sorted(found, key=lambda row: -row.created)


def _row(studio: Studio, job: str, created: float, found: dict[str, Any]) -> EvaluationRow:
    video, detector, opened = found["video"], found["detector"], found.get("opened") or {}
    return EvaluationRow(
        job=job,
        created=created,
        detector=f"{detector['name']} {detector['version']}",
        file=studio.places.outward(detector["file"]),
        manifest=studio.places.outward(opened.get("manifest", "")),
        split=opened.get("split", ""),
        real=video["real"],
        fake=video["fake"],
        not_scored=video["not_scored"],
        threshold=found["threshold"],
        values={
            name: (value["value"], value.get("low"), value.get("high"))
            for name, value in video["values"].items()
        },
        cautions=tuple(studio.places.outward(one["text"]) for one in found["cautions"]),
    )
