"""How much memory something takes, and what could take much."""

from __future__ import annotations

import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

MB = 2**20


@contextmanager
def peak_megabytes() -> Iterator[Callable[[], float]]:
    """The most memory that Python objects have taken since the block began, in MB."""
    tracemalloc.start()
    peak = 0.0

    def measured() -> float:
        return max(peak, tracemalloc.get_traced_memory()[1] / MB if tracemalloc.is_tracing() else 0.0)

    try:
        yield measured
    finally:
        peak = measured()
        tracemalloc.stop()


def resident_bytes(*, peak: bool = False) -> int:
    """The memory of this process, or the most that it ever had; on Linux."""
    name = "VmHWM" if peak else "VmRSS"
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def bomb(megabytes: int) -> bytes:
    """The beginning of a gzip stream of zeros, a thousand times as large as it looks."""
    stream = zlib.compressobj(9, wbits=16 + zlib.MAX_WBITS)
    zeros = bytes(MB)
    first = stream.compress(zeros) + stream.flush(zlib.Z_FULL_FLUSH)
    # After a full flush, the same block comes again byte for byte.
    block = stream.compress(zeros) + stream.flush(zlib.Z_FULL_FLUSH)
    return first + block * (megabytes - 1)
