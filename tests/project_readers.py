"""One valid file of every kind that the project reads, small, and what reads it."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from cluster_readers import cluster_results, cluster_run
from drawn_facesets import RIGHTS
from drawn_keras import write_keras
from drawn_trees import DRAWN
from drawn_weights import write_caffe, write_cascade, write_layers
from landmark_readers import faceswap_landmarks, plain_landmarks, pts_landmarks
from mask_readers import polygons, xseg_crop
from swap_files import write_df
from tiny_detector import metadata

from counterface.builds.plan import PAIRS_FILE, BuildConfig, BuildPlan, PeoplePair, PersonClips
from counterface.config import read_config, write_config
from counterface.datasets.index import HashLog
from counterface.datasets.manifest import Entry, read_manifest, write_manifest
from counterface.detect.detector import read_info
from counterface.detect.evaluation.openings import LOG_NAME, log_opening, read_openings
from counterface.detect.evaluation.score_store import ScoreStore
from counterface.detect.generalisation.views import ViewStore
from counterface.detect.models.parts.keras_file import read_keras_weights
from counterface.detect.scanning.scan import ScanConfig
from counterface.detect.training import folds
from counterface.errors import FacesetError, WeightsError
from counterface.faces.backends.haar import read_cascade
from counterface.faces.backends.manual import read_faces
from counterface.faces.backends.mtcnn import read_layers
from counterface.faces.backends.ssd import read_caffe_layers
from counterface.faceset.commits import WORK_FOLDER, CommitWriter
from counterface.faceset.curate.measuring import CACHE_FOLDER, measure_all
from counterface.faceset.curate.pour import pack, unpack
from counterface.faceset.header import SourceRecord
from counterface.faceset.measures.measure import load_measure
from counterface.faceset.row import Row
from counterface.faceset.store import Faceset, merge
from counterface.files import locked
from counterface.learn.checkpoint import Checkpoint, read_checkpoint, read_record, read_weights
from counterface.learn.checkpoint import write_checkpoint as write_checkpoint_file
from counterface.learn.run_log import read_log
from counterface.media.image import read_image, write_image
from counterface.media.probe import probe
from counterface.media.video_reader import read_video
from counterface.media.video_writer import VideoWriter
from counterface.provenance import record as made
from counterface.provenance.fingerprint import KnownFakes, hash_image, import_known_fakes
from counterface.provenance.home import WATERMARK_FILE
from counterface.provenance.record_check import check_facts
from counterface.provenance.rights import read_rights
from counterface.provenance.signer import local_signer, read_anchor
from counterface.provenance.watermark import load_or_make_key
from counterface.registry import DATASET_READERS
from counterface.report.training import FOLDS_FILE, read_folds
from counterface.swap.conversion import footage, segments
from counterface.swap.merge.plan import MergePlan
from counterface.swap.swap_model import read_model
from counterface.swap.training.train import CONFIG_FILE, SwapTrainConfig, find_changes
from counterface.table import write_table
from counterface.torch_file import read_torch_tensors
from counterface.types import Face, Frame, Pose

Reader = tuple[Path, Callable[[], object]]  # a valid file, and what reads it


def rights(folder: Path) -> Reader:
    """The rights record of footage."""
    path = folder / "rights.toml"
    path.write_text('shown = "a"\nbasis = "synthetic"\nreference = "b"\n')
    return path, lambda: read_rights(path)


def merge_plan(folder: Path) -> Reader:
    """A plan with one span."""
    path = folder / "plan.toml"
    path.write_text("[[span]]\nfrom_s = 2.0\nto_s = 4.5\ntrack = 1\nramp_s = 0.5\nerode = 12.0\n")
    return path, lambda: MergePlan.read(path)


def run_settings(folder: Path) -> Reader:
    """The settings beside a run's checkpoints."""
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "step-00000001.safetensors").touch()
    path = folder / CONFIG_FILE
    config = SwapTrainConfig(out=folder)
    write_config(config, path)
    return path, lambda: find_changes(config)


def made_record(folder: Path) -> Reader:
    """The record of a made file, and the hash that is taken of it."""
    path = folder / "a.mp4.record.json"
    place = made.SwapPlace(track=0, box=(1, 2, 3, 4), matrix=((1, 0, 0), (0, 1, 0)))
    record = made.MadeRecord(
        output=made.MadeOutput(name="a.mp4", bytes=5),
        inputs=(),
        models=(made.MadeModel(name="df", sha256="0" * 64, options={"size": 64, "gain": 0.5}),),
        rights=(made.MadeRights(of="x", rights=RIGHTS),),
        frames=(made.FrameSwaps(index=0, pts=Fraction(1, 25), swaps=(place,)),),
    )
    made.write_record(record, path)
    return path, lambda: made.read_record(path).facts_sha256()


def faceset_header(folder: Path) -> Reader:
    """`faceset.json` of two crops, one of them in a commit."""
    _write_faceset(folder)
    return folder / "faceset.json", lambda: _read_faceset(folder)


def faceset_rows(folder: Path) -> Reader:
    """The rows of the same."""
    _write_faceset(folder)
    return folder / "faceset.parquet", lambda: _read_faceset(folder)


def faceset_commit(folder: Path) -> Reader:
    """The commit of the same."""
    _write_faceset(folder)
    (path,) = (folder / WORK_FOLDER).glob("commit-*.parquet")
    return path, lambda: _read_faceset(folder)


def faceset_pack(folder: Path) -> Reader:
    """Two crops as one file."""
    _write_faceset(folder / "f")
    pack(folder / "f", folder / "f.parquet")

    def read() -> None:
        with TemporaryDirectory() as place:
            unpack(folder / "f.parquet", Path(place) / "f")

    return folder / "f.parquet", read


def faceset_measures(folder: Path) -> Reader:
    """What was measured on crops."""
    _write_faceset(folder)
    measure = load_measure("black")
    measure_all(Faceset.open(folder), measure)
    (path,) = (folder / CACHE_FOLDER).iterdir()
    return path, lambda: measure_all(Faceset.open(folder), measure)


def _write_faceset(folder: Path) -> None:
    Faceset.create(folder, "whole_face", 16, RIGHTS)
    with locked(folder, FacesetError), CommitWriter(folder, quality=90) as writer:
        for number in range(2):
            row = Row(
                file=f"a_{number}.jpg",
                source="a.mp4",
                source_sha256="0" * 64,
                frame_index=number,
                pts=Fraction(number, 25),
                face_index=0,
                frame_width=64,
                frame_height=48,
                box=np.array([1, 2, 30, 40], np.float32),
                score=0.9,
                landmarks=np.ones((68, 2), np.float32),
                frame_to_crop=np.eye(2, 3, dtype=np.float32),
                blur=0.1,
                pose=Pose(1.0, 2.0, 3.0),
            )
            writer.add(row, np.zeros((16, 16, 3), np.uint8))
            writer.commit([SourceRecord(name="a.mp4", sha256="0" * 64, options={"every": 1})])
            if number == 0:
                merge(folder)


def _read_faceset(folder: Path) -> None:
    faceset = Faceset.open(folder)
    for row in faceset:
        row.face, row.pts, faceset.content_sha256  # noqa: B018


def manifest(folder: Path) -> Reader:
    """A manifest as the project writes it."""
    return _manifest(folder / "m.parquet")


def manifest_csv(folder: Path) -> Reader:
    """A manifest as people write it."""
    return _manifest(folder / "m.csv")


def _manifest(path: Path) -> Reader:
    entries = [
        Entry(Path(f"/x/{n}.mp4"), n % 2, method="y, z", identities=("a", "b"), split="train")
        for n in range(3)
    ]
    write_manifest(entries, path)
    return path, lambda: [(e.path.exists(), e.repeat) for e in read_manifest(path)]


def known_hashes(folder: Path) -> Reader:
    """Hashes that are known beside a manifest."""
    path = folder / "m.hashes.jsonl"
    path.write_text(json.dumps(["a.mp4", 5, 6, "0" * 64]) + "\n")
    file = folder / "a.mp4"
    file.write_bytes(b"a")
    return path, lambda: HashLog(folder / "m.parquet").sha256(file)


def build_pairs(folder: Path) -> Reader:
    """The pairs of a build that was begun."""
    people = {name: PersonClips(clips=Path(name)) for name in ("a", "b")}
    plan = BuildPlan(BuildConfig(out=folder, people=people), {}, {})
    plan.write_pairs([PeoplePair("a", "b", Path("recipes/swap_df.toml"), 23.0)])
    return folder / PAIRS_FILE, lambda: [(p.name, p.compression) for p in plan.read_pairs() or ()]


def checkpoint(folder: Path) -> Reader:
    """A checkpoint, read in each of three ways."""
    tensors = {"module/net/w": torch.zeros(4, 4)}
    path = write_checkpoint_file(folder, Checkpoint(3, tensors, {"config": {"a": 1}}))
    return path, lambda: (read_record(path), read_weights(path), read_checkpoint(path))


def checkpoint_record(folder: Path) -> Reader:
    """The same, of which the record alone is looked at: no checksum stands before it."""
    path, _ = checkpoint(folder)
    return path, lambda: read_record(path)


def swap_model(folder: Path) -> Reader:
    """A trained model."""
    path = write_df(folder / "df.safetensors", RIGHTS)
    return path, lambda: read_model(path)


def run_log(folder: Path) -> Reader:
    """The log of a run."""
    path = folder / "log.jsonl"
    path.write_text('{"kind": "train", "step": 1, "loss": 0.5}\n' * 3)
    return path, lambda: [float(row["step"]) for row in read_log(folder)]


def openings(folder: Path) -> Reader:
    """The log of a test split."""
    table = folder / "m.parquet"
    log_opening(table, "0" * 64, "evaluate", [("a", "1" * 64)])
    return folder / LOG_NAME, lambda: read_openings(table)


def scores(folder: Path) -> Reader:
    """Scores that are kept."""
    store = ScoreStore(folder, "0" * 64, ScanConfig())
    store.put(
        "a",
        {
            "verdict": "b",
            "logit": 1.0,
            "frame_logits": (1.0, 2.0),
            "frame_times_s": (0.0, 0.1),
            "witness_logits": ((1.0, -1.0), (2.0, 0.5)),
            "spread_over": "frames",
        },
    )
    store.flush()
    (path,) = store.folder.glob("*.parquet")
    return path, lambda: ScoreStore(folder, "0" * 64, ScanConfig()).get("a")


def fold_result(folder: Path) -> Reader:
    """The result of one fold."""
    path = folder / "result.json"
    result = folds.FoldResult(
        fold=0,
        train_files=3,
        held_back_files=1,
        metrics={"auc": 0.5},
        unseen={},
        best_step=2,
        seconds=0.1,
        recipe="x",
    )
    path.write_text(result.model_dump_json())
    return path, lambda: folds._read(path, "x")


def fold_report(folder: Path) -> Reader:
    """The report of all folds."""
    one = {"metrics": {"auc": 0.5}, "unseen": {"auc": 0.4}}
    path = folder / FOLDS_FILE
    path.write_text(json.dumps({"groupings": [{"by": "people", "folds": [one, one]}]}))
    return path, lambda: read_folds(folder)


def known_fakes(folder: Path) -> Reader:
    """The registry of known fakes."""
    registry = KnownFakes(folder)
    image = np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8)
    for number in range(3):
        look = hash_image(np.roll(image, 9 * number, 0))
        registry.add(f"{number:064x}", "a.mp4", [(look, Fraction(1, 25))], kind="video")

    def read() -> None:
        for suffix in ("-wal", "-shm"):
            registry.database.with_name(registry.database.name + suffix).unlink(missing_ok=True)
        registry.match([image])
        registry.find_file("0" * 64)
        registry.entries()

    read()
    return registry.database, read


def known_fakes_list(folder: Path) -> Reader:
    """A list of known fakes, whose wrong rows are no errors."""
    path = folder / "fakes.csv"
    path.write_text(f"hash,name,pts\n{'0f' * 32},a.mp4,1/25\n")
    return path, lambda: import_known_fakes(KnownFakes(folder / "home"), path)


def identity(folder: Path) -> Reader:
    """The local signing identity."""
    local_signer(folder)
    return folder / "identity.pem", lambda: local_signer(folder).root


def anchor(folder: Path) -> Reader:
    """A certificate that is trusted."""
    path = folder / "root.pem"
    path.write_text(local_signer(folder).root)
    return path, lambda: read_anchor(path)


def looks(folder: Path) -> Reader:
    """What the first pass of a conversion found."""
    path = folder / f"look-{0:09d}.parquet"
    face = Face(
        box=np.array([0, 1, 2, 3], np.float32),
        score=0.9,
        landmarks=np.ones((68, 2), np.float32),
        pose=Pose(1.0, 2.0, 3.0),
    )
    crop = np.zeros((footage.LOOK_SIDE, footage.LOOK_SIDE, 3), np.uint8)
    look = footage.FrameFaces(
        index=0, pts=Fraction(1, 25), is_cut=False, faces=(face,), crops=(crop,)
    )
    write_table(path, footage.LOOKS.to_arrow([look]))
    return path, lambda: footage.read_pieces(folder)


def conversion_facts(folder: Path) -> Reader:
    """What a conversion was begun with."""
    path = folder / "started.json"
    facts = {"model": "a", "step": 3, "settings": {"erode": 1.5}}
    segments._write(path, facts)
    return path, lambda: segments._read(path)


def detector_metadata(folder: Path) -> Reader:
    """What a detector file says of itself, alone."""
    path = folder / "tiny.json"
    path.write_text(json.dumps(metadata()))
    unreadable = "surrogateescape"  # ONNX gives text, however damaged it is

    def read() -> None:
        if path.is_file():
            read_info({"counterface": path.read_bytes().decode(errors=unreadable)}, path)

    return path, read


def record_beside(folder: Path) -> Reader:
    """The record beside a made file, as a check of it reads it: frame by frame."""
    path, _ = made_record(folder)
    sha256 = "1" * 64
    record = made.read_record(path)
    output = record.output.model_copy(update={"sha256": sha256})
    made.write_record(record.model_copy(update={"output": output}), path)
    return path, lambda: check_facts(path, sha256)


def build_recipe(folder: Path) -> Reader:
    """The recipe of a build."""
    path = folder / "build.toml"
    path.write_text('out = "o"\n[people]\na = { clips = "x" }\nb = { clips = "y" }\n')
    return path, lambda: read_config(BuildConfig, path)


def fit_statistics(folder: Path) -> Reader:
    """What a fit has seen of its files."""
    store = ViewStore(folder, "a backbone")
    store.put("a", np.zeros((4, 3), np.float32))
    store.flush()
    (path,) = store.folder.glob("*.parquet")
    return path, lambda: ViewStore(folder, "a backbone").known


def keras_weights(folder: Path) -> Reader:
    """Weights that an architecture's authors published."""
    path = folder / "net.h5"
    write_keras(path, {"conv2d_1": {"kernel": np.zeros((2, 2), np.float32)}})
    return path, lambda: read_keras_weights(path)


def torch_tensors(folder: Path) -> Reader:
    """Weights that torch wrote before 1.6, and what reads them as data."""
    path = folder / "net.pth"
    torch.save({"a": torch.zeros(2, 2)}, path, _use_new_zipfile_serialization=False)
    return path, lambda: read_torch_tensors(path, WeightsError)


def torch_archive(folder: Path) -> Reader:
    """Weights that torch wrote since then."""
    path = folder / "net.pth"
    torch.save({"a": torch.zeros(2, 2)}, path)
    return path, lambda: read_torch_tensors(path, WeightsError)


def haar_cascade(folder: Path) -> Reader:
    """A cascade of one feature."""
    path = folder / "cascade.xml"
    write_cascade(path, [[(0, 0.5, 0, 1)]], [[(0, 0, 20, 20, -1), (10, 0, 10, 20, 2)]])
    return path, lambda: read_cascade(path)


def caffe_layers(folder: Path) -> Reader:
    """A network of one layer."""
    path = write_caffe(folder / "net.caffemodel", {"a": [np.zeros((2, 2), np.float32)]})
    return path, lambda: read_caffe_layers(path)


def pickled_layers(folder: Path) -> Reader:
    """Layers that NumPy pickled."""
    path = write_layers(folder / "det1.npy", {"a": {"b": np.zeros(3, np.float32)}})
    return path, lambda: read_layers(path)


def listed_faces(folder: Path) -> Reader:
    """A list of one face."""
    path = folder / "faces.json"
    path.write_text(json.dumps({"frames": {"0": [{"box": [1, 2, 3, 4]}]}}))
    return path, lambda: read_faces(path)


def watermark_key(folder: Path) -> Reader:
    """This machine's watermark key."""
    load_or_make_key(folder)
    return folder / WATERMARK_FILE, lambda: load_or_make_key(folder)


def picture(folder: Path) -> Reader:
    """A picture."""
    path = folder / "a.png"
    write_image(path, np.zeros((16, 16, 3), np.uint8))
    return path, lambda: read_image(path)


def video(folder: Path) -> Reader:
    """A video: what is known of it, and its frames."""
    path = folder / "a.mp4"
    with VideoWriter(path, 64, 64) as writer:
        writer.write(Frame(np.zeros((64, 64, 3), np.uint8), 0, Fraction(0)))
    return path, lambda: (probe(path), list(read_video(path)))


def list_of(layout: str) -> Callable[[Path], Reader]:
    """The first list of a data set's layout."""

    def make(folder: Path) -> Reader:
        DRAWN[layout](folder)
        lists = [p for p in folder.rglob("*") if p.suffix in (".json", ".txt", ".csv")]
        return min(lists), lambda: DATASET_READERS.load(layout)().read(folder)

    make.__name__ = f"list_of_{layout}"
    return make


_LISTED = ("dfdc", "dfdc_test", "dfdcp", "faceforensics", "celeb_df", "deepfakebench", "csv")
LISTS = tuple(map(list_of, _LISTED))
READERS = (
    *(rights, merge_plan, run_settings, made_record, faceset_header, faceset_rows, faceset_commit),
    *(faceset_pack, faceset_measures, plain_landmarks, faceswap_landmarks, pts_landmarks),
    *(manifest, manifest_csv, known_hashes, build_pairs, checkpoint, checkpoint_record, swap_model),
    *(run_log, openings, scores, fold_result, fold_report, known_fakes, known_fakes_list),
    *(identity, anchor, looks, conversion_facts, detector_metadata, record_beside),
    *(build_recipe, fit_statistics),
    *(torch_tensors, torch_archive, haar_cascade, caffe_layers, pickled_layers, listed_faces),
    *(keras_weights, watermark_key, picture, video, cluster_run, cluster_results),
    *(polygons, xseg_crop, *LISTS),
)
