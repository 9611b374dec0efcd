"""`counterface faceset mask train|apply|import|export|draw`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from counterface.apps.cli import output
from counterface.apps.cli.app import Json
from counterface.faceset.masks.apply import ApplyConfig
from counterface.faceset.masks.draw import DrawConfig
from counterface.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from counterface.faceset.masks.exchange import MaskExchange


def train(
    *folders: Path,
    run: Path,
    steps: int = 5000,
    batch_size: int = 4,
    size: int = 256,
    base: int = 32,
    levels: int = 6,
    pretrain: int = 0,
    lr: float = 5e-4,
    seed: int = 0,
    augment: tuple[str, ...] = (),
    device: str = "auto",
    json_output: Json = False,
) -> int:
    """Train a segmenter of your own on the masks of facesets; run again to continue.

    The folder of the run then holds `mask.onnx`, which is named as `xseg:RUN/mask.onnx`.

    Args:
        folders: Facesets of one template whose crops have masks.
        run: Folder of the run.
        steps: Steps of the whole run.
        batch_size: Crops in a step.
        size: Side of the crops that the net looks at, pixels.
        base: Channels of the net's first level.
        levels: How often the net halves the side.
        pretrain: First steps that reconstruct the crops, before masks are learnt.
        lr: Peak learning rate.
        seed: Seed for everything random.
        augment: How crops are changed by chance, as turn=5 or flip=false; docs/masks.md lists all.
        device: Device: auto (a GPU if there is one), cpu, gpu, cuda, cuda:1 or mps.
    """
    from counterface.config import parse_settings, validate
    from counterface.learn.segment.train_mask import MaskTrainConfig, train_mask

    loop = {"steps": steps, "batch_size": batch_size, "seed": seed, "device": device}
    values = {
        "net": {"size": size, "base": base, "levels": levels},
        "pretrain": pretrain,
        "augment": parse_settings(augment),
        "lr": lr,
        "loop": loop,
    }
    config = validate(MaskTrainConfig, values, "faceset mask train")
    with output.progress("train") as report:

        def told(step: int, numbers: dict[str, float]) -> None:
            report(step, steps, output.numbers_text(numbers))

        found = train_mask(folders, run, config, told, report)
    judged = "" if found.iou is None else f"; IoU on {found.held_back} others {found.iou:.3f}"
    lines = [
        *output.problem_lines(found.problems),
        f"{found.run.stopped} at step {found.run.step}, from {counted(found.crops, 'crop')}"
        + judged,
    ]
    again = "run the same command again to go on"
    lines.append(again if found.file is None else f"wrote {found.file}")
    code = output.tell(found, lines, json_output, failed=found.problems)
    return output.exit_code(found.run.signal) or code


def apply(
    folder: Path,
    /,
    *,
    config: Annotated[ApplyConfig, Parameter(name="*")] = ApplyConfig(),  # noqa: B008
    json_output: Json = False,
) -> int:
    """Make a mask for every crop that has none with a segmenter; run again to continue.

    Args:
        folder: A faceset.
    """
    from counterface.faceset.masks.apply import apply_masks as run

    with output.progress("masks") as report:
        found = run(folder, config, report)
    lines = [*output.problem_lines(found.problems), f"{folder}: {counted(found.masks, 'mask')}"]
    lines[-1] += f" made; {counted(found.kept, 'crop')} had one"
    return output.tell(found, lines, json_output, failed=found.problems)


def draw(
    folder: Path,
    out: Path,
    /,
    *,
    config: Annotated[DrawConfig, Parameter(name="*")] = DrawConfig(),  # noqa: B008
    json_output: Json = False,
) -> int:
    """Draw what the masks of a faceset leave out, on the crops.

    Args:
        folder: A faceset; nothing in it is changed.
        out: A folder outside of it; pictures of these names are replaced.
    """
    from counterface.faceset.masks.draw import draw_masks as run

    with output.progress("draw") as report:
        found = run(folder, out, config, report)
    lines = [*output.problem_lines(found.problems), f"{out}: {counted(found.pictures, 'picture')}"]
    lines[-1] += f"; {counted(found.without, 'crop')} without a mask"
    return output.tell(found, lines, json_output, failed=found.problems)


def import_(folder: Path, masks: Path, /, *, json_output: Json = False) -> int:
    """Give the crops of a faceset masks: pictures, polygons, or DeepFaceLab's XSeg polygons.

    Each file belongs to the crop of its name. A mask that a crop had is replaced.

    Args:
        folder: A faceset.
        masks: A folder of .png masks, .json polygons, or .jpg crops of DeepFaceLab.
    """
    from counterface.faceset.masks.exchange import import_masks as run

    with output.progress("masks") as report:
        found = run(folder, masks, report)
    return output.tell(found, _lines(found, "file"), json_output, failed=found.problems)


def export(
    folder: Path,
    out: Path,
    /,
    *,
    form: Annotated[Literal["png", "json"], Parameter(name="--format")] = "png",
    json_output: Json = False,
) -> int:
    """Write the masks of a faceset into a folder, named as its crops.

    Args:
        folder: A faceset.
        out: The folder; files of these names in it are replaced.
        form: The masks as pictures (png), or the polygons that some were drawn from (json).
    """
    from counterface.faceset.masks.exchange import export_masks as run

    with output.progress("masks") as report:
        found = run(folder, out, form, report)
    return output.tell(found, _lines(found, "crop"), json_output, failed=found.problems)


def _lines(found: MaskExchange, what: str) -> Iterator[str]:
    yield from output.problem_lines(found.problems)
    yield (
        f"{found.folder}: {counted(found.masks, 'mask')}, {found.polygons} with polygons; "
        f"{counted(found.without, what)} without"
    )
