"""An ONNX Runtime session of an untrusted file, in a child process under limits."""

from __future__ import annotations

import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from counterface.array_pipe import UNUSABLE, Arrays, Child
from counterface.device import onnx_options
from counterface.errors import CounterfaceError
from counterface.onnx.allowed import find_fault

MEMORY_MB = 4000  # address space; the shipped detector's process has 1 GB
CPU_S = 30  # for loading, and for each batch: the shipped detector needs 0.1
WALL_S = 240  # a machine may be busy


def open_here(content: bytes) -> Any:
    """A session in this process: for the files that ship alone."""
    import onnxruntime

    return onnxruntime.InferenceSession(content, onnx_options(), providers=["CPUExecutionProvider"])


class Port(NamedTuple):
    """An input or output of the network."""

    name: str
    shape: list[Any]


class GuardedSession:
    """Runs a network as `InferenceSession` does; every way to fail is one kind of error."""

    def __init__(
        self, content: bytes, path: Path, what: str, error: type[CounterfaceError]
    ) -> None:
        """Check the file and load it in a child.

        Args:
            content: of the file.
            path: its name, for errors.
            what: it is to be, such as "detector file".
            error: the kind of error.

        Raises:
            CounterfaceError: one of that kind: external data, operators of others, no ONNX file, or
                past the limits.
        """
        self.path, self._what, self._error = path, what, error
        if fault := find_fault(content):
            raise error(f"{path}: the {what} is not used: {fault}")
        self._child = Child("counterface.onnx.child")
        self._one_at_a_time = Lock()
        file = np.frombuffer(content, np.uint8)
        found, _ = self._ask({"memory_mb": MEMORY_MB, "cpu_s": CPU_S}, {"file": file})
        self.metadata: dict[str, str] = found["metadata"]
        self._inputs = [Port(*port) for port in found["inputs"]]
        self._outputs = [Port(*port) for port in found["outputs"]]

    def get_inputs(self) -> list[Port]:
        """As `InferenceSession.get_inputs`."""
        return self._inputs

    def get_outputs(self) -> list[Port]:
        """As `InferenceSession.get_outputs`."""
        return self._outputs

    def run(self, names: list[str] | None, inputs: Arrays) -> list[NDArray[Any]]:
        """As `InferenceSession.run`; without names all outputs."""
        names = names or [port.name for port in self._outputs]
        with self._one_at_a_time:
            _, arrays = self._ask({"outputs": names}, inputs)
        return [arrays[name] for name in names]

    def _ask(self, message: dict[str, Any], arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
        try:
            found, answer = self._child.ask(message, arrays, WALL_S)
        except TimeoutError as error:
            raise self._failed(f"the network gave no result within {WALL_S} s") from error
        except (EOFError, OSError) as error:
            raise self._failed(self._reason()) from error
        except UNUSABLE as error:
            raise self._failed(f"its answer cannot be used ({error})") from error
        if "error" in found:
            reason = " ".join(str(found["error"]).split())[:400]
            raise self._failed(f"ONNX Runtime refuses it ({reason})")
        return found, answer

    def _failed(self, why: str) -> CounterfaceError:
        self._child.end()
        return self._error(f"{self.path}: not a usable {self._what}: {why}")

    def _reason(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            code = self._child.process.wait(timeout=5)
            if code in (-signal.SIGXCPU, -signal.SIGKILL):
                return f"the network gave no result within {CPU_S} s of CPU time"
            return f"its process ended with code {code}; it may need more than {MEMORY_MB} MB"
        return "its process stopped answering"
