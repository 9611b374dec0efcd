"""What the machine is told before long work."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

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


def onnx_options() -> Any:
    """ONNX Runtime session options: one thread, and silent about what only warns."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # two threads on two shared cores ran slower than one
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return options
