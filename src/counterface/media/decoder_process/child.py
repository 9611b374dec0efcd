"""The decoding process behind `sandbox`: reads requests from a socket until its other end closes.

It gives up rights before it looks at a file: no writing (RLIMIT_FSIZE 0), no core dumps, few open
files, and for each request its own memory and CPU limit.
"""

from __future__ import annotations

import os
import resource
import select
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil
from pathlib import Path

from counterface.errors import CounterfaceError
from counterface.media.decoder_process.wire import (
    Message,
    pack_info,
    pack_note,
    pack_sound,
    receive,
    send,
)
from counterface.media.image import load_parsers, read_image
from counterface.media.notes import MediaNote
from counterface.media.open_file import check_file, show, sniff
from counterface.media.probe import probe
from counterface.media.sound import Sound, Wanted, read_parts
from counterface.media.tags.container import read_container_tags
from counterface.media.tags.picture import read_picture_tags
from counterface.media.video_reader import open_clip
from counterface.types import Image

_OPEN_FILES = 64
_NEAR = 16_000_000  # bytes; a decoder thread's stack is 8 MB
_LAST_WORDS_S = 0.5
_STACK = 256 * 1024  # bytes, of the threads that send and that watch the parent
_AHEAD = 4  # frames that may wait for the parent: decoding goes on meanwhile
_AHEAD_BYTES = 48_000_000  # four 4K frames are 100 MB: fewer wait then


class _StoppedError(Exception):
    """The parent wants no more frames of this request."""


@dataclass
class Channel:
    """The child's end of the socket, and what a request may cost."""

    socket: socket.socket
    sender: ThreadPoolExecutor  # of one thread
    base: int = 0  # address space of the idle process, bytes
    most: int = 0  # allowed address space, bytes
    limits: Message = field(default_factory=dict)
    has_parsers: bool = False
    waiting: deque[Future[None]] = field(default_factory=deque)  # frames on their way
    ahead_bytes: int = 0  # that frames on their way may take

    def put(self, image: Image, index: int, pts: Fraction) -> None:
        """Hand a frame to the parent; waits while too many are on their way."""
        ahead = max(1, min(_AHEAD, _AHEAD_BYTES // image.nbytes))
        if ahead * image.nbytes > self.ahead_bytes:
            self.ahead_bytes = ahead * image.nbytes
            self.restrict_memory()
        self._require_wanted()
        while len(self.waiting) >= ahead:
            self.waiting.popleft().result()
        self.rearm()
        self.waiting.append(self.sender.submit(send, self.socket, about(image, index, pts), image))

    def put_sound(self, part: Sound) -> None:
        """Hand a part of a sound to the parent."""
        self._require_wanted()
        self.rearm()
        self.say({"sound": pack_sound(part)})

    def say(self, message: Message, pixels: Image | None = None) -> None:
        """Send a message, behind all frames that were handed over."""
        while self.waiting:
            self.waiting.popleft().result()
        send(self.socket, message, pixels)

    def tell(self, note: MediaNote) -> None:
        """Hand a note to the parent."""
        self.say({"note": pack_note(note)})

    def show_life(self) -> None:
        """Tell the parent that reading goes on, so that no limit of time is reached."""
        self.rearm()
        self.say({"reading": True})

    def load_parsers(self, request: Message) -> None:
        """Import what pictures need, outside the memory limit, when the first one comes."""
        if self.has_parsers or request["do"] in ("video", "sound"):
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
        """Allow `memory_mb` on top of what the idle process and the frames on their way take."""
        self.most = self.base + self.ahead_bytes + int(self.limits["memory_mb"]) * 1_000_000
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
        free = self.most - self.base - self.ahead_bytes
        return _address_space("VmPeak") > self.most - free // 2

    def _require_wanted(self) -> None:
        """Raise _StoppedError where the parent has said that it wants no more."""
        if select.select([self.socket], [], [], 0)[0]:
            message = receive(self.socket)
            if message is None:  # the parent is gone
                sys.exit(0)
            if "stop" in message:
                raise _StoppedError


def about(image: Image, index: int, pts: Fraction) -> Message:
    """The message that announces the pixels of a picture."""
    height, width = image.shape[:2]
    return {"height": height, "width": width, "index": index, "pts": str(pts)}


def _probe(channel: Channel, request: Message) -> None:
    info = probe(request["path"], max_pixels=channel.limits["max_pixels"], tick=channel.show_life)
    channel.say({"info": pack_info(info)})


def _metadata(channel: Channel, request: Message) -> None:
    file = check_file(request["path"])
    if sniff(file) == "image":
        found = read_picture_tags(file, channel.limits["max_pixels"])
    else:
        found = read_container_tags(file)
    channel.say({"metadata": found.model_dump(mode="json")})


def _image(channel: Channel, request: Message) -> None:
    limits = channel.limits
    image = read_image(request["path"], max_pixels=limits["max_pixels"], tell=channel.tell)
    channel.rearm()
    channel.say(about(image, 0, Fraction(0)), image)


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


def _sound(channel: Channel, request: Message) -> None:
    start = None if request["start"] is None else Fraction(request["start"])
    length = Fraction(request["duration"])
    wanted = Wanted(request["rate"], start, length, request["may_be_longer"])
    notes: list[MediaNote] = []
    for part in read_parts(request["path"], wanted, notes.append, channel.show_life):
        channel.put_sound(part)
    if any(note.code == "sound_damaged" for note in notes) and channel.is_memory_short():
        raise MemoryError
    for note in notes:
        channel.tell(note)


ACTIONS: dict[str, Callable[[Channel, Message], None]] = {
    "probe": _probe,
    "metadata": _metadata,
    "image": _image,
    "video": _video,
    "sound": _sound,
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
    channel.say(last | {"spent": channel.is_spent()})


def main(descriptor: int) -> None:
    """Answer requests until the other end of the socket closes.

    Args:
        descriptor: descriptor of the socket.
    """
    threading.stack_size(_STACK)
    channel = Channel(socket.socket(fileno=descriptor), ThreadPoolExecutor(1))
    threading.Thread(target=_end_with_parent, args=(descriptor,), daemon=True).start()
    channel.sender.submit(int).result()  # its thread has started, and is no part of any limit
    threading.stack_size(0)
    channel.base = _address_space("VmSize")
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_NOFILE, _OPEN_FILES)
    channel.say({"ready": True})
    while (request := receive(channel.socket)) is not None:
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
