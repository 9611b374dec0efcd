"""`counterface detect import`: published weights of a known architecture as a detector file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from counterface.apps.cli import output
from counterface.apps.cli.app import Json

Options = Annotated[tuple[str, ...], Parameter(name="--set")]


def import_(
    architecture: str,
    weights: Path,
    detector: Path,
    /,
    *,
    settings: Options = (),
    json_output: Json = False,
) -> int:
    """Turn weights that an architecture's authors published into a detector file.

    It knows the Keras files of MesoNet. The detector is not calibrated and calls nothing before
    its logit is extreme: run `counterface detect calibrate` next.

    Args:
        architecture: meso4 or meso_inception4.
        weights: The published file, as Meso4_DF.h5.
        detector: The ONNX file to write.
        settings: Options of the architecture, as template=face.
    """
    from counterface.config import parse_settings
    from counterface.detect.training.published import import_published

    info = import_published(architecture, weights, detector, parse_settings(settings))
    return output.tell(info, [str(detector)], json_output)
