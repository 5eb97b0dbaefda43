"""`python -m benchmarks [a|b|…|j|profile …] [--quick|--large]`: a to j by default."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import (
    beside,
    calls,
    enrolment,
    flat,
    fronts,
    inprocess,
    machine,
    pressure,
    profiled,
    roundtrips,
    screening,
    transaction,
)
from benchmarks.report import Report

_OF_A_SIZE: Mapping[str, Any] = {
    "a": transaction, "b": enrolment, "c": screening, "d": fronts, "e": pressure,
    "f": inprocess, "h": beside, "i": flat,
}  # fmt: skip
_COUNTED: Mapping[str, Callable[[Report, Path], None]] = {
    "g": roundtrips.measure, "j": calls.measure, "profile": profiled.measure,
}  # fmt: skip
_ALL = sorted({*_OF_A_SIZE, *_COUNTED} - {"profile"})


def main() -> None:
    """Measure, and print what was measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("which", nargs="*", choices=[*_ALL, "profile", []])
    parser.add_argument("--quick", action="store_true", help="fewer sizes, shorter, one round")
    parser.add_argument("--large", action="store_true", help="up to a million resources stored")
    parser.add_argument("--folder", help="where the databases are made: the disk that is measured")
    arguments = parser.parse_args()
    # Otherwise the servers would outlive a run that is told to stop.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    with TemporaryDirectory(prefix="refnot-benchmark-", dir=arguments.folder) as name:
        # A server that another user runs has its files in it.
        Path(name).chmod(0o711)
        report = Report(machine.described(Path(name)))
        for which in arguments.which or _ALL:
            below = Path(name) / which
            below.mkdir()
            if which in _COUNTED:
                _COUNTED[which](report, below)
                continue
            part = _OF_A_SIZE[which]
            extent = part.QUICK if arguments.quick else part.FULL
            if arguments.large:
                extent = getattr(part, "LARGE", extent)
            part.measure(report, below, extent)
        report.ended()


if __name__ == "__main__":
    main()
