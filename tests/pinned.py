"""Drawn records of each kind that is kept on disk, and the files in `cases/pins` that hold them.

The files were written once; `python tests/pinned.py` writes them anew, which a change of format
asks for and nothing else does.
"""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import numpy as np

from counterface.datasets.manifest import Entry, write_manifest
from counterface.detect.evaluation.file_score import FileScore, label_file
from counterface.detect.evaluation.score_store import ScoreStore
from counterface.detect.generalisation import face_crops
from counterface.detect.generalisation.face_crops import FaceCrops
from counterface.detect.generalisation.views import ViewStore
from counterface.detect.scanning.scan import ScanConfig
from counterface.errors import FacesetError
from counterface.faceset.commits import CommitWriter
from counterface.faceset.header import SourceRecord
from counterface.faceset.row import Row
from counterface.faceset.store import Faceset, merge
from counterface.files import locked
from counterface.provenance.rights import Rights
from counterface.swap.conversion import footage
from counterface.swap.conversion.footage import FrameFaces
from counterface.swap.conversion.placement import PlacedFace
from counterface.swap.conversion.truth import TruthWriter
from counterface.table import write_table
from counterface.types import Face, Floats, Pose

CASES = Path(__file__).parent / "cases" / "pins"
SIDE = 16
ANSWERS = np.array([[0.5, -1.25], [3.0, 1e-3]], np.float32)
MEASURED = {
    "logit": -1.5, "probability": 0.18, "low": None, "high": 0.5, "verdict": "inconclusive",
    "in_range": False, "frame_logits": (-1.0, -2.0), "frame_times_s": (0.0, 0.04),
    "witness_logits": ((1.0, 2.0), (3.0, 4.5)), "spread_over": "frames", "eye_px": 61.5,
    "sharpness": 0.25, "strength": None, "quantiser": 23.0, "width": 640, "height": 360,
    "bytes": 123_456,
}  # fmt: skip


def points(number: int) -> Floats:
    """Landmarks (68, 2) that no float32 rounds."""
    return (np.arange(136, dtype=np.float32).reshape(68, 2) + number) / 4


def row(name: str, number: int, **changes: object) -> Row:
    """A row of a faceset."""
    values: dict[str, object] = {
        "file": f"{name}.png", "source": "clip.mp4", "source_sha256": "0" * 64,
        "frame_index": number, "pts": Fraction(1001 * number, 30000), "face_index": number % 2,
        "frame_width": 320, "frame_height": 240, "score": 0.75, "blur": 0.125,
        "box": np.array([1.5, 2, 30, 40.25], np.float32), "landmarks": points(number),
        "frame_to_crop": np.array([[0.5, 0, number], [0, 0.5, -2]], np.float32),
    }  # fmt: skip
    return Row(**(values | changes))  # type: ignore[arg-type]


def rows() -> list[Row]:
    """Two rows: all that can be known, and as little as can be."""
    known: dict[str, object] = {
        "pose": Pose(10.5, -5.25, 2.0),
        "identity": np.array([0.5, 0.25], np.float32),
    }
    known |= {"place": 1, "group": "left", "original": "z.png"}
    known |= {"rights": Rights(shown="somebody else", basis="synthetic", reference="drawn")}
    return [row("a", 3, **known, mask="masks/a.png", outside=0.25), row("b", 4)]


def entries(folder: Path) -> list[Entry]:
    """Two entries of a manifest in the folder, likewise."""
    known = {
        "method": "swap", "source": "s1", "identities": ("p", "q"), "generator": "g 1",
        "compression": "c23", "split": "val", "licence": "drawn", "sha256": "1" * 64,
        "mask": folder / "masks" / "a.png", "repeat": 3, "origin": "drawn here",
    }  # fmt: skip
    return [Entry(folder / "a.mp4", 1, **known), Entry(folder / "b.mp4", 0)]  # type: ignore[arg-type]


def looks() -> list[FrameFaces]:
    """A frame with two faces and their small crops, and one without a face."""
    faces = [
        Face(
            box=np.array([1, 2, 3 + n, 4.5], np.float32), score=0.5 + n / 4, landmarks=points(n),
            pose=Pose(1.0 + n, 2.0, -3.0),
        )
        for n in (0, 1)
    ]  # fmt: skip
    crop = np.arange(footage.LOOK_SIDE**2 * 3, dtype=np.uint32) % 251
    small = crop.astype(np.uint8).reshape(footage.LOOK_SIDE, footage.LOOK_SIDE, 3)
    return [
        FrameFaces(0, Fraction(0), True, tuple(faces), (small, small[::-1])),
        FrameFaces(1, Fraction(1, 25), False, ()),
    ]


def score() -> FileScore:
    """A labelled file after its scan."""
    return label_file(entries(Path("set"))[0], "identity:p", dict(MEASURED))


def crops() -> FaceCrops:
    """What a detector's judge keeps of a file."""
    stack = (np.arange(2 * 8 * 8 * 3) % 251).astype(np.uint8).reshape(2, 1, 8, 8, 3)
    return FaceCrops("1" * 64, stack, 61.5, False, {"sharpness": 0.25, "bytes": 1e5})


def write_faceset(folder: Path) -> None:
    """The faceset of `rows`, and a commit of one more that nobody merged."""
    rights = Rights(shown="nobody", basis="synthetic", reference="drawn")
    Faceset.create(folder, "face", SIDE, rights)
    record = SourceRecord(name="clip.mp4", sha256="0" * 64, options={"every": 1}, next_frame=9)
    image = np.full((SIDE, SIDE, 3), 200, np.uint8)
    with locked(folder, FacesetError), CommitWriter(folder, quality=90) as writer:
        for one in rows():
            writer.add(one, image)
        writer.commit([record])
        merge(folder)
        writer.add(row("c", 5), image)
        writer.commit([record.model_copy(update={"next_frame": 12, "done": True})])


def write_scores(folder: Path) -> Path:
    """A store with one score; the part that holds it."""
    store = ScoreStore(folder, "0" * 64, ScanConfig())
    store.put("1" * 64, dict(MEASURED))
    store.flush()
    return next(store.folder.glob("*.parquet"))


def write_views(folder: Path) -> Path:
    """A store with two answers; the part that holds them."""
    store = ViewStore(folder, "a reader")
    store.put("plain a", ANSWERS)
    store.put("no face", ANSWERS[:0])
    store.flush()
    return next(store.folder.glob("*.parquet"))


def write_truth(folder: Path) -> Path:
    """The table of two replaced faces in one frame."""
    box = np.array([1.5, 2, 30, 40.25], np.float32)
    places = [PlacedFace(n, 7 + n, box, points(n), filled=bool(n)) for n in (0, 1)]
    writer = TruthWriter(folder / "out.mp4", {"matrices"}, "face", 64)
    writer.write_matrices([(2, Fraction(1, 12), places)])
    return writer.folder / "matrices.parquet"


if __name__ == "__main__":
    CASES.mkdir(parents=True, exist_ok=True)
    write_faceset(CASES / "faceset")
    for suffix in ("parquet", "csv"):
        write_manifest(entries(CASES), CASES / f"manifest.{suffix}")
    (CASES / "score.json").write_text(score().model_dump_json() + "\n")
    for name, write in (("scores", write_scores), ("views", write_views), ("truth", write_truth)):
        made = write(Path(sys.argv[1]) / name)
        (CASES / f"{name}.parquet").write_bytes(made.read_bytes())
    write_table(CASES / "look-000000000.parquet", footage.LOOKS.to_arrow(looks()))
    face_crops._write(crops(), CASES / f"{'1' * 64}.parquet")
