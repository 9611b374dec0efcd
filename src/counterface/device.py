"""What the machine is told before long work, and which of its devices does it."""

from __future__ import annotations

import ctypes
import math
import os
import re
import sys
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator

from counterface.errors import ConfigError
from counterface.wording import unknown_name

DEVICE_NAMES = r"auto|cpu|gpu|cuda(:\d{1,3})?|mps"  # what a user may say
_DEVICES = ("auto", "cpu", "gpu", "cuda", "cuda:1", "mps")  # the same, to be read
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4  # from glibc's malloc.h


def keep_freed_memory() -> bool:
    """Whether the C library now keeps freed memory instead of giving it back at once.

    Training on a CPU frees and allocates the same large activations every step. glibc maps and
    unmaps each, and the kernel zeroes every page again: on two cores a step of the shipped detector
    took 2.5 times as long (docs/results.md). A no-op where the C library is not glibc.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    settings = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, 64 << 20))
    return all(mallopt(name, value) == 1 for name, value in settings)


def use_free_cores() -> int:
    """How many threads PyTorch now computes with: as many as this process has cores.

    PyTorch counts the machine's cores, also those that a container or `taskset` keeps from it, and
    threads that take turns on a core wait for each other. `OMP_NUM_THREADS` holds where it is set.
    """
    import torch

    if not os.environ.get("OMP_NUM_THREADS"):
        torch.set_num_threads(max(1, min(torch.get_num_threads(), count_cores())))
    return torch.get_num_threads()


def count_cores() -> int:
    """The cores that this process may use: by its CPU mask and by its control group's quota."""
    masked = getattr(os, "sched_getaffinity", None)
    cores = len(masked(0)) if masked else os.cpu_count() or 1
    return max(1, math.ceil(min(cores, cpu_quota())))


def cpu_quota(root: Path = Path("/sys/fs/cgroup")) -> float:
    """CPU seconds a second that the control group grants; infinite where none is set."""
    try:
        allowed, period = (root / "cpu.max").read_text().split()  # version 2
    except (OSError, ValueError):
        try:
            allowed = (root / "cpu/cpu.cfscpu_quota_us").read_text()  # version 1; -1 = no limit
            period = (root / "cpu/cpu.cfs_period_us").read_text()
        except OSError:
            return math.inf
    try:
        share = int(allowed) / int(period)
    except (ValueError, ZeroDivisionError):  # "max"
        return math.inf
    return share if share > 0 else math.inf


def onnx_options() -> Any:
    """ONNX Runtime session options: one thread, and silent about what only warns."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # two threads on two shared cores ran slower than one
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return options


def _known_device(name: str) -> str:
    if not re.fullmatch(DEVICE_NAMES, name):
        raise ValueError(unknown_name("device", name, _DEVICES))
    return name


Device = Annotated[str, AfterValidator(_known_device)]  # of settings


def find_device(name: str) -> str:
    """PyTorch's name of the device that a user means.

    Args:
        name: "cpu", "cuda", "cuda:1", "mps"; "gpu" for the first there is, "auto" for that or else
            the CPU.

    Raises:
        ConfigError: no such name, or no such device here.
    """
    import torch

    cards = torch.cuda.device_count() if torch.cuda.is_available() else 0
    here = [f"cuda:{number}" for number in range(cards)]
    here += ["mps"] if torch.backends.mps.is_available() else []
    if not re.fullmatch(DEVICE_NAMES, name):
        raise ConfigError(f"no device is named {name!r}; say {', '.join(['cpu', *here])}")
    if name in ("auto", "gpu"):
        found = here[0] if here else "cpu"
    else:
        found = "cuda:0" if name == "cuda" else name
    if found not in ("cpu", *here) or (found == "cpu" and name == "gpu"):
        raise ConfigError(
            f"device {name!r} cannot be used: PyTorch {torch.__version__} finds "
            f"{', '.join(here) or 'no GPU'} here; say {' or '.join(['cpu', *here])}, or install "
            "the driver and PyTorch's build for it"
        )
    return found
