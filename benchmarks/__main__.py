"""`python -m benchmarks [a|b|c|d|e|profile …] [--quick]`: a to e by default."""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import enrolment, fronts, machine, pressure, profiled, screening, transaction
from benchmarks.report import Report


def main() -> None:
    """Measure, and print what was measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("which", nargs="*", choices=["a", "b", "c", "d", "e", "profile", []])
    parser.add_argument("--quick", action="store_true", help="fewer sizes, shorter, one round")
    parser.add_argument("--folder", help="where the databases are made: the disk that is measured")
    arguments = parser.parse_args()
    which = arguments.which or ["a", "b", "c", "d", "e"]
    with TemporaryDirectory(prefix="refnot-benchmark-", dir=arguments.folder) as name:
        folder = Path(name)
        report = Report(machine.described(folder))
        if "a" in which:
            below = folder / "a"
            below.mkdir()
            transaction.measure(
                report, below, transaction.QUICK if arguments.quick else transaction.FULL
            )
        if "b" in which:
            below = folder / "b"
            below.mkdir()
            enrolment.measure(report, below, enrolment.QUICK if arguments.quick else enrolment.FULL)
        if "c" in which:
            screening.measure(report, screening.QUICK if arguments.quick else screening.FULL)
        if "d" in which:
            below = folder / "d"
            below.mkdir()
            fronts.measure(report, below, fronts.QUICK if arguments.quick else fronts.FULL)
        if "e" in which:
            below = folder / "e"
            below.mkdir()
            pressure.measure(report, below, pressure.QUICK if arguments.quick else pressure.FULL)
        if "profile" in which:
            profiled.measure(report, folder)
    print(f"\nevery sample: {report.path}")


if __name__ == "__main__":
    main()
