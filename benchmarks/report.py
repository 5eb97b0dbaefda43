"""What a run shows: tables on the terminal, every sample in a file of one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.load import Sample

RESULTS = Path(__file__).parent / "results"


class Report:
    """The samples of one run, as they come."""

    def __init__(self, machine: Mapping[str, object]) -> None:
        RESULTS.mkdir(exist_ok=True)
        self.path = RESULTS / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.jsonl"
        self._write({"machine": machine})
        for name, value in machine.items():
            print(f"{name:>18}  {value}")

    def sample(self, what: str, target: str, sample: Sample, **more: object) -> None:
        """Keep one sample whole."""
        latencies = [round(ms, 2) for ms in sample.latencies]
        self._write(
            {
                "what": what,
                "target": target,
                "clients": sample.clients,
                **more,
                "seconds": round(sample.seconds, 3),
                "rate": round(sample.rate, 2),
                "cpu_ms": round(sample.cpu, 3),
                "latencies_ms": latencies,
            }
        )

    def times(self, what: str, target: str, values: Sequence[float], **more: object) -> None:
        """Keep the samples of one quantity."""
        self._write(
            {"what": what, "target": target, **more, "samples": [round(v, 3) for v in values]}
        )

    def counts(self, what: str, found: Mapping[str, object]) -> None:
        """Keep numbers that were counted."""
        self._write({"what": what, **found})

    def rate(self, what: str, target: str, rate: float) -> None:
        """Keep one rate."""
        self._write({"what": what, "target": target, "rate": round(rate, 1)})

    def ended(self) -> None:
        """Say where every sample is."""
        print(f"\nevery sample: {self.path}")

    def table(self, title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Print a table, as Markdown."""
        rows = [head, *rows]
        widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
        print(f"\n{title}\n")
        for number, row in enumerate(rows):
            cells = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
            print(f"| {' | '.join(cells)} |", flush=True)
            if number == 0:
                print(f"|{'|'.join('-' * (width + 1) + ':' for width in widths)}|")

    def _write(self, line: Mapping[str, object]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
