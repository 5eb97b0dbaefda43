"""The machine that is measured: a speed means nothing without it."""

from __future__ import annotations

import os
import platform
import sqlite3
from importlib.metadata import version
from pathlib import Path
from statistics import median
from sysconfig import get_config_var
from time import monotonic, perf_counter, process_time

_PACKAGES = (
    "flask", "uvicorn", "uvloop", "granian", "sqlalchemy", "psycopg", "msgspec", "jsonschema-rs",
)  # fmt: skip
_FSYNC_SECONDS = 1.0


def described(folder: Path) -> dict[str, object]:
    """Processor, versions, and how often a second the disk of `folder` makes a write durable."""
    rate, milliseconds = _fsync_rate(folder)
    return {
        "cpu": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "system": f"{platform.system()} {platform.release()}",
        "load_before": round(os.getloadavg()[0], 2),
        "fsync_per_second": rate,
        "fsync_median_ms": milliseconds,
        "python": platform.python_version(),
        "python_optimised": "--enable-optimizations" in str(get_config_var("CONFIG_ARGS")),
        "sqlite": sqlite3.sqlite_version,
        **{name: version(name) for name in _PACKAGES},
    }


def yardstick() -> float:
    """Milliseconds of processor time that a fixed piece of Python takes at this moment.

    Neighbours that share a core make all processor time dearer: this says by how much.
    """
    begun = process_time()
    found = {str(n): (n, [n], {"n": n}) for n in range(4000)}
    sum(len(name) + value[0] for name, value in found.items())
    return (process_time() - begun) * 1000


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _fsync_rate(folder: Path) -> tuple[int, float]:
    """Appends of one page, each made durable before the next, as a log of transactions is."""
    path = folder / "fsync"
    times = []
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        end = monotonic() + _FSYNC_SECONDS
        while monotonic() < end:
            begun = perf_counter()
            os.write(descriptor, b"x" * 4096)
            os.fdatasync(descriptor)
            times.append(perf_counter() - begun)
    finally:
        os.close(descriptor)
        path.unlink()
    return round(len(times) / sum(times)), round(median(times) * 1000, 3)
