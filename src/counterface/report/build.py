"""From what a scan found to the report that people and programs read."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from counterface import __version__
from counterface.detect.findings import ScanFailure, ScanResult
from counterface.detect.scanning.conclusion import headline_of
from counterface.detect.scanning.quality import HEAVY_COMPRESSION
from counterface.detect.scanning.scan import ScanConfig, scan_file
from counterface.media.compression import Compression
from counterface.media.probe import MediaInfo
from counterface.report.schema import (
    AudioFacts,
    CompressionFacts,
    DetectorFacts,
    FileFacts,
    MediaFacts,
    Pictures,
    Report,
    Tool,
)

LIMITS = (
    "The score is a statistical estimate from one detector, not proof. No verdict here shows that "
    "a file is authentic: it may be altered outside faces, in its sound, or in its context.",
    "The interval says how far the score would move had other frames been picked. It does not "
    "cover kinds of manipulation that the detector has never met.",
    "Strong compression, beauty filters, heavy make-up, filmed screens and small or turned faces "
    "cause both false alarms and misses. Detectors of this kind lose much of their accuracy on "
    "material from the open internet.",
    "Heat maps show which parts of a face moved the score. They are a hint for where to look, not "
    "an outline of an edit.",
)
WEIGHED_LIMITS = (
    "The score is a statistical estimate, neither proof nor the chance that this file was "
    "manipulated: what is known is how many genuine files score above the line. No verdict here "
    "shows that a file is authentic: it may be altered outside faces, in its sound, or in its "
    "context.",
    *LIMITS[1:],
)


def scan(path: str | Path, config: ScanConfig | None = None) -> Report:
    """The report on one image or video.

    Args:
        path: the file.
        config: how to scan; 32 frames with the shipped detector by default.

    Raises:
        CounterfaceError: the file, the detector or a model file cannot be used.

    Example:
        >>> import counterface
        >>> report = counterface.scan("clip.mp4")  # doctest: +SKIP
        >>> report.verdict, report.score.probability  # doctest: +SKIP
    """
    return build_report(scan_file(path, config))


def build_report(outcome: ScanResult | ScanFailure, *, now: datetime | None = None) -> Report:
    """The report on a scan, or on why it failed.

    Args:
        outcome: result of `scan_file` or `scan_files`.
        now: time of the report; the clock's by default.
    """
    tool, created = Tool(version=__version__), now or datetime.now(UTC)
    if isinstance(outcome, ScanFailure):
        return Report(
            tool=tool,
            created=created,
            file=FileFacts(path=_escaped(str(outcome.path)), name=_escaped(outcome.path.name)),
            status="failed",
            error=_escaped(outcome.error),
        )
    chosen = next((t for t in outcome.tracks if t.id == outcome.decided_by), None)
    report = Report(
        tool=tool,
        created=created,
        file=FileFacts(
            path=_escaped(str(outcome.path)),
            name=_escaped(outcome.path.name),
            bytes=outcome.bytes,
            sha256=outcome.sha256,
        ),
        status="scanned",
        verdict=outcome.verdict,
        headline=headline_of(outcome),
        score=chosen.score if chosen else None,
        decided_by=outcome.decided_by,
        reasons=outcome.reasons,
        notices=outcome.notices,
        checks=outcome.checks,
        tracks=outcome.tracks,
        provenance=outcome.provenance,
        sampling=outcome.sampling,
        media=_media_facts(outcome.media),
        metadata=outcome.metadata,
        detector=_detector_facts(outcome),
        config=outcome.config,
        timings_s=outcome.timings_s,
        limits=LIMITS if outcome.detector.weighing is None else WEIGHED_LIMITS,
    )
    return report.with_pictures(Pictures(outcome.thumbs, outcome.exhibits))


def _escaped(text: str) -> str:
    r"""The text with bytes that are no UTF-8 shown as \xNN: JSON and HTML cannot hold them."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _media_facts(media: MediaInfo) -> MediaFacts:
    return MediaFacts(
        kind=media.kind,
        container=media.container,
        codec=media.codec,
        width=media.width,
        height=media.height,
        rotation=media.rotation,
        fps=None if media.fps is None else float(media.fps),
        duration_s=media.duration_s,
        bit_rate=media.bit_rate,
        frame_count=media.frame_count,
        pixel_format=media.pixel_format,
        compression=CompressionFacts(
            strength=media.compression.strength,
            quantiser=media.compression.quantiser,
            method=media.compression.method,
            words=describe_compression(media.compression),
        ),
        audio=tuple(
            AudioFacts(
                codec=a.codec,
                sample_rate=a.sample_rate,
                channels=a.channels,
                duration_s=a.duration_s,
            )
            for a in media.audio
        ),
    )


def describe_compression(found: Compression) -> str:
    """How strongly a file was compressed, and how that is known, in plain words."""
    bands = ((0.25, "light"), (0.5, "moderate"), (HEAVY_COMPRESSION, "strong"))
    band = next((word for most, word in bands if found.strength < most), "heavy")
    number = "" if found.quantiser is None else f", {found.quantiser:.3g} on average"
    known = {
        "quantiser": f"read from the coarseness that the encoder chose{number}",
        "jpeg_tables": f"read from the coarseness that the JPEG file states{number}",
        "blockiness": "guessed from the edges of blocks in the picture",
    }[found.method]
    return f"{band}, {found.strength:.2f} on a scale of 0 to 1 ({known})"


def _detector_facts(outcome: ScanResult) -> DetectorFacts:
    info = outcome.detector
    return DetectorFacts(
        name=info.name,
        version=info.version,
        sha256=outcome.detector_sha256,
        template=info.template,
        size=info.size,
        calibration=info.calibration,
        thresholds=info.thresholds,
        range=info.range,
        weighing=info.weighing,
        card=info.card,
    )
