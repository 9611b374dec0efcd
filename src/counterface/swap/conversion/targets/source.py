"""What is converted: a video file, or a folder of numbered pictures that are one video."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from counterface.errors import MediaError
from counterface.files import file_sha256
from counterface.media import sandbox
from counterface.media.open_file import check_file
from counterface.media.sandbox import Limits
from counterface.media.video_writer import VideoWriter
from counterface.swap.conversion.segments import WorkFolder
from counterface.swap.same_moments import numbered_pictures
from counterface.types import Frame, Progress


@dataclass(frozen=True, slots=True)
class Source:
    """A target and its hash.

    Attributes:
        path: as given.
        pictures: pictures of a folder, in natural order; empty for a file.
        sha256: SHA-256 of the file; of the pictures' own hashes, one after the other.
        rate: pictures a second; None for a file.
    """

    path: Path
    pictures: tuple[Path, ...]
    sha256: str
    rate: Fraction | None

    @property
    def file(self) -> Path | None:
        """The target where it is one file; None for many pictures."""
        return None if self.pictures else self.path

    def decoded(self, work: WorkFolder, limits: Limits, progress: Progress) -> Path:
        """The file to decode: the target, or its pictures written as a video without loss.

        Raises:
            MediaError: a picture cannot be read, or has another size than the first.
        """
        if not self.pictures:
            return self.path
        if not work.pictures.exists():
            self._store(work.pictures, limits, progress)
        return work.pictures

    def _store(self, path: Path, limits: Limits, progress: Progress) -> None:
        first = sandbox.read_image(self.pictures[0], limits)
        height, width = first.shape[:2]
        assert self.rate is not None
        base = 1 / self.rate
        with VideoWriter(path, width, height, codec="rgb", fps=self.rate, time_base=base) as writer:
            for index, picture in enumerate(self.pictures):
                image = sandbox.read_image(picture, limits) if index else first
                if image.shape != first.shape:
                    sizes = [f"{i.shape[1]}x{i.shape[0]}" for i in (image, first)]
                    raise MediaError(
                        f"{picture} is {sizes[0]}, the first picture {sizes[1]}; pictures of one "
                        "video have one size. Leave --fps out to convert each by itself"
                    )
                writer.write(Frame(image, index, index * base))
                progress(index + 1, len(self.pictures), "pictures")


def open_source(path: Path, rate: Fraction | None) -> Source:
    """The target of one conversion: a file, or a folder of pictures at this rate.

    Raises:
        MediaError: the file or the pictures cannot be read, or there are none.
    """
    if rate is None:
        return Source(path, (), file_sha256(check_file(path)), None)
    pictures = tuple(numbered_pictures(path))
    if not pictures:
        raise MediaError(f"{path} holds no pictures; fps is for a folder of numbered ones")
    digest = hashlib.sha256()
    for picture in pictures:
        digest.update(bytes.fromhex(file_sha256(picture)))
    return Source(path, pictures, digest.hexdigest(), rate)
