"""What the machine is told before long work, and which device a name means."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from counterface import device
from counterface.errors import ConfigError

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


@pytest.mark.slow
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


@pytest.mark.parametrize("name", ["cuda", "cuda:1", "gpu", "mps"])
def test_a_device_that_is_not_there_is_one_line_with_the_next_step(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=f"device '{name}' cannot be used.*no GPU here; say cpu"):
        device.find_device(name)
    assert device.find_device("auto") == device.find_device("cpu") == "cpu"


def test_the_names_of_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    found = {name: device.find_device(name) for name in ("auto", "gpu", "cuda", "cuda:1", "cpu")}
    assert found == {
        **{"auto": "cuda:0", "gpu": "cuda:0", "cuda": "cuda:0"},
        **{"cuda:1": "cuda:1", "cpu": "cpu"},
    }
    with pytest.raises(ConfigError, match="finds cuda:0, cuda:1 here"):
        device.find_device("cuda:2")
    with pytest.raises(ConfigError, match="no device is named 'gpu:0'"):
        device.find_device("gpu:0")


@pytest.mark.parametrize(
    ("files", "share"),
    [
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "max 100000\n"}, math.inf),
        ({"cpu/cpu.cfscpu_quota_us": "400000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 4.0),
        ({"cpu/cpu.cfscpu_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, math.inf),
        ({"cpu.max": "nonsense"}, math.inf),
        ({}, math.inf),
    ],
)
def test_thecpu_quota_of_a_container_is_read(tmp_path: Path, files: dict[str, str], share: float):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert device.cpu_quota(tmp_path) == share


def test_cores_are_those_of_the_mask_and_thecpu_quota(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    for quota, cores in ((math.inf, 8), (2.5, 3), (0.2, 1), (64.0, 8)):
        monkeypatch.setattr(device, "cpu_quota", lambda quota=quota: quota)
        assert device.count_cores() == cores


def test_waiting_threads_do_not_spin_unless_the_user_wants_it():
    program = "import counterface, os; print(os.environ['OMP_WAIT_POLICY'])"
    command = [sys.executable, "-c", program]
    plain = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"}
    for given, wanted in (({}, "passive"), ({"OMP_WAIT_POLICY": "active"}, "active")):
        done = subprocess.run(command, env=plain | given, capture_output=True, text=True)
        assert done.stdout.strip() == wanted
