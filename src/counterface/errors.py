"""Every error that Counterface raises on purpose.

A message says what is wrong, the value seen, and the next step.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence


class CounterfaceError(Exception):
    """The parent of all errors below; catch it to catch them all."""


class StoppedBySignal(KeyboardInterrupt):
    """Work that a signal stopped; what was done is saved, and the same call goes on.

    Attributes:
        number: number of the signal; a command that it stopped exits with 128 more.
    """

    def __init__(self, number: int | None, message: str = "") -> None:
        """The signal, and what was stopped; SIGINT where it is not known."""
        super().__init__(message)
        self.number = number or 2


class ConfigError(CounterfaceError):
    """A recipe, flag or combination of them that cannot be used."""


class DatasetError(CounterfaceError):
    """A data set on disk that is not laid out as its reader expects.

    Attributes:
        tree: the layout that was expected, as lines of text.
    """

    def __init__(self, message: str, tree: str = "") -> None:
        """The message, and the expected layout below it."""
        super().__init__(message)
        self.tree = tree

    def __str__(self) -> str:
        """The message and the layout."""
        return f"{self.args[0]}\nexpected:\n{self.tree}" if self.tree else str(self.args[0])


class DetectorError(CounterfaceError):
    """A detector model file that cannot be used, or crops that do not fit it."""


class FacesetError(CounterfaceError):
    """A faceset on disk that is damaged, of another version, or lacks what a job needs."""


class MediaError(CounterfaceError):
    """An image or video that cannot be opened, decoded or written within its limits."""


class ProvenanceError(CounterfaceError):
    """A mark, record or signing identity that cannot be made, read or trusted."""


class RegistryError(ConfigError):
    """An unknown name, or an entry that cannot be loaded."""


class RightsError(CounterfaceError):
    """A making job whose footage carries no rights record."""


class ShapeError(CounterfaceError):
    """An array whose shape, type or range is not the documented one."""


class SwapError(CounterfaceError):
    """A swap model file that cannot be used, or a conversion that cannot start or continue.

    Attributes:
        choices: what there is to choose from, a line each.
    """

    def __init__(self, message: str, choices: Sequence[str] = ()) -> None:
        """The message, and the choices below it."""
        super().__init__(message)
        self.choices = tuple(choices)

    def __str__(self) -> str:
        """The message and the choices."""
        return "\n".join([str(self.args[0]), *self.choices])


class TrainingError(CounterfaceError):
    """A training run that cannot start, continue or be read back."""


class WeightsError(CounterfaceError):
    """A model file that cannot be found, fetched or trusted."""


EXTRAS = {  # what `counterface[extra]` installs, as it is imported
    "train": (
        *("accelerate", "dlib", "h5py", "matplotlib", "networkx"),
        *("onnx", "safetensors", "tensorboard", "timm", "torch"),
    ),
    "web": ("fastapi", "huey", "sqlalchemy", "uvicorn"),
    "pdf": ("weasyprint",),
}


def missing_extra(error: ModuleNotFoundError) -> str | None:
    """What to install where a package of an extra is missing; None: it is of none."""
    package = (error.name or "").partition(".")[0]
    extra = next((extra for extra, names in EXTRAS.items() if package in names), None)
    if extra is None:
        return None
    return f"this needs {package}; install counterface[{extra}] (in a clone: make full)"


def reason_of(error: Exception) -> str:
    """What an error says; of the system's, its file and the reason without a number."""
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    file = error.filename2 or error.filename  # of a move: where to
    named = isinstance(file, str | bytes | os.PathLike)
    return f"{os.fsdecode(file)}: {error.strerror}" if named else error.strerror


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an error, or one that it came from, says that the disk or the quota is full."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if getattr(error, "sqlite_errorname", "") == "SQLITE_FULL":
            return True
        error = error.__cause__
    return False
