"""Changes of landmarks and of how crops are cut, which `undo` takes back, the last one first.

    folder/.align/0001/
      change.json          what is done, and whether it is done to its end
      rows-000000000.parquet   rows as they were, one file for each commit
      crops/               crops as they were, where they are cut anew

What was is on disk before what is new becomes part of the faceset, in commits (see `commits.py`).
So a killed change leaves each crop with its old row or its new one, and the same call goes on.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from counterface.config import Record
from counterface.errors import FacesetError, ShapeError
from counterface.faces.align import warp_points
from counterface.faces.landmarks import INNER
from counterface.faces.pose import estimate_pose
from counterface.faceset.alignments.move_mask import move_mask
from counterface.faceset.commits import CommitWriter, write_commit
from counterface.faceset.curate.relocate import opened
from counterface.faceset.find_row import row_named
from counterface.faceset.row import ROWS, Row, table_to_rows
from counterface.faceset.store import Faceset, merge
from counterface.files import make_folder, sweep, write_bytes
from counterface.project_files import read_bytes, read_json, read_parquet, reading, writing
from counterface.table import write_table
from counterface.types import Floats, Image

CHANGES = ".align"
BATCH = 64  # crops in a commit: what a kill loses at most
QUALITY = 95  # of JPEG crops that are cut anew
LARGEST = 1e6  # pixels
_SAME_POINT = 0.01  # pixels of the crop; what goes through JSON differs by less
_RECORD = "change.json"
_ADVICE = "delete its folder; that change can then no longer be taken back"

Key = tuple[str, int, int]  # source, frame, face


class Work(Record):
    """What a change does; a call of the same work goes on with one that was stopped."""

    does: str = Field(description="the command")
    by: str = Field(description="landmarker, or hash of the landmarks that were given")
    sources: tuple[str, ...] = Field((), description="hashes of the files that were looked at")
    cuts: bool = Field(False, description="whether crops are cut anew")


class ChangeRecord(Record):
    """What `change.json` holds."""

    format: int = Field(1, ge=1, le=1)
    work: Work
    done: bool = False


class Undone(Record):
    """What became of a faceset when a change was taken back."""

    folder: str
    work: Work
    crops: int = Field(description="crops that have their former landmarks again")
    left: int = Field(description="crops that were extracted anew since, and stay as they are")
    more: int = Field(description="earlier changes that can still be taken back")


class Change:
    """A change of a faceset whose lock is held. Crops are put one by one; `finish` ends it."""

    def __init__(self, faceset: Faceset, work: Work) -> None:
        """Begin, or go on with the last change where it was the same work and was stopped.

        Args:
            faceset: as `opened` gives it.
            work: what is done.

        Raises:
            FacesetError: the folder cannot be written, or an earlier change cannot be read.
        """
        self.faceset = faceset
        self.work = work
        self.count = 0  # crops that this call changed
        self._new: list[tuple[Row, Row, Image | None]] = []
        for place in (faceset.folder / CHANGES).glob("*"):  # of changes that were killed
            sweep(place)
            sweep(place / "crops")
        _clear(faceset.folder)
        last = _numbers(faceset.folder)[-1:]
        self._number = last[0] if last else 0
        found = _read_record(_place(faceset.folder, self._number)) if last else None
        if found is None or found.done or found.work != work:
            self._number += 1
            make_folder(self._folder, FacesetError)
            self._write_record(done=False)
        self._former = _former_rows(self._folder)

    @property
    def _folder(self) -> Path:
        return _place(self.faceset.folder, self._number)

    @property
    def mark(self) -> str:
        """What the names of masks end with that this change wrote."""
        return _mark(self._number)

    def waits(self, row: Row) -> bool:
        """Whether a row was not changed by this work yet."""
        former = self._former.get(row.key)
        return former is None or _is_same(former, row)

    def put(self, former: Row, row: Row, image: Image | None = None) -> None:
        """Change a row; it counts once its commit is written. A row that is as it was is left.

        Args:
            former: row as it is.
            row: row as it is to be.
            image: the new crop, RGB uint8, where it is cut anew.

        Raises:
            FacesetError: the folder cannot be written.
        """
        if _is_same(former, row):
            return
        self._new.append((former, row, image))
        self.count += 1
        if len(self._new) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Write what was put."""
        if not self._new:
            return
        self._keep([former for former, _, _ in self._new])
        rows = [row for _, row, _ in self._new]
        if self.work.cuts:
            with CommitWriter(self.faceset.folder, QUALITY) as writer:
                for _, row, image in self._new:
                    assert image is not None  # every crop of such a change is cut anew
                    writer.add(row, image)
                writer.commit(())
        else:
            write_commit(self.faceset.folder, rows)
        self._new = []

    def finish(self, *, whole: bool = True) -> None:
        """Write what is left and put all into the faceset's own files.

        Args:
            whole: the work is done to its end; the same call begins a new change then.
        """
        self.flush()
        merge(self.faceset.folder)
        if not self._former:  # nothing was changed, so there is nothing to take back
            _drop(self._folder)
            _clear(self.faceset.folder)
        elif whole:
            self._write_record(done=True)

    def _keep(self, former: list[Row]) -> None:
        """Put rows, and their crops where these are cut anew, where `undo` finds them."""
        new = [row for row in former if row.key not in self._former]
        if not new:
            return
        if self.work.cuts:
            make_folder(self._folder / "crops", FacesetError)
            for row in new:
                path = self.faceset.folder / row.file
                with reading(path, FacesetError):
                    data = read_bytes(path)
                write_bytes(self._folder / "crops" / row.file, data, FacesetError)
        number = len(list(self._folder.glob("rows-*.parquet")))
        path = self._folder / f"rows-{number:09d}.parquet"
        write_table(path, ROWS.to_arrow(new), FacesetError, compression="zstd")
        self._former |= {row.key: row for row in new}

    def _write_record(self, *, done: bool) -> None:
        text = ChangeRecord(work=self.work, done=done).model_dump_json(indent=1)
        write_bytes(self._folder / _RECORD, text.encode(), FacesetError)


def undo(folder: Path) -> Undone:
    """The result of taking back the last change of a faceset's landmarks or crops.

    A crop that is in the trash by now keeps what it has; so does one that was extracted anew.

    Args:
        folder: the faceset.

    Raises:
        FacesetError: no faceset, nothing to take back, what was kept cannot be read, the folder
            cannot be written, or another process writes to it.
    """
    with opened(folder) as faceset:
        _clear(folder)
        numbers = _numbers(folder)
        if not numbers:
            raise FacesetError(f"{folder}: no change of its landmarks can be taken back")
        place = _place(folder, numbers[-1])
        record, former = _read_record(place), _former_rows(place)
        mark = _mark(numbers[-1])
        back, left = 0, 0
        for start in range(0, len(faceset), BATCH):
            rows: list[tuple[Row, str]] = []
            for row in faceset.rows[start : start + BATCH]:
                was = former.get(row.key)
                if was is None or _is_same(was, row):
                    continue
                if not (record.work.cuts or np.array_equal(was.frame_to_crop, row.frame_to_crop)):
                    left += 1
                    continue
                rows.append((_as_before(folder, was, row, mark), was.file))
            _commit_back(folder, rows, place / "crops" if record.work.cuts else None)
            back += len(rows)
        merge(folder)
        _drop(place)
    return Undone(
        folder=str(folder), work=record.work, crops=back, left=left, more=len(numbers) - 1
    )


def list_changes(folder: Path) -> tuple[Work, ...]:
    """The changes of a faceset that can be taken back, first to last.

    Raises:
        FacesetError: what was kept of one cannot be read.
    """
    return tuple(_read_record(_place(folder, number)).work for number in _numbers(folder))


def set_landmarks(
    folder: Path, file: str, points: NDArray[np.floating], seen: NDArray[np.floating]
) -> Row:
    """The row of a crop once it has landmarks that were set by hand; `undo` takes them back.

    The crop stays as it is cut.

    Args:
        folder: the faceset.
        file: name of the crop's file.
        points: (68, 2), pixels of the crop.
        seen: (68, 2), pixels of the crop: the landmarks that were looked at.

    Raises:
        FacesetError: no faceset, no such crop, it has other landmarks than those that were looked
            at, the folder cannot be written, or another process writes to it.
        ShapeError: they are not finite (68, 2), or lie outside of the frame or the crop.
    """
    with opened(folder) as faceset:
        row = row_named(faceset, file)
        now = warp_points(row.landmarks, row.frame_to_crop)
        if seen.shape != now.shape or not np.allclose(seen, now, atol=_SAME_POINT):
            raise FacesetError(
                f"{file}: its landmarks were changed since they were looked at; look at them again"
            )
        new = with_landmarks(row, points_in_frame(points, row), faceset.header.size)
        digest = hashlib.sha256(new.landmarks.tobytes()).hexdigest()
        change = Change(faceset, Work(does="edit", by=f"{file} {digest[:16]}"))
        change.put(row, new)
        change.finish()
    return new


def with_landmarks(row: Row, landmarks: NDArray[np.floating], size: int) -> Row:
    """The row with other landmarks, and with what depends on them.

    Box, crop and what was measured on its pixels stay; the identity is forgotten, for it was read
    where the old landmarks lay.

    Args:
        row: a row.
        landmarks: (68, 2), pixels of the frame.
        size: side of the crop, pixels.

    Raises:
        ShapeError: they are not finite (68, 2), or lie outside of the frame or the crop.
    """
    if landmarks.shape != (68, 2):
        raise ShapeError(f"{len(landmarks)} landmarks; 68 are needed, in the order of iBUG")
    if not (np.abs(landmarks) < LARGEST).all():  # NaN too
        raise ShapeError("landmarks that are no numbers of pixels")
    points: Floats = landmarks.astype(np.float32)
    pose = estimate_pose(points, (row.frame_height, row.frame_width))
    middle = warp_points(points[INNER].mean(axis=0, keepdims=True), row.frame_to_crop)[0]
    if not ((middle >= 0).all() and (middle < size).all()):
        x, y = middle
        raise ShapeError(f"the face lies at ({x:.0f}, {y:.0f}) of the crop, outside of its {size}")
    return replace(row, landmarks=points, pose=pose, identity=None)


def points_in_frame(points: NDArray[np.floating], row: Row) -> Floats:
    """Points (N, 2) in pixels of a row's crop as pixels of its frame.

    Raises:
        ShapeError: the matrix of the row cannot be turned round.
    """
    matrix = row.frame_to_crop.astype(np.float64)
    if not np.isfinite(matrix).all() or abs(np.linalg.det(matrix[:, :2])) < 1e-9:
        raise ShapeError("its matrix is flat; delete it and extract its source again")
    return np.asarray(np.linalg.solve(matrix[:, :2], (points - matrix[:, 2]).T).T, np.float32)


def _as_before(folder: Path, was: Row, row: Row, mark: str) -> Row:
    """The row with what it had before; its mask may be another by now."""
    mask = row.mask
    if not np.array_equal(was.frame_to_crop, row.frame_to_crop) and mask is not None:
        ours = Path(mask).stem.endswith(mark)
        if ours and was.mask is not None and (folder / was.mask).is_file():
            mask = was.mask
        else:
            mask = move_mask(folder, row, was, f"{mark}_back")
    return replace(
        row,
        landmarks=was.landmarks,
        pose=was.pose,
        identity=was.identity,
        frame_to_crop=was.frame_to_crop,
        blur=was.blur,
        outside=was.outside,
        mask=mask,
    )


def _commit_back(folder: Path, rows: list[tuple[Row, str]], crops: Path | None) -> None:
    """Put rows back, and their crops, which were kept under the names that they had then."""
    if not rows:
        return
    if crops is None:
        write_commit(folder, [row for row, _ in rows])
        return
    with CommitWriter(folder, QUALITY) as writer:
        for row, name in rows:
            with reading(crops / name, FacesetError, _ADVICE):
                data = read_bytes(crops / name)
            writer.add_file(row, data)
        writer.commit(())


def _is_same(one: Row, other: Row) -> bool:
    return np.array_equal(one.landmarks, other.landmarks) and np.array_equal(
        one.frame_to_crop, other.frame_to_crop
    )


def _mark(number: int) -> str:
    return f"_cut{number:04d}"


def _place(folder: Path, number: int) -> Path:
    return folder / CHANGES / f"{number:04d}"


def _numbers(folder: Path) -> list[int]:
    """The numbers of the changes that can be taken back, first to last."""
    names = (path.parent.name for path in (folder / CHANGES).glob(f"*/{_RECORD}"))
    return sorted(int(name) for name in names if name.isdecimal())


def _drop(place: Path) -> None:
    """Delete what was kept of a change, its record last: a call that was killed is made again.

    Nothing comes after the record, not even the folder: a kill there would make the same call again
    take back one more change. The next one clears it away.
    """
    with writing(place, FacesetError):
        for path in place.glob("rows-*"):
            path.unlink()
        if (place / "crops").is_dir():
            shutil.rmtree(place / "crops")
        (place / _RECORD).unlink()


def _clear(folder: Path) -> None:
    """Delete the folders of changes that were taken back, or were killed as they began."""
    for place in (folder / CHANGES).glob("*"):
        if place.name.isdecimal() and not (place / _RECORD).exists():
            shutil.rmtree(place, ignore_errors=True)


def _read_record(place: Path) -> ChangeRecord:
    path = place / _RECORD
    values = read_json(path, FacesetError, _ADVICE)
    with reading(path, FacesetError, _ADVICE, model=ChangeRecord):
        return ChangeRecord.model_validate(values)


def _former_rows(place: Path) -> dict[Key, Row]:
    """The rows as they were before a change."""
    rows: dict[Key, Row] = {}
    for path in sorted(place.glob("rows-*.parquet")):
        found = table_to_rows(read_parquet(path, FacesetError, _ADVICE), str(path))
        rows |= {row.key: row for row in found}
    return rows
