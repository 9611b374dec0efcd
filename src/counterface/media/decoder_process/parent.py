"""The parent's side: starts decoder processes, keeps idle ones, says why one died."""

from __future__ import annotations

import atexit
import fcntl
import mmap
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from counterface.errors import MediaError
from counterface.media.decoder_process.wire import Message, clean_text, receive, send
from counterface.types import Frame, Image

COMMAND = ["-m", "counterface.media.decoder_process.child"]
_PACKAGE_ROOT = Path(__file__).resolve().parents[3]
_START_S = 120.0  # imports on a cold disk
_STOP_S = 5.0  # for the frame that is being decoded when nobody wants more
_MOST_IDLE = 2
_RING_BYTES = 48_000_000  # four 4K frames are 100 MB: fewer slots then
_KEPT_RING_BYTES = 64_000_000  # a process with more shared memory is not kept
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME", "LANG", "LC_ALL")
_SEAL_SHRINK = 0x0002  # F_SEAL_SHRINK
_ADD_SEALS = 1033  # F_ADD_SEALS


class Died(Exception):  # noqa: N818  (turned into a MediaError that names the file)
    """The process ended, or was ended, before it answered."""


class DecoderProcess:
    """One child with its pipes and its shared memory."""

    def __init__(self) -> None:
        """Start the child; it imports in the background."""
        self.memory = _shared_file()
        self.ring: mmap.mmap | None = None
        self.ring_bytes = 0
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
        # -P: a file named av.py in the current folder must not be imported.
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-B", *COMMAND, str(self.memory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env=environment,
            pass_fds=(self.memory,),
            start_new_session=True,  # Ctrl-C is for the parent, which then stops the child
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.sink, self.source = self.process.stdin.fileno(), self.process.stdout.fileno()

    def wait_ready(self) -> None:
        """Return once the child's imports are done."""
        if not self.ready:
            self.receive(_START_S)
            self.ready = True

    def send(self, message: Message) -> None:
        """Give the child a message; Died when it is gone."""
        try:
            send(self.sink, message)
        except OSError as error:
            raise Died(self.reason()) from error

    def receive(self, timeout_s: float) -> Message:
        """The child's next message; Died when it ends, TimeoutError when none comes."""
        if not select.select([self.source], [], [], timeout_s)[0]:
            raise TimeoutError
        message = receive(self.source)
        if message is None:
            raise Died(self.reason())
        return message

    def grow(self, message: Message, most_bytes: int) -> None:
        """Make the shared memory large enough for pictures of the size the child asked for."""
        page = mmap.PAGESIZE
        need = int(message["need"])
        if not 0 < need <= most_bytes:
            raise ValueError(f"a picture of {need} bytes")
        slot_bytes = -(-need // page) * page
        slots = max(1, min(int(message["slots"]), _RING_BYTES // slot_bytes))
        if self.ring is not None:
            self.ring.close()
        self.ring_bytes = max(self.ring_bytes, slots * slot_bytes)
        os.ftruncate(self.memory, self.ring_bytes)
        self.ring = mmap.mmap(self.memory, self.ring_bytes)
        self.send({"slots": slots, "slot_bytes": slot_bytes})

    def picture(self, message: Message) -> Frame:
        """The picture that a message announces, copied out of the shared memory."""
        height, width, at = int(message["height"]), int(message["width"]), int(message["at"])
        if self.ring is None or min(height, width) < 1:
            raise ValueError("no picture")
        view = np.frombuffer(self.ring, np.uint8, height * width * 3, at)
        image: Image = view.reshape(height, width, 3).copy()
        del view  # a mapping with views cannot be closed
        self.send({"taken": True})
        return Frame(image, int(message["index"]), Fraction(message["pts"]))

    def reason(self) -> str:
        """Why the child ended, in words."""
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
        """End the child at once and release its memory."""
        with suppress(OSError):
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        if self.ring is not None:
            with suppress(BufferError):
                self.ring.close()
        with suppress(OSError):
            os.close(self.memory)


class _Pool:
    """Idle decoder processes of this process (not of a parent it was forked from)."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.owner = os.getpid()
        self.idle: list[DecoderProcess] = []
        self.registered = False

    def take(self, memory_mb: int | None) -> DecoderProcess:
        """An idle process that never ran under another memory limit, or a new one.

        Memory that a process once had, it keeps: under a lower limit it would break it unseen.
        """
        with self.lock:
            self._forget_after_fork()
            for process in [p for p in self.idle if p.memory_mb in (None, memory_mb)]:
                self.idle.remove(process)
                if process.process.poll() is None:
                    return process
                process.close()
        return DecoderProcess()

    def has_idle(self) -> bool:
        with self.lock:
            self._forget_after_fork()
            return any(process.process.poll() is None for process in self.idle)

    def give(self, process: DecoderProcess) -> None:
        dropped = process
        with self.lock:
            self._forget_after_fork()
            if not self.registered:
                atexit.register(self.close)
                self.registered = True
            if process.ring_bytes <= _KEPT_RING_BYTES:
                self.idle.append(process)
                if len(self.idle) <= _MOST_IDLE:
                    return
                dropped = self.idle.pop(0)
        dropped.close()

    def close(self) -> None:
        with self.lock:
            self._forget_after_fork()
            while self.idle:
                self.idle.pop().close()

    def _forget_after_fork(self) -> None:
        if self.owner != os.getpid():
            self.owner, self.idle = os.getpid(), []


_POOL = _Pool()


def warm_up() -> None:
    """Start a decoder process for later use without waiting for it, unless one is idle."""
    if not _POOL.has_idle():
        _POOL.give(_POOL.take(None))


def close_idle() -> None:
    """End the decoder processes that nobody uses."""
    _POOL.close()


def ask(request: Message) -> Generator[Message | Frame, None, None]:
    """The answers to a request: `info` and `note` messages, and pictures, as they come.

    Raises:
        MediaError: the child's own refusal, in its words.
        MemoryError: the memory limit was reached.
        TimeoutError: no answer came for `wall_s`.
        Died: the process ended; the text is the reason ("cpu" for the CPU limit).
    """
    wall_s = float(request["limits"]["wall_s"])
    most_bytes = 3 * int(request["limits"]["max_pixels"])
    process = _POOL.take(int(request["limits"]["memory_mb"]))
    process.memory_mb = int(request["limits"]["memory_mb"])
    finished = False
    try:
        process.wait_ready()
        process.send(request)
        while True:
            message = process.receive(wall_s)
            if "need" in message:
                process.grow(message, most_bytes)
            elif "at" in message:
                yield process.picture(message)
            elif message.keys() & {"info", "note", "metadata"}:
                yield message
            elif "reading" not in message:
                break
        finished = not message.get("spent")
    except GeneratorExit:  # the caller has seen enough
        finished = _stop(process, most_bytes)
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


def _stop(process: DecoderProcess, most_bytes: int) -> bool:
    """Whether the child could be brought to end its request early and is free again."""
    until = time.monotonic() + _STOP_S
    try:
        process.send({"stop": True})
        while (left := until - time.monotonic()) > 0:
            message = process.receive(left)
            if "need" in message:
                process.grow(message, most_bytes)
            elif "at" in message:
                process.picture(message)
            elif "end" in message or "error" in message:
                return not message.get("spent")
    except (Died, TimeoutError, ArithmeticError, LookupError, TypeError, ValueError):
        return False
    return False


def _shared_file() -> int:
    """A descriptor of a nameless file in memory that the child cannot make shorter."""
    create: Any = getattr(os, "memfd_create", None)
    if create is None:  # macOS
        with tempfile.TemporaryFile() as file:
            return os.dup(file.fileno())
    descriptor: int = create("counterface", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    # A shorter file under a mapping would kill this process with SIGBUS.
    fcntl.fcntl(descriptor, _ADD_SEALS, _SEAL_SHRINK)
    return descriptor
