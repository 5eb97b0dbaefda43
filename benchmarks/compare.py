"""`python -m benchmarks.compare BEFORE AFTER [--rounds N]`: two checkouts in turn, on SQLite.

What else a machine does changes from minute to minute by more than most changes of code do. Here
each stretch of one checkout is followed by one of the other. Both must have these benchmarks; the
interpreter is the one that runs this.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median

_NAMES = ("before", "after")


def main() -> None:
    """Compare, and print the ratio of each kind of request."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__)
    parser.add_argument("checkouts", nargs=2, metavar=("BEFORE", "AFTER"), type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", default="3", help="for each kind of request in each round")
    arguments = parser.parse_args()
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for _ in range(arguments.rounds):
        for name, checkout in zip(_NAMES, arguments.checkouts, strict=True):
            for what, milliseconds in _samples(checkout, arguments.seconds):
                found[what][name] += milliseconds
    for what, samples in found.items():
        cells = [f"{n} {median(samples[n]):.2f} (best {min(samples[n]):.2f})" for n in _NAMES]
        ratio = median(samples["after"]) / median(samples["before"])
        print(f"{what}: {', '.join(cells)} ms, ratio {ratio:.2f}")


def _samples(checkout: Path, seconds: str) -> list[tuple[str, list[float]]]:
    command = [sys.executable, "-m", "benchmarks.inprocess", seconds]
    done = subprocess.run(command, cwd=checkout, capture_output=True, check=True, text=True)
    lines = map(json.loads, done.stdout.splitlines())
    return [(line["what"], line["ms"]) for line in lines]


if __name__ == "__main__":
    main()
