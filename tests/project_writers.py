"""Every kind of file that the project writes, small: where it is to lie, and what writes it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from drawn_facesets import RIGHTS
from drawn_reports import a_failure
from tiny_detector import metadata, write_detector

from counterface.apps.cluster.manifest import Manifest
from counterface.apps.cluster.results import Outcome, ResultRow, write_shard
from counterface.apps.cluster.run_folder import RunFolder, RunRecord
from counterface.apps.cluster.summary import summarize
from counterface.builds.plan import PAIRS_FILE, BuildConfig, BuildPlan, PersonClips
from counterface.config import write_config
from counterface.datasets.index import HashLog
from counterface.datasets.manifest import Entry, write_manifest
from counterface.detect.detector import DetectorInfo
from counterface.detect.evaluation.openings import LOG_NAME, log_opening
from counterface.detect.evaluation.score_store import ScoreStore
from counterface.detect.generalisation.views import ViewStore
from counterface.detect.scanning.scan import ScanConfig
from counterface.detect.training.export import stamp_detector
from counterface.errors import DetectorError, FacesetError
from counterface.faceset.commits import CommitWriter
from counterface.faceset.curate.order import SortConfig, sort
from counterface.faceset.curate.pour import pack
from counterface.faceset.header import ROWS_FILE
from counterface.faceset.row import Row
from counterface.faceset.store import Faceset
from counterface.files import locked, replacing
from counterface.learn.checkpoint import Checkpoint, keep_backup, write_checkpoint, write_weights
from counterface.learn.run_log import RunLog
from counterface.media.beside.join import Piece, join_pieces
from counterface.media.image import write_image
from counterface.media.video_writer import VideoWriter
from counterface.provenance.fingerprint import KnownFakes, export_known_fakes, hash_image
from counterface.provenance.mark import Marker
from counterface.provenance.record import MadeOutput, MadeRecord, write_record
from counterface.provenance.signer import local_signer
from counterface.report.html import write_html
from counterface.report.run_page import write_run_page
from counterface.report.table import write_csv
from counterface.swap.conversion import segments
from counterface.swap.merge.plan import MergePlan
from counterface.swap.training.train import SwapTrainConfig
from counterface.types import Frame

Writer = tuple[Path, Callable[[], object]]  # the file, and what writes it there

PICTURE = np.zeros((64, 64, 3), np.uint8)
TENSORS = {"module/net/w": torch.zeros(64, 64)}
RECORD = MadeRecord(output=MadeOutput(name="a.mp4", bytes=5), inputs=())


def settings(folder: Path) -> Writer:
    """Settings as TOML."""
    path = folder / "a.toml"
    return path, lambda: write_config(SwapTrainConfig(out=Path("a")), path)


def merge_plan(folder: Path) -> Writer:
    """A plan of merges."""
    path = folder / "plan.toml"
    return path, lambda: MergePlan().write(path)


def made_record(folder: Path) -> Writer:
    """The record of a made file."""
    path = folder / "a.mp4.record.json"
    return path, lambda: write_record(RECORD, path)


def faceset(folder: Path) -> Writer:
    """The header of a new faceset, and its rows."""
    inside = folder / "faces"
    inside.mkdir()
    return inside / ROWS_FILE, lambda: Faceset.create(inside, "whole_face", 16, RIGHTS)


def crop(folder: Path) -> Writer:
    """A crop that is added to a faceset."""
    inside = folder / "faces"
    Faceset.create(inside, "whole_face", 16, RIGHTS)
    row = Row(
        file="a_0.jpg",
        source="a.mp4",
        source_sha256="0" * 64,
        frame_index=0,
        pts=Fraction(0),
        face_index=0,
        frame_width=64,
        frame_height=48,
        box=np.array([1, 2, 30, 40], np.float32),
        score=0.9,
        landmarks=np.ones((68, 2), np.float32),
        frame_to_crop=np.eye(2, 3, dtype=np.float32),
        blur=0.1,
    )

    def write() -> None:
        with locked(inside, FacesetError), CommitWriter(inside, quality=90) as writer:
            writer.add(row, PICTURE)
            writer.commit([])

    return inside / row.file, write


def faceset_order(folder: Path) -> Writer:
    """The rows of a faceset once it is sorted."""
    _, write = crop(folder)
    write()
    inside = folder / "faces"
    return inside / ROWS_FILE, lambda: sort(inside, SortConfig(by="blur"))


def faceset_pack(folder: Path) -> Writer:
    """A faceset as one file."""
    _, write = crop(folder)
    write()
    (folder / "p").mkdir()
    return folder / "p" / "f.parquet", lambda: pack(folder / "faces", folder / "p" / "f.parquet")


def manifest(folder: Path) -> Writer:
    """A manifest."""
    path = folder / "m.parquet"
    return path, lambda: write_manifest([Entry(Path("/x/1.mp4"), 1)], path)


def manifest_csv(folder: Path) -> Writer:
    """A manifest for people."""
    path = folder / "m.csv"
    return path, lambda: write_manifest([Entry(Path("/x/1.mp4"), 1)], path)


def known_hashes(folder: Path) -> Writer:
    """The hashes beside a manifest, line by line."""
    file = folder / "a.mp4"
    file.write_bytes(b"a")
    inside = folder / "inside"
    inside.mkdir()

    def write() -> None:
        with HashLog(inside / "m.parquet") as log:
            log.sha256(file)

    return inside / "m.hashes.jsonl", write


def build_pairs(folder: Path) -> Writer:
    """The pairs of a build."""
    people = {name: PersonClips(clips=Path(name)) for name in ("a", "b")}
    plan = BuildPlan(BuildConfig(out=folder, people=people), {}, {})
    return folder / PAIRS_FILE, lambda: plan.write_pairs([])


def openings(folder: Path) -> Writer:
    """The log of a test split."""
    table = folder / "m.parquet"
    return folder / LOG_NAME, lambda: log_opening(table, "0" * 64, "evaluate", [("a", "1" * 64)])


def scores(folder: Path) -> Writer:
    """Scores that are kept."""
    store = ScoreStore(folder, "0" * 64, ScanConfig())

    def write() -> None:
        again = ScoreStore(folder, "0" * 64, ScanConfig())
        told = {
            "verdict": "b",
            "spread_over": "none",
            "frame_logits": [1.0],
            "frame_times_s": [0.0],
        }
        again.put("a", told | {"frame_times_s": [0.0]})
        again.flush()

    return store.folder / "part", write


def statistics(folder: Path) -> Writer:
    """What a fit has seen of its files."""
    store = ViewStore(folder, "a backbone")

    def write() -> None:
        store.put("a", np.zeros((64, 64), np.float32))
        store.flush()

    return store.folder / "part", write


def checkpoint(folder: Path) -> Writer:
    """A checkpoint."""
    path = folder / "step-00000003.safetensors"
    return path, lambda: write_checkpoint(folder, Checkpoint(3, TENSORS, {}))


def backup(folder: Path) -> Writer:
    """A copy of a checkpoint."""
    path = write_checkpoint(folder / "checkpoints", Checkpoint(3, TENSORS, {}))
    (folder / "backups").mkdir()
    return folder / "backups" / path.name, lambda: keep_backup(path, folder / "backups", 2)


def weights(folder: Path) -> Writer:
    """The weights of a run."""
    path = folder / "model.safetensors"
    return path, lambda: write_weights(path, {"net": torch.nn.Linear(64, 64)}, {})


def run_log(folder: Path) -> Writer:
    """The log of a run."""

    def write() -> None:
        log = RunLog(folder, 0, tensorboard=False)
        try:
            log.write("train", 1, {"loss": 0.5})
        finally:
            with suppress(OSError):
                log.close()

    return folder / "log.jsonl", write


def detector(folder: Path) -> Writer:
    """What a detector file says of itself, written into it."""
    model = write_detector(folder / "model.onnx").read_bytes()
    (folder / "inside").mkdir()
    path = folder / "inside" / "tiny.onnx"

    def write() -> None:
        with replacing(path, DetectorError) as temporary:
            temporary.write_bytes(model)
            stamp_detector(temporary, DetectorInfo.model_validate(metadata()))

    return path, write


def picture(folder: Path) -> Writer:
    """A picture."""
    path = folder / "a.png"
    return path, lambda: write_image(path, PICTURE)


def video(folder: Path) -> Writer:
    """A video."""
    path = folder / "a.mp4"

    def write() -> None:
        with VideoWriter(path, 64, 64) as writer:
            writer.write(Frame(PICTURE, 0, Fraction(0)))

    return path, write


def joined_video(folder: Path) -> Writer:
    """A video that is put together."""
    piece = folder / "piece.mp4"
    with VideoWriter(piece, 64, 64) as writer:
        writer.write(Frame(PICTURE, 0, Fraction(0)))
    (folder / "inside").mkdir()
    path = folder / "inside" / "a.mp4"
    return path, lambda: join_pieces([Piece(piece, (Fraction(0),))], path)


def page(folder: Path) -> Writer:
    """The page of a scan."""
    path = folder / "a.html"
    return path, lambda: write_html([a_failure("a.mp4", "broken")], path)


def table(folder: Path) -> Writer:
    """The table of a scan."""
    path = folder / "a.csv"
    return path, lambda: write_csv([], path)


def signed_picture(folder: Path) -> Writer:
    """A made picture with its marks."""
    unsigned = folder / "unsigned.png"
    write_image(unsigned, PICTURE)
    marker = Marker(home=folder / "home")
    (folder / "inside").mkdir()
    path = folder / "inside" / "a.png"
    return path, lambda: marker.finish(unsigned, path, RECORD, None, [PICTURE])


def identity(folder: Path) -> Writer:
    """The local signing identity."""
    return folder / "identity.pem", lambda: local_signer(folder)


def cluster_results(folder: Path) -> Writer:
    """A shard of a run over a manifest."""
    row = ResultRow.of(0, "a.mp4", Outcome("done", report="{}"), 1, 0.0)
    path = folder / "00000.parquet"
    return path, lambda: write_shard(path, [row], {})


def run_page(folder: Path) -> Writer:
    """The page of such a run."""
    listed = Manifest("a.csv", ("a.mp4",), str(folder), "0" * 64)
    run = RunFolder(folder, RunRecord.new("scan", listed, 1, {}))
    path = folder / "run.html"
    return path, lambda: write_run_page(path, summarize(run).model_dump(mode="json"))


def known_fakes(folder: Path) -> Writer:
    """The registry of known fakes."""
    registry = KnownFakes(folder)
    look = hash_image(PICTURE)
    return registry.database, lambda: registry.add("0" * 64, "a.mp4", [(look, None)], kind="video")


def known_fakes_list(folder: Path) -> Writer:
    """The registry of known fakes as a list."""
    registry = KnownFakes(folder / "home")
    registry.add("0" * 64, "a.mp4", [(hash_image(PICTURE), None)], kind="video")
    path = folder / "fakes.csv"
    return path, lambda: export_known_fakes(registry, path)


def conversion_facts(folder: Path) -> Writer:
    """What a conversion was begun with."""
    path = folder / "started.json"
    return path, lambda: segments._write(path, {"step": 3})


WRITERS = (
    *(settings, merge_plan, made_record, faceset, crop, manifest, manifest_csv, known_hashes),
    *(faceset_order, faceset_pack),
    *(build_pairs, openings, scores, statistics, checkpoint, backup, weights, run_log, detector),
    *(picture, video, joined_video, page, table, signed_picture, identity, known_fakes),
    *(known_fakes_list, conversion_facts, cluster_results, run_page),
)
