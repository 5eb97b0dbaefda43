"""Files, folders, NDJSON, gzip and standard input, into the store or to a running server."""

from __future__ import annotations

import gzip
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import IO, Any, Protocol

import requests

from refnot_fhir.core.rules import Site
from refnot_fhir.errors import BadInput, Busy, RefnotError, Trouble
from refnot_fhir.fhir import wire
from refnot_fhir.fhir.versions import Version
from refnot_fhir.intake import parcel, receive
from refnot_fhir.service import Service

STDIN = "-"
LINES_AT_ONCE = 200
"""NDJSON lines that are delivered as one batch."""

_GZIP = b"\x1f\x8b"
_SUFFIXES = (".json", ".ndjson", ".jsonl", ".json.gz", ".ndjson.gz", ".jsonl.gz")
_BUNDLES = ("transaction", "batch")
_TRIES = 6


@dataclass(frozen=True, slots=True)
class Parcel:
    """A transaction or batch to deliver, and how far into its file it reaches."""

    name: str
    body: bytes
    consumed: int
    """Bytes of the file, as stored, that have been read so far."""


@dataclass(slots=True)
class Tally:
    """What became of everything delivered."""

    outcomes: Counter[str] = field(default_factory=Counter)
    troubles: list[str] = field(default_factory=list)
    """One line for each thing that failed: where, and how to mend it."""

    def as_json(self) -> dict[str, Any]:
        """The numbers and the troubles, for `--json`."""
        return {"outcomes": dict(sorted(self.outcomes.items())), "troubles": self.troubles}


class Target(Protocol):
    """Where parcels go."""

    def deliver(self, one: Parcel, tally: Tally) -> None:
        """Deliver, and count what became of each entry. Raises RefnotError."""


@dataclass(frozen=True, slots=True)
class IntoStore:
    """Deliver straight into the store of this process."""

    service: Service
    site: Site

    def deliver(self, one: Parcel, tally: Tally) -> None:
        """As `Target.deliver`."""
        sent = parcel.content(one.body)
        delivery = parcel.of_bundle(one.body, sent, Version(self.site.fhir), who="ingest")
        received = receive(
            delivery, site=self.site, store=self.service.store, judge=self.service.judge()
        )
        for result in received.results:
            tally.outcomes[result.outcome] += 1
            tally.troubles += [_line(one.name, trouble) for trouble in result.troubles]


@dataclass(frozen=True, slots=True)
class ToServer:
    """POST to the FHIR base of a running server."""

    url: str
    session: requests.Session
    sleep: Callable[[float], None] = time.sleep

    def deliver(self, one: Parcel, tally: Tally) -> None:
        """As `Target.deliver`; a server that is busy is asked again, as often as it says."""
        answer = self._posted(one)
        if answer.status_code >= 400:
            tally.outcomes["failed"] += 1
            tally.troubles += [_line(one.name, trouble) for trouble in _issues(answer)]
            return
        for entry in answer.json().get("entry", ()):
            response = entry["response"]
            outcome = "failed" if response["status"] >= "4" else response["status"]
            tally.outcomes[outcome] += 1
            if outcome == "failed":
                tally.troubles += [
                    _line(one.name, _trouble(issue)) for issue in response["outcome"]["issue"]
                ]

    def _posted(self, one: Parcel) -> requests.Response:
        headers = {"Content-Type": "application/fhir+json"}
        for _ in range(_TRIES):
            try:
                answer = self.session.post(self.url, data=one.body, headers=headers, timeout=120)
            except requests.ConnectionError:
                raise Busy(f"{self.url} does not answer: is the server running there?") from None
            if answer.status_code not in (429, 503):
                return answer
            self.sleep(float(answer.headers.get("Retry-After", "2")))
        raise Busy(f"{self.url} is too busy: try again later; what was delivered stays delivered")


def files(paths: Iterable[str]) -> list[str]:
    """The files meant, folders opened and sorted by name. Raises BadInput for a missing one."""
    found: list[str] = []
    for text in paths:
        path = Path(text)
        if text == STDIN:
            found.append(text)
        elif path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.name.endswith(_SUFFIXES))
            found += [str(p) for p in inside if p.name != "manifest.json"]
        elif path.is_file():
            found.append(text)
        else:
            raise BadInput(f"{text}: there is no such file or folder")
    return found


def deliver_all(
    names: Sequence[str],
    target: Target,
    *,
    stdin: IO[bytes],
    progress: Callable[[int, Tally], None] = lambda _bytes, _tally: None,
) -> Tally:
    """Deliver every parcel of every file; one that fails does not stop the others.

    Raises Busy when the target cannot be reached or stays busy.
    """
    tally, before = Tally(), 0
    for name in names:
        for one in _parcels(name, stdin, tally):
            try:
                target.deliver(one, tally)
            except Busy:
                raise
            except RefnotError as error:
                tally.outcomes["failed"] += 1
                tally.troubles += [_line(one.name, trouble) for trouble in error.troubles]
            progress(before + one.consumed, tally)
        before += 0 if name == STDIN else Path(name).stat().st_size
    return tally


def lines(names: Iterable[str], stdin: IO[bytes]) -> Iterator[bytes]:
    """Every resource of NDJSON files and of Bundles, one at a time, to be screened and not kept."""
    for name in names:
        text = stdin.read() if name == STDIN else Path(name).read_bytes()
        if text.startswith(_GZIP):
            text = gzip.decompress(text)
        first, _, rest = text.partition(b"\n")
        if rest.strip() and _is_resource(first):
            yield from text.splitlines()
        elif b'"Bundle"' in text:
            yield from (raw for raw in wire.raw_entries(text) if raw is not None)
        else:
            yield text


def _parcels(name: str, stdin: IO[bytes], tally: Tally) -> Iterator[Parcel]:
    if name == STDIN:
        yield from _opened("standard input", BytesIO(stdin.read()), tally)
        return
    with Path(name).open("rb") as file:
        yield from _opened(name, file, tally)


def _opened(name: str, file: IO[bytes], tally: Tally) -> Iterator[Parcel]:
    packed = file.read(2) == _GZIP
    file.seek(0)
    text: Any = gzip.GzipFile(fileobj=file) if packed else file
    try:
        first = text.readline()
        if _is_resource(first) and (second := text.readline()).strip():
            lines = _chain((first, second), text)
            for body in _batches(name, lines, tally):
                yield Parcel(name, body, file.tell())
        else:
            yield Parcel(name, _as_request(first + text.read()), file.tell())
    except (gzip.BadGzipFile, EOFError) as error:
        tally.outcomes["failed"] += 1
        tally.troubles.append(f"{name}: the gzip file is damaged ({error}): fetch it again")
    except BadInput as error:
        tally.outcomes["failed"] += 1
        tally.troubles += [_line(name, trouble) for trouble in error.troubles]


def _chain(read: Iterable[bytes], rest: Iterable[bytes]) -> Iterator[bytes]:
    yield from read
    yield from rest


def _is_resource(line: bytes) -> bool:
    """Whether a first line is a whole resource, as in NDJSON, and not the beginning of one."""
    try:
        parcel.content(line)
    except BadInput:
        return False
    return True


def _batches(name: str, lines: Iterator[bytes], tally: Tally) -> Iterator[bytes]:
    numbered = enumerate(lines, start=1)
    while some := list(islice(numbered, LINES_AT_ONCE)):
        entries = []
        for number, line in some:
            if line.strip():
                try:
                    entries.append(_entry(line.strip(), parcel.content(line)))
                except BadInput as error:
                    tally.outcomes["failed"] += 1
                    tally.troubles += [_line(f"{name}:{number}", t) for t in error.troubles]
        if entries:
            yield _batch(entries)


def _as_request(body: bytes) -> bytes:
    """A transaction or batch as it is; anything else as a batch of updates and creates."""
    sent = parcel.content(body)
    if sent["resourceType"] != "Bundle":
        return _batch([_entry(body.strip(), sent)])
    if sent.get("type") in _BUNDLES:
        return body
    raws = wire.raw_entries(body)
    return _batch(
        [
            _entry(raw, entry["resource"], entry.get("fullUrl", ""))
            for raw, entry in zip(raws, sent.get("entry", ()), strict=True)
            if raw is not None
        ]
    )


def _entry(raw: bytes, resource: dict[str, Any], full_url: str = "") -> bytes:
    type_, id_ = str(resource.get("resourceType", "")), str(resource.get("id", ""))
    request = (
        {"method": "PUT", "url": f"{type_}/{id_}"} if id_ else {"method": "POST", "url": type_}
    )
    named = b'"fullUrl":' + wire.encode(full_url) + b"," if full_url else b""
    return b"{" + named + b'"resource":' + raw + b',"request":' + wire.encode(request) + b"}"


def _batch(entries: Iterable[bytes]) -> bytes:
    return b'{"resourceType":"Bundle","type":"batch","entry":[' + b",".join(entries) + b"]}"


def _line(name: str, trouble: Trouble) -> str:
    where = f" {trouble.expression}:" if trouble.expression else ""
    return f"{name}:{where} {trouble.message}"


def _issues(answer: requests.Response) -> list[Trouble]:
    try:
        return [_trouble(issue) for issue in answer.json()["issue"]]
    except (ValueError, KeyError, TypeError):
        return [Trouble("exception", f"the server answered {answer.status_code} {answer.reason}")]


def _trouble(issue: dict[str, Any]) -> Trouble:
    text = (issue.get("details") or {}).get("text") or issue.get("diagnostics") or issue["code"]
    return Trouble(issue["code"], text, next(iter(issue.get("expression", ())), ""))
