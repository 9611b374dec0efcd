"""The decoding process behind `sandbox`: reads requests from standard input until it ends.

It gives up rights before it looks at a file: no writing (RLIMIT_FSIZE 0), no core dumps, few open
files, and for each request its own memory and CPU limit.
"""

from __future__ import annotations

import mmap
import os
import resource
import select
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil
from pathlib import Path

import numpy as np

from counterface.errors import CounterfaceError
from counterface.media.decoder_process.wire import Message, pack_info, pack_note, receive, send
from counterface.media.image import load_parsers, read_image
from counterface.media.notes import MediaNote
from counterface.media.open_file import check_file, show, sniff
from counterface.media.probe import probe
from counterface.media.tags.container import read_container_tags
from counterface.media.tags.picture import read_picture_tags
from counterface.media.video_reader import open_clip
from counterface.types import Image

_OPEN_FILES = 64
_NEAR = 16_000_000  # bytes; a decoder thread's stack is 8 MB
_LAST_WORDS_S = 0.5
_STACK = 256 * 1024  # bytes, of the thread that watches the parent
_SLOTS = 4  # frames that may wait for the parent: decoding goes on meanwhile


class _StoppedError(Exception):
    """The parent wants no more frames of this request."""


@dataclass
class Channel:
    """The child's end: two pipes and the shared memory that pictures are laid into."""

    source: int
    sink: int
    memory: int  # descriptor of the shared file; the parent makes it longer when asked
    base: int = 0  # address space of the idle process, bytes
    most: int = 0  # allowed address space, bytes
    limits: Message = field(default_factory=dict)
    has_parsers: bool = False
    ring: mmap.mmap | None = None
    slots: int = 0
    slot_bytes: int = 0
    sent: int = 0
    unread: int = 0  # slots that the parent has not copied yet

    def put(self, image: Image, index: int, pts: Fraction, *, only: bool = False) -> None:
        """Hand a picture to the parent; waits while all slots are in use.

        `only` says that no other follows, so that room for one is enough.
        """
        if image.nbytes > self.slot_bytes:
            self._grow(image.nbytes, 1 if only else _SLOTS)
        while self.unread >= self.slots:
            self._collect()
        assert self.ring is not None
        slot = self.sent % self.slots
        view = np.frombuffer(self.ring, np.uint8, image.nbytes, slot * self.slot_bytes)
        np.copyto(view.reshape(image.shape), image)
        del view  # a mapping with views cannot be closed
        height, width = image.shape[:2]
        self.unread += 1
        self.sent += 1
        self.rearm()
        offset = slot * self.slot_bytes
        send(
            self.sink,
            {"at": offset, "height": height, "width": width, "index": index, "pts": str(pts)},
        )

    def tell(self, note: MediaNote) -> None:
        """Hand a note to the parent."""
        send(self.sink, {"note": pack_note(note)})

    def show_life(self) -> None:
        """Tell the parent that reading goes on, so that no limit of time is reached."""
        self.rearm()
        send(self.sink, {"reading": True})

    def load_parsers(self, request: Message) -> None:
        """Import what pictures need, outside the memory limit, when the first one comes."""
        if self.has_parsers or request["do"] == "video":
            return
        _limit(resource.RLIMIT_AS, resource.RLIM_INFINITY, keep_hard=True)  # of the last request
        before = _address_space("VmSize")
        load_parsers()
        self.base += max(0, _address_space("VmSize") - before)
        self.has_parsers = True

    def rearm(self) -> None:
        """Start the CPU clock of `cpu_s` again: it limits the time without a result."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        until = ceil(usage.ru_utime + usage.ru_stime + float(self.limits["cpu_s"]))
        _limit(resource.RLIMIT_CPU, until, keep_hard=True)

    def restrict_memory(self) -> None:
        """Allow `memory_mb` on top of what the idle process and the shared pictures take."""
        shared = self.slots * self.slot_bytes
        self.most = self.base + shared + int(self.limits["memory_mb"]) * 1_000_000
        _limit(resource.RLIMIT_AS, self.most, keep_hard=True)

    def is_memory_short(self) -> bool:
        """Whether the process came near its memory limit.

        Decoders report an allocation that failed in a thread as invalid data.
        """
        return _address_space("VmPeak") > self.most - max(_NEAR, self.most // 20)

    def is_spent(self) -> bool:
        """Whether this request took so much that the next file had better get a fresh process.

        The peak of a process never falls: after a hungry file, `is_memory_short` would say of any
        later one that it came near the limit.
        """
        free = self.most - self.base - self.slots * self.slot_bytes
        return _address_space("VmPeak") > self.most - free // 2

    def drain(self) -> None:
        """Wait until the parent has copied every picture of this request."""
        while self.unread:
            try:
                self._collect()
            except _StoppedError:
                continue

    def _grow(self, nbytes: int, slots: int) -> None:
        self.drain()
        if self.ring is not None:
            self.ring.close()
        send(self.sink, {"need": nbytes, "slots": slots})
        answer = receive(self.source)
        while answer is not None and "slots" not in answer:
            if "stop" in answer:
                self.slot_bytes = self.slots = 0
            answer = receive(self.source)
        if answer is None:
            sys.exit(0)
        self.slots, self.slot_bytes = int(answer["slots"]), int(answer["slot_bytes"])
        self.sent = 0
        self.restrict_memory()
        self.ring = mmap.mmap(self.memory, self.slots * self.slot_bytes)

    def _collect(self) -> None:
        answer = receive(self.source)
        if answer is None:  # the parent is gone
            sys.exit(0)
        if "stop" in answer:
            raise _StoppedError
        self.unread -= 1


def _probe(channel: Channel, request: Message) -> None:
    info = probe(request["path"], max_pixels=channel.limits["max_pixels"], tick=channel.show_life)
    send(channel.sink, {"info": pack_info(info)})


def _metadata(channel: Channel, request: Message) -> None:
    file = check_file(request["path"])
    if sniff(file) == "image":
        found = read_picture_tags(file, channel.limits["max_pixels"])
    else:
        found = read_container_tags(file)
    send(channel.sink, {"metadata": found.model_dump(mode="json")})


def _image(channel: Channel, request: Message) -> None:
    limits = channel.limits
    image = read_image(request["path"], max_pixels=limits["max_pixels"], tell=channel.tell)
    channel.put(image, 0, Fraction(0), only=True)


def _video(channel: Channel, request: Message) -> None:
    limits = channel.limits
    with open_clip(
        request["path"],
        max_pixels=limits["max_pixels"],
        threads=limits["threads"],
        exact=request.get("exact", False),
    ) as reader:
        if "times" in request:
            times = [Fraction(t) for t in request["times"]]
            frames = reader.frames_at(times, tolerance=Fraction(request["tolerance"]))
        elif "start" in request:
            frames = reader.frames_from(Fraction(request["start"]))
        else:
            frames = reader.frames(keyframes_only=request["keyframes_only"])
        for frame in frames:
            if reader.damaged_packets and channel.is_memory_short():
                raise MemoryError
            channel.put(frame.image, frame.index, frame.pts)
        if reader.damaged_packets and channel.is_memory_short():
            raise MemoryError
        for note in reader.notes:
            channel.tell(note)


ACTIONS: dict[str, Callable[[Channel, Message], None]] = {
    "probe": _probe,
    "metadata": _metadata,
    "image": _image,
    "video": _video,
}


def answer(channel: Channel, request: Message) -> None:
    """Carry out one request and end it with `end` or `error`."""
    channel.limits = request["limits"]
    channel.load_parsers(request)
    channel.restrict_memory()
    channel.rearm()
    last: Message = {"end": True}
    try:
        ACTIONS[request["do"]](channel, request)
    except _StoppedError:
        pass
    except MemoryError:
        last = {"error": "memory"}
    except CounterfaceError as error:
        memory = isinstance(error.__cause__, MemoryError) or channel.is_memory_short()
        last = {"error": "memory"} if memory else {"error": "media", "text": str(error)}
    except Exception as error:  # noqa: BLE001  (whatever a hostile file provokes is the answer)
        what = f"{show(request['path'])} made the decoder fail ({type(error).__name__}: {error})"
        last = {"error": "media", "text": f"{what}; it is damaged or hostile"}
        if channel.is_memory_short():
            last = {"error": "memory"}
    channel.drain()
    send(channel.sink, last | {"spent": channel.is_spent()})


def main(memory: int) -> None:
    """Answer requests until standard input ends.

    Args:
        memory: descriptor of the shared file for pictures.
    """
    channel = Channel(source=os.dup(0), sink=os.dup(1), memory=memory)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):  # what a library prints must not reach the pipes
        os.dup2(nothing, descriptor)
    channel.base = _address_space("VmSize")
    threading.stack_size(_STACK)
    threading.Thread(target=_end_with_parent, args=(channel.source,), daemon=True).start()
    channel.base += _STACK
    threading.stack_size(0)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_NOFILE, _OPEN_FILES)
    send(channel.sink, {"ready": True})
    while (request := receive(channel.source)) is not None:
        if "do" in request:  # else a "stop" that crossed with the end
            answer(channel, request)


def _end_with_parent(source: int) -> None:
    """End the process once the parent's end of the pipe is closed, whatever is being decoded."""
    poll = select.poll()
    poll.register(source, 0)  # hanging up alone is reported; what waits to be read is not touched
    while not any(event & (select.POLLHUP | select.POLLERR) for _, event in poll.poll()):
        time.sleep(0.1)
    time.sleep(_LAST_WORDS_S)  # the request in work may end by itself
    os._exit(0)


def _address_space(field: str) -> int:
    """Bytes from a line of /proc/self/status; without that file (macOS) a generous guess."""
    try:
        lines = Path("/proc/self/status").read_text("ascii").splitlines()
        kilobytes = next(line.split()[1] for line in lines if line.startswith(field + ":"))
    except (OSError, StopIteration):
        return 1_000_000_000
    return int(kilobytes) * 1024


def _limit(kind: int, value: int, *, keep_hard: bool = False) -> None:
    """Set a limit, at most the hard one of the process; RLIM_INFINITY is -1."""
    hard = resource.getrlimit(kind)[1]
    if hard != resource.RLIM_INFINITY:
        value = hard if value == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, hard if keep_hard else value))


if __name__ == "__main__":
    main(int(sys.argv[1]))
