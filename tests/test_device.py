"""What the C library is told before long work."""

from __future__ import annotations

import subprocess
import sys

import pytest

from counterface import device

# frees and takes 40 MB twenty times: without the setting each time is mapped and zeroed anew
PROGRAM = """
import resource, sys
import numpy as np
from counterface.device import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
np.ones(5_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    np.ones(5_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator alone")
def test_freed_memory_is_used_again_without_page_faults():
    def faults(mode: str) -> int:
        command = [sys.executable, "-c", PROGRAM, mode]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return int(done.stdout)

    assert faults("keep") < faults("plain") / 2


def test_elsewhere_it_does_nothing_and_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert device.keep_freed_memory() is False


def test_another_c_library_is_no_error(monkeypatch: pytest.MonkeyPatch):
    def absent(name: str) -> object:
        raise OSError(name)

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(device.ctypes, "CDLL", absent)
    assert device.keep_freed_memory() is False
