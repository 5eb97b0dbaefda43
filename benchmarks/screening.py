"""(c) Screening lines of resources in one process, against decoding them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import process_time

import msgspec

from benchmarks import bundles, inside
from benchmarks.report import Report


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured."""

    patients: int
    rounds: int


FULL = Extent(400, 5)
QUICK = Extent(100, 3)


def measure(report: Report, _folder: Path, extent: Extent) -> None:
    """Every line through gate, reading, translation and, once a patient, assessment."""
    today = inside.today()
    screen = inside.screener(today)
    lines = _lines(bundles.templates(today), extent.patients)
    decoder = msgspec.json.Decoder()
    rates: tuple[list[float], list[float]] = ([], [])
    for _ in range(extent.rounds):
        begun = process_time()
        found = screen(lines)
        rates[0].append(len(lines) / (process_time() - begun))
        if found != extent.patients:
            raise RuntimeError(f"{found} assessments of {extent.patients} patients")
        begun = process_time()
        for line in lines:
            decoder.decode(line)
        rates[1].append(len(lines) / (process_time() - begun))
        report.rate("screen", "service", rates[0][-1])
        report.rate("screen", "floor", rates[1][-1])
    rate, floor = median(rates[0]), median(rates[1])
    cells = [f"{len(lines):,}", f"{rate:,.0f}", f"{floor:,.0f}", f"{floor / rate:.1f}"]
    head = ("lines", "lines/s", "decoded/s", "ratio")
    report.table("(c) screen, one process, by its processor time", head, [cells])


def _lines(templates: Sequence[bytes], patients: int) -> list[bytes]:
    parts = [list(bundles.resources(template)) for template in templates]
    return [
        bundles.for_patient(line, bundles.patient_id("screen", number))
        for number in range(patients)
        for line in parts[number % len(parts)]
    ]
