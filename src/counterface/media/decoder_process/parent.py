"""The parent's side: starts decoder processes, keeps idle ones, says why one died."""

from __future__ import annotations

import atexit
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from threading import Lock

import numpy as np

from counterface.errors import MediaError
from counterface.media.decoder_process.wire import (
    Message,
    clean_text,
    parse_fraction,
    receive,
    receive_pixels,
    send,
)
from counterface.types import Frame

COMMAND = ["-m", "counterface.media.decoder_process.child"]
_PACKAGE_ROOT = Path(__file__).resolve().parents[3]
_START_S = 120.0  # imports on a cold disk
_STOP_S = 5.0  # for the frame that is being decoded when nobody wants more
_MOST_IDLE = 2
_BUFFER_BYTES = 1_000_000  # of the socket, as far as the system allows; macOS begins with 8 kB
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME", "LANG", "LC_ALL")


class Died(Exception):  # noqa: N818  (turned into a MediaError that names the file)
    """The process ended, or was ended, before it answered."""


class DecoderProcess:
    """One child and the socket to it."""

    def __init__(self) -> None:
        """Start the child; it imports in the background."""
        self.ready = False
        self.memory_mb: int | None = None  # the limit it last ran under
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        # an empty entry would be the current folder, whose files must not be imported
        named = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
        own_path = [str(_PACKAGE_ROOT), *named]
        environment |= {
            "PYTHONPATH": os.pathsep.join(own_path),
            "OPENBLAS_NUM_THREADS": "1",  # each thread would reserve address space
            "MALLOC_ARENA_MAX": "2",
        }
        self.socket, childs = socket.socketpair()
        with childs:
            childs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
            # -P: a file named av.py in the current folder must not be imported.
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-B", *COMMAND, str(childs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment,
                pass_fds=(childs.fileno(),),
                start_new_session=True,  # Ctrl-C is for the parent, which then stops the child
            )

    def wait_ready(self) -> None:
        """Return once the child's imports are done."""
        if not self.ready:
            self.receive(_START_S)
            self.ready = True

    def send(self, message: Message) -> None:
        """Give the child a message; Died when it is gone or does not listen."""
        self.socket.settimeout(_START_S)
        try:
            send(self.socket, message)
        except OSError as error:
            raise Died(self.reason()) from error

    def receive(self, timeout_s: float) -> Message:
        """The child's next message; Died when it ends, TimeoutError when none comes."""
        message = receive(self.socket, timeout_s)
        if message is None:
            raise Died(self.reason())
        return message

    def picture(self, message: Message, most_pixels: int, timeout_s: float) -> Frame:
        """The picture that a message announces; as `receive`, ValueError where it is impossible."""
        height, width = int(message["height"]), int(message["width"])
        if min(height, width) < 1 or height * width > most_pixels:
            raise ValueError(f"a picture of {width}x{height} pixels")
        image = np.empty((height, width, 3), np.uint8)
        if not receive_pixels(self.socket, image, timeout_s):
            raise Died(self.reason())
        return Frame(image, int(message["index"]), parse_fraction(message["pts"]))

    def reason(self) -> str:
        """The reason why the child ended, in words."""
        try:
            code = self.process.wait(timeout=_STOP_S)
        except subprocess.TimeoutExpired:
            return "stopped answering"
        if code == -signal.SIGXCPU:
            return "cpu"
        if code < 0:
            return f"crashed ({signal.Signals(-code).name})"
        return f"ended with exit code {code}"

    def close(self) -> None:
        """End the child at once."""
        with suppress(OSError):
            self.process.kill()
        self.process.wait()
        self.socket.close()


class _Pool:
    """Idle decoder processes of this process (not of a parent it was forked from)."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.idle: list[DecoderProcess] = []
        self.registered = False

    def take(self, memory_mb: int | None) -> DecoderProcess:
        """An idle process that never ran under another memory limit, or a new one.

        Memory that a process once had, it keeps: under a lower limit it would break it unseen.
        """
        with self.lock:
            for process in [p for p in self.idle if p.memory_mb in (None, memory_mb)]:
                self.idle.remove(process)
                if process.process.poll() is None:
                    return process
                process.close()
        return DecoderProcess()

    def has_idle(self) -> bool:
        with self.lock:
            return any(process.process.poll() is None for process in self.idle)

    def give(self, process: DecoderProcess) -> None:
        with self.lock:
            if not self.registered:
                atexit.register(self.close)
                os.register_at_fork(after_in_child=self.idle.clear)  # they are the parent's
                self.registered = True
            self.idle.append(process)
            dropped = self.idle.pop(0) if len(self.idle) > _MOST_IDLE else None
        if dropped is not None:
            dropped.close()

    def close(self) -> None:
        with self.lock:
            while self.idle:
                self.idle.pop().close()


_POOL = _Pool()


def warm_up() -> None:
    """Start a decoder process for later use without waiting for it, unless one is idle."""
    if not _POOL.has_idle():
        _POOL.give(_POOL.take(None))


def close_idle() -> None:
    """End the decoder processes that nobody uses."""
    _POOL.close()


def ask(request: Message) -> Generator[Message | Frame, None, None]:
    """The answers to a request: `info`, `note`, `metadata` and `sound` messages, and pictures.

    Raises:
        MediaError: the child's own refusal, in its words.
        MemoryError: the memory limit was reached.
        TimeoutError: no answer came for `wall_s`.
        Died: the process ended; the text is the reason ("cpu" for the CPU limit).
    """
    wall_s = float(request["limits"]["wall_s"])
    most_pixels = int(request["limits"]["max_pixels"])
    process = _POOL.take(int(request["limits"]["memory_mb"]))
    process.memory_mb = int(request["limits"]["memory_mb"])
    finished = False
    try:
        process.wait_ready()
        process.send(request)
        while True:
            message = process.receive(wall_s)
            if "pts" in message:
                yield process.picture(message, most_pixels, wall_s)
            elif message.keys() & {"info", "note", "metadata", "sound"}:
                yield message
            elif "reading" not in message:
                break
        finished = not message.get("spent")
    except GeneratorExit:  # the caller has seen enough
        finished = _stop(process, most_pixels)
        raise
    finally:
        if finished:
            _POOL.give(process)
        else:
            process.close()
    if message.get("error") == "memory":
        raise MemoryError
    if "error" in message:
        raise MediaError(clean_text(message.get("text")))


def _stop(process: DecoderProcess, most_pixels: int) -> bool:
    """Whether the child could be brought to end its request early and is free again."""
    until = time.monotonic() + _STOP_S
    try:
        process.send({"stop": True})
        while (left := until - time.monotonic()) > 0:
            message = process.receive(left)
            if "pts" in message:
                process.picture(message, most_pixels, _STOP_S)
            elif "end" in message or "error" in message:
                return not message.get("spent")
    except (Died, TimeoutError, ArithmeticError, LookupError, TypeError, ValueError):
        return False
    return False
