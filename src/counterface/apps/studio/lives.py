"""Live merges of the studio: few warm processes, each ended when nobody asks for a while."""

from __future__ import annotations

import json
import math
import secrets
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

from counterface.apps.studio.child_process import start_child
from counterface.apps.studio.store import StudioError
from counterface.errors import SwapError

MOST = 2  # processes; another one ends the one that was asked last longest ago
IDLE_S = 300.0


class Live:
    """One process with a model and a target. Requests wait for each other."""

    def __init__(self, state: Path) -> None:
        """Start the process.

        Args:
            state: folder of the studio's state.
        """
        self.id = secrets.token_hex(8)
        self.used = math.inf  # on the monotonic clock; not idle before the first answer
        self._turn = threading.Lock()
        self._process = start_child("live_merge", state, stderr=subprocess.DEVNULL)

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer of the process.

        Raises:
            SwapError: it says what is wrong, or it died.
        """
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        with self._turn:
            self.used = math.inf
            try:
                process.stdin.write(json.dumps(request) + "\n")
                process.stdin.flush()
                line = process.stdout.readline()
            except (BrokenPipeError, ValueError, OSError):
                line = ""
            self.used = time.monotonic()
        if not line:
            raise SwapError("the process of the live merge ended (out of memory?); open it again")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise SwapError(str(answer["error"]))
        return answer

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()


class Lives:
    """The live merges that are open."""

    def __init__(self, folder: Path) -> None:
        """Remember the folder of the studio's state."""
        self._folder = folder
        self._lock = threading.Lock()
        self._open: dict[str, Live] = {}

    def open(self, request: dict[str, Any]) -> Live:
        """A new one, once its model is read; the oldest ends where there are too many.

        Raises:
            SwapError: what is asked for cannot be opened.
        """
        with self._lock:
            while len(self._open) >= MOST:
                self._open.pop(min(self._open.values(), key=lambda one: one.used).id).close()
            live = Live(self._folder)
            self._open[live.id] = live
        threading.Thread(target=self._end_when_idle, args=(live,), daemon=True).start()
        try:
            live.ask(request)
        except SwapError:
            self.end(live.id)
            raise
        return live

    def get(self, number: str) -> Live:
        """The one of an id.

        Raises:
            StudioError: it has ended.
        """
        with self._lock:
            live = self._open.get(number)
        if live is None:
            raise StudioError("this live merge has ended; open it again")
        return live

    def end(self, number: str) -> None:
        """End one, if it is still there."""
        with self._lock:
            live = self._open.pop(number, None)
        if live is not None:
            live.close()

    def close(self) -> None:
        """End all."""
        for number in list(self._open):
            self.end(number)

    def _end_when_idle(self, live: Live) -> None:
        while (left := live.used + IDLE_S - time.monotonic()) > 0:
            time.sleep(min(left + 0.1, 10.0))
            if self._open.get(live.id) is not live:
                return
        self.end(live.id)
