"""Interlaced frames to whole ones: each from itself and its neighbours, one for one, times kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import av
from av.filter import Graph

from counterface.media.notes import MediaNote

FILTER, SETTINGS = "bwdif", "mode=send_frame:parity=auto:deint=all"
WOVEN = MediaNote(
    "interlaced",
    "The video is interlaced: each frame holds two half pictures of different moments. They were "
    f"deinterlaced by FFmpeg's {FILTER}, which softens what moves.",
)
COMBED = MediaNote(
    "interlaced",
    "Some frames of the video are interlaced; they were looked at as they are, with what moves "
    "torn into lines.",
)

Window = tuple[Any, Any, Any]  # the frame before, the frame, the frame after; None at the ends


def windows(frames: Iterable[Any]) -> Iterator[Window]:
    """Each decoded frame with its neighbours."""
    before = frame = None
    for after in frames:
        if frame is not None:
            yield before, frame, after
            before = frame
        frame = after
    if frame is not None:
        yield before, frame, None


class Deinterlacer:
    """FFmpeg's filter, fed so that the same three frames always give the same picture."""

    def __init__(self) -> None:
        """Build nothing before the first interlaced frame."""
        self._graph: Any = None
        self._built_for: tuple[Any, ...] = ()
        self._fed: list[Any] = []  # the last two

    def weave(self, window: Window) -> Any:
        """The middle frame with both half pictures at one moment; as it is where it is whole."""
        before, frame, after = window
        if not frame.interlaced_frame:
            return frame
        kind = (frame.width, frame.height, frame.format.name)
        before = before if _is_like(before, kind) else frame
        after = after if _is_like(after, kind) else frame
        try:
            woven = self._run(before, frame, after, kind)
        except (av.FFmpegError, ValueError):  # too small for the filter
            return frame
        woven.pts, woven.time_base = frame.pts, frame.time_base
        return woven

    def _run(self, before: Any, frame: Any, after: Any, kind: tuple[Any, ...]) -> Any:
        if kind != self._built_for:
            self._graph, self._built_for, self._fed = _build(frame), kind, []
        going_on = len(self._fed) == 2 and self._fed[0] is before and self._fed[1] is frame
        woven = None
        for fed in [after] if going_on else [before, frame, after]:
            self._graph.push(fed)
            while (out := _pull(self._graph)) is not None:
                woven = out
        self._fed = [frame, after]
        return frame if woven is None else woven


def _is_like(frame: Any, kind: tuple[Any, ...]) -> bool:
    return frame is not None and (frame.width, frame.height, frame.format.name) == kind


def _build(frame: Any) -> Any:
    graph = Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
    )
    graph.link_nodes(source, graph.add(FILTER, SETTINGS), graph.add("buffersink")).configure()
    return graph


def _pull(graph: Any) -> Any:
    try:
        return graph.pull()
    except (av.BlockingIOError, EOFError):
        return None
