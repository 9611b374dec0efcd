"""Target footage to a signed result: look at it, choose who, put the new faces in, sign, record.

    convert(Path("runs/df"), Path("target.mp4"), Path("out.mp4"), ConvertConfig(person=(1,)))

A video is read twice. The first pass finds the faces of every frame, so that people can be
told apart and landmarks steadied with a view on the whole; the second makes and merges the new
faces and encodes the result in segments, which are joined without encoding them again. Both keep
what is done in a folder beside the output: the same call goes on after an interruption.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from counterface.device import find_device
from counterface.errors import ConfigError
from counterface.media.find_media import describe_left_out
from counterface.media.open_file import check_file, sniff
from counterface.media.video_writer import CONTAINERS
from counterface.provenance.mark import Marker
from counterface.swap.conversion.job import ConvertJob
from counterface.swap.conversion.settings import ConvertConfig, ConvertSummary
from counterface.swap.conversion.targets.batch import convert_folder
from counterface.swap.conversion.targets.stills import StillConverter
from counterface.swap.conversion.targets.video import VideoConversion
from counterface.swap.swap_model import TrainedModel, read_model
from counterface.types import Progress


def convert(
    model: Path | TrainedModel,
    target: Path,
    out: Path,
    config: ConvertConfig | None = None,
    *,
    redo: bool = False,
    marker: Marker | None = None,
    progress: Progress | None = None,
) -> ConvertSummary:
    """Convert a target into `out`, signed, watermarked and recorded, and tell the outcome.

    An interrupted call is continued by the same call.

    Args:
        model: a run's folder, a weights file, or a model that was read.
        target: a video, a picture, a folder of both, or with `fps` a folder of numbered pictures.
        out: the video or picture to write, or the folder for pictures or for all.
        redo: begin again what was begun, or is done.
        marker: what signs and marks; the local identity by default.
        progress: called as (frames or pictures, total or None, what is going on).

    Raises:
        ConfigError: settings that do not go together, an unknown identity.
        RightsError: the model's or the target's footage carries no rights record.
        SwapError: no model; nobody or several people to replace and nothing said; begun or made
            with other settings.
        MediaError: the target cannot be decoded, or the output not written.
        ProvenanceError: the output cannot be signed; it is not there then.
    """
    config = config or ConvertConfig()
    config.encoder()  # what cannot be encoded is told before any work
    device = find_device(config.device)
    trained = read_model(model, device) if isinstance(model, Path) else model
    job = ConvertJob(trained, config, marker or Marker(), redo=redo)
    if out.exists() and target.exists() and out.samefile(target):
        raise ConfigError(f"{out} is the target itself; name another file or folder to write")
    if target.is_dir() and config.fps is None:
        if out.suffix.lower() in CONTAINERS and not out.is_dir():
            raise ConfigError(
                f"{target} is a folder and {out} a video; say --fps N where its pictures are one "
                "video, else name a folder to write each file into"
            )
        left_out: Counter[str] = Counter()
        files = tuple(convert_folder(job, target, out, progress, left_out))
        told = describe_left_out(left_out) if left_out else None
        return ConvertSummary(out=str(out), files=files, left_out=told)
    if config.fps is not None and not target.is_dir():
        raise ConfigError(f"{target} is no folder; fps is for a folder of numbered pictures")
    if not target.is_dir() and sniff(check_file(target)) == "image":
        if out.is_dir():
            raise ConfigError(f"{out} is a folder; name the file to write")
        done = StillConverter(job).convert(target, out)
    else:
        done = VideoConversion(job, target, out, progress).run()
    return ConvertSummary(out=str(out), files=(done,))
