"""(e) Clients that send slowly, and more clients than can be served: what the others get."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import quantiles
from threading import Event, Thread
from time import perf_counter

from benchmarks import bundles, inside, load, servers
from benchmarks.fill import fill
from benchmarks.load import Requests
from benchmarks.processes import Server
from benchmarks.report import Report

_SUBJECTS = 1000
_OTHERS = 4
_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured."""

    slow: tuple[int, ...]
    seconds: float
    crowd: tuple[int, ...]


FULL = Extent((0, 14, 200), 5.0, (256, 1500))
QUICK = Extent((0, 200), 2.0, (500,))


def measure(report: Report, folder: Path, extent: Extent) -> None:
    """Both, against the real service."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    url = f"sqlite:///{folder / 'e.sqlite'}"
    template = bundles.templates(inside.today())[0]
    fill(url, bundles.first(template, 4), "subject", range(_SUBJECTS))
    with servers.service(url, folder) as served:
        _slow(report, served, extent)
        _crowded(report, served.port, template, extent)


def _slow(report: Report, served: Server, extent: Extent) -> None:
    def queries(client: int) -> Requests:
        return (_query(served.port, (client * 131 + n * 7) % _SUBJECTS) for n in count())

    load.run(served, _OTHERS, 1.0, queries)
    rows = []
    for slow in extent.slow:
        with _senders(served.port, slow):
            sample = load.run(served, _OTHERS, extent.seconds, queries)
        report.sample("slow senders", "service", sample, slow=slow)
        rows.append([str(slow), f"{sample.rate:.0f}", f"{sample.median:.2f}", f"{sample.p99:.2f}",
                     f"{max(sample.latencies):.2f}"])  # fmt: skip
    head = ("slow senders", "queries/s", "median ms", "p99 ms", "longest ms")
    report.table(f"(e) enrolment queries of {_OTHERS} clients beside slow senders", head, rows)


def _query(port: int, number: int) -> bytes:
    patient = bundles.patient_id("subject", number)
    path = f"/fhir/ResearchSubject?patient=Patient/{patient}&study=refnot-r2"
    return load.request("GET", path, port)


@contextmanager
def _senders(port: int, number: int) -> Iterator[None]:
    """Connections whose bodies arrive a byte a second."""
    head = f"POST /fhir HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 100000\r\n\r\n"
    over = Event()
    with ExitStack() as stack:
        address = ("127.0.0.1", port)
        slow = [stack.enter_context(socket.create_connection(address)) for _ in range(number)]
        for one in slow:
            one.sendall(head.encode())

        def trickle() -> None:
            while not over.wait(1.0):
                for one in slow:
                    one.sendall(b" ")

        thread = Thread(target=trickle, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def _crowded(report: Report, port: int, template: bytes, extent: Extent) -> None:
    rows = []
    for clients in extent.crowd:
        found, live = asyncio.run(_crowd(port, template, clients))
        for status in sorted({status for status, _ in found}):
            times = [ms for one, ms in found if one == status]
            rows.append([str(clients), status, str(len(times)), *_spread(times)])
        rows.append([str(clients), "/health/live", str(len(live)), *_spread(live)])
    head = ("clients", "answer", "count", "median ms", "p99 ms", "longest ms")
    report.table("(e) clients that each send one transaction of 100 entries at once", head, rows)


def _spread(times: list[float]) -> list[str]:
    cuts = quantiles(times, n=100, method="inclusive") if len(times) > 1 else times * 99
    return [f"{cuts[49]:.0f}", f"{cuts[98]:.0f}", f"{max(times):.0f}"]


_numbers = count()


async def _crowd(
    port: int, template: bytes, clients: int
) -> tuple[list[tuple[str, float]], list[float]]:
    live: list[float] = []

    async def watch() -> None:
        while True:
            _, ms = await _ask(port, load.request("GET", "/health/live", port))
            live.append(ms)
            await asyncio.sleep(0.05)

    watching = asyncio.create_task(watch())
    bodies = [
        bundles.for_patient(template, bundles.patient_id("crowd", next(_numbers)))
        for _ in range(clients)
    ]
    asked = (_ask(port, load.request("POST", "/fhir", port, body)) for body in bodies)
    found = await asyncio.gather(*asked)
    watching.cancel()
    return list(found), live


async def _ask(port: int, asked: bytes) -> tuple[str, float]:
    begun = perf_counter()
    try:
        async with asyncio.timeout(_PATIENCE):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(asked)
            line = await reader.readline()
            writer.close()
    except TimeoutError:
        return "no answer", (perf_counter() - begun) * 1000
    except OSError as error:
        return type(error).__name__, (perf_counter() - begun) * 1000
    return line.split()[1].decode() if line else "closed", (perf_counter() - begun) * 1000
