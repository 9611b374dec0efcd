"""How a process that runs files of others talks with its parent, and what rights it gives up.

A message is a JSON line with the arrays' names, shapes and types, then their bytes: no pickle.
"""

from __future__ import annotations

import json
import os
import resource
import select
import subprocess
import sys
import weakref
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]
TYPES = ("float32", "float64", "float16", "uint8", "int32", "int64", "bool")
_LONGEST = 50_000_000  # bytes of a message without its arrays
_MOST_BYTES = 1_000_000_000  # of an array
UNUSABLE = (ArithmeticError, LookupError, RecursionError, TypeError, ValueError)  # an answer is


class Child:
    """A process that runs files of others, and answers one message at a time."""

    def __init__(self, module: str) -> None:
        """Start it.

        Args:
            module: its `main` talks by `open_pipes`.
        """
        self.process = subprocess.Popen(
            # -P: a file named json.py in the current folder must not be imported.
            [sys.executable, "-P", "-B", "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
            start_new_session=True,  # Ctrl-C is for the parent, which then stops the child
        )
        self.end = weakref.finalize(self, _end, self.process, os.getpid())

    def ask(
        self, message: Mapping[str, Any], arrays: Arrays, wall_s: float
    ) -> tuple[dict[str, Any], Arrays]:
        """Its answer. After any of these errors `end` it: what it says next belongs to nothing.

        Raises:
            TimeoutError: none came within `wall_s`.
            EOFError, OSError: it has ended.
            Exception: one of `UNUSABLE`: its answer is nonsense.
        """
        sink, source = self.process.stdin, self.process.stdout
        assert sink is not None
        assert source is not None
        try:
            send(sink, message, arrays)  # type: ignore[arg-type]
            if not select.select([source], [], [], wall_s)[0]:
                raise TimeoutError
            return receive(source)  # type: ignore[arg-type]
        except (EOFError, OSError, *UNUSABLE):
            raise
        except BaseException:
            self.end()
            raise


def _end(process: subprocess.Popen[bytes], owner: int) -> None:
    if os.getpid() != owner:  # a fork of the process that started it
        return
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(OSError):
                stream.close()


def send(sink: BinaryIO, message: Mapping[str, Any], arrays: Arrays | None = None) -> None:
    """Write a message and its arrays."""
    arrays = {name: np.ascontiguousarray(array) for name, array in (arrays or {}).items()}
    about = [[name, array.dtype.name, list(array.shape)] for name, array in arrays.items()]
    head = json.dumps({**message, "arrays": about}).encode()
    sink.write(len(head).to_bytes(4, "little") + head)
    for array in arrays.values():
        sink.write(array.reshape(-1).view(np.uint8).data)
    sink.flush()


def receive(source: BinaryIO) -> tuple[dict[str, Any], Arrays]:
    """The next message; EOFError when the other end is gone, ValueError when it is nonsense."""
    size = int.from_bytes(_read(source, 4), "little")
    if size > _LONGEST:
        raise ValueError(f"a message of {size} bytes")
    message = json.loads(_read(source, size))
    arrays = {}
    for name, kind, shape in message.pop("arrays"):
        if kind not in TYPES:
            raise ValueError(f"output {name!r} holds {kind}")
        dtype = np.dtype(kind)
        length = dtype.itemsize
        for side in shape:
            length *= side
        if not 0 <= length <= _MOST_BYTES:
            raise ValueError(f"output {name!r} has the shape {shape}")
        arrays[str(name)] = np.frombuffer(_read(source, length), dtype).reshape(shape)
    return message, arrays


def _read(source: BinaryIO, length: int) -> bytes:
    data = source.read(length)
    if len(data) < length:
        raise EOFError
    return data


def open_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Where the parent's requests come from, and where answers go; what is printed goes nowhere."""
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not reach the pipe
    return source, sink


def give_up_rights(memory_mb: int) -> None:
    """Limit this process's memory, and let it write no files and no core dumps."""
    if sys.platform == "linux":
        _limit(resource.RLIMIT_AS, memory_mb * 1_000_000)
    for kind in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):
        _limit(kind, 0)


def _limit(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def limit_cpu(seconds: int) -> None:
    """Let this process compute for so many seconds from now on."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + seconds + 1)
