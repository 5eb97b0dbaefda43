"""Files, folders, NDJSON, gzip and standard input: as deliveries to keep, as lines to screen."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader, RawIOBase
from itertools import chain
from pathlib import Path
from typing import IO, Any, cast

from refnot_fhir.core.record import record
from refnot_fhir.errors import BadInput, Problem
from refnot_fhir.fhir import bundle, references, wire
from refnot_fhir.fhir.bundle import Entry
from refnot_fhir.trial.receive import parcel

STDIN = "-"
LINES_AT_ONCE = 200
"""NDJSON lines that are delivered as one batch."""

Damaged = Callable[[str, tuple[Problem, ...]], None]
"""Told which file, and which line of it, cannot be read, and why."""

MOST_BYTES = 50_000_000
"""Bytes of one delivery, unpacked, unless a setting says otherwise: what a request may have."""

_BLANK_LINES = 1000
"""After so many of them a file is taken for what its first line says."""
_GZIP = b"\x1f\x8b"
_SUFFIXES = (".json", ".ndjson", ".jsonl", ".json.gz", ".ndjson.gz", ".jsonl.gz")
_BUNDLES = ("transaction", "batch")
_MANIFEST = "manifest.json"
"""What a bulk export and the synthetic hospital put beside their resources; it is none itself."""


@record
class Parcel:
    """A transaction or batch to deliver, and how far into its file it reaches."""

    name: str
    body: bytes
    consumed: int
    """Bytes of the file, as stored, that have been read so far."""


def files(paths: Iterable[str]) -> list[str]:
    """The files meant, folders opened and sorted by name.

    Raises BadInput for a path that is not there, and for a folder without anything to read.
    """
    found: list[str] = []
    for text in paths:
        path = Path(text)
        if path.is_dir():
            found += _inside(path)
        elif text == STDIN or path.exists():  # a pipe and a device are read as well
            found.append(text)
        else:
            raise BadInput(f"{text}: there is no such file or folder")
    return found


def _inside(folder: Path) -> list[str]:
    found = sorted(p for p in folder.rglob("*") if p.name.endswith(_SUFFIXES))
    names = [str(p) for p in found if p.name != _MANIFEST]
    if not names:
        raise BadInput(f"{folder}: no file in this folder ends in {', '.join(_SUFFIXES)}")
    return names


def size(names: Iterable[str]) -> int:
    """Bytes of all files, as stored; standard input counts nothing."""
    return sum(Path(name).stat().st_size for name in names if name != STDIN)


def parcels(
    name: str, stdin: IO[bytes], damaged: Damaged, most: int = MOST_BYTES
) -> Iterator[Parcel]:
    """What is to be delivered of one file; what cannot be read is told to `damaged`.

    A line, or a file that is one resource, has at most `most` bytes.
    """
    try:
        with _opened(name, stdin) as (file, position):
            text = _Text(file, most)
            read, in_lines = _beginning(name, text)
            bodies = (
                _of_lines(name, chain(read, text), damaged)
                if in_lines
                else [_as_request(_whole(text, read))]
            )
            for body in bodies:
                yield Parcel(shown(name), body, position())
    except BadInput as error:
        damaged(shown(name), error.problems)


@dataclass(slots=True)
class Lines:
    """Every resource of NDJSON files and of Bundles, one at a time, to be screened and not kept.

    Iterating raises BadInput for a damaged gzip file.
    """

    names: Iterable[str]
    stdin: IO[bytes]
    at: str = ""
    """The file, and the line or entry of it, that was read last."""

    def __iter__(self) -> Iterator[bytes]:
        for name in self.names:
            with _opened(name, self.stdin) as (file, _position):
                text = _Text(file, MOST_BYTES)
                read, in_lines = _beginning(name, text)
                if in_lines:
                    yield from self._placed(f"{shown(name)}:", chain(read, text))
                else:
                    whole = text.joined(chain(read, text))
                    yield from self._placed(f"{shown(name)}: entry ", _entries(whole))

    def _placed(self, where: str, lines: Iterable[bytes]) -> Iterator[bytes]:
        for number, line in enumerate(lines, start=1):
            self.at = f"{where}{number}"
            yield line


def shown(name: str) -> str:
    """A file's name as people are told it."""
    return "standard input" if name == STDIN else name


@contextmanager
def _opened(name: str, stdin: IO[bytes]) -> Iterator[tuple[Any, Callable[[], int]]]:
    """A file's content, unpacked, and how far into the file it has been read."""
    with _raw(name, stdin) as (file, position):
        packed = file.peek(2)[:2] == _GZIP
        try:
            yield gzip.GzipFile(fileobj=file) if packed else file, position
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise BadInput(f"the gzip file is damaged ({error}): fetch it again") from None


@contextmanager
def _raw(name: str, stdin: IO[bytes]) -> Iterator[tuple[Any, Callable[[], int]]]:
    if name != STDIN:
        with Path(name).open("rb") as file:
            yield file, file.tell if file.seekable() else lambda: 0
        return
    buffered = BufferedReader(cast(RawIOBase, stdin))
    try:
        yield buffered, lambda: 0
    finally:
        buffered.detach()  # closing it would close the caller's stream


class _Text:
    """Lines of a file that may have no end, or be unpacked from nearly nothing."""

    def __init__(self, file: Any, most: int) -> None:
        self._file, self._most = file, most

    def readline(self) -> bytes:
        """The next line; empty at the end. Raises BadInput for one that is too long."""
        line: bytes = self._file.readline(self._most + 1)
        if len(line) > self._most:
            raise self._too_large()
        return line

    def __iter__(self) -> Iterator[bytes]:
        while line := self.readline():
            yield line

    def joined(self, lines: Iterable[bytes]) -> bytes:
        """All of it as one. Raises BadInput when that is too large."""
        parts, size = [], 0
        for line in lines:
            size += len(line)
            if size > self._most:
                raise self._too_large()
            parts.append(line)
        return b"".join(parts)

    def _too_large(self) -> BadInput:
        said = f"it is over {self._most} bytes: send it in smaller bundles, or as NDJSON"
        return BadInput(said, (Problem("too-long", said),))


def _beginning(name: str, text: _Text) -> tuple[list[bytes], bool]:
    """What was read to tell whether each line is a resource of its own, and whether it is."""
    if name.removesuffix(".gz").endswith((".ndjson", ".jsonl")):
        return [], True
    read = [text.readline()]
    for following in text:
        read.append(following)
        if following.strip() or len(read) > _BLANK_LINES:
            return read, _is_resource(read[0])
    return read, False


def _is_resource(line: bytes) -> bool:
    """Whether a first line is a whole resource, as in NDJSON, and not the beginning of one."""
    try:
        parcel.content(line)
    except BadInput:
        return False
    return True


def _of_lines(name: str, lines: Iterable[bytes], damaged: Damaged) -> Iterator[bytes]:
    """Batches of the resources; a line that is a Bundle is a delivery of its own."""
    some: list[bytes] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            sent = parcel.content(line)
            request = _as_request(line) if sent["resourceType"] == "Bundle" else b""
        except BadInput as error:
            damaged(f"{shown(name)}:{number}", error.problems)
            continue
        if not request:
            some.append(_entry(line.strip(), sent))
        if some and (request or len(some) == LINES_AT_ONCE):
            yield _batch(some)
            some = []
        if request:
            yield request
    if some:
        yield _batch(some)


def _whole(text: _Text, read: list[bytes]) -> bytes:
    body = text.joined(chain(read, text))
    if not body.strip():
        raise BadInput("it is empty: there is nothing to deliver")
    return body


def _as_request(body: bytes) -> bytes:
    """A transaction or batch as it is; anything else as a batch of updates and creates."""
    sent = parcel.content(body)
    if sent["resourceType"] != "Bundle":
        return _batch([_entry(body.strip(), sent)])
    if sent.get("type") in _BUNDLES:
        return body
    return _batch(
        _entry(raw, entry["resource"], str(entry.get("fullUrl", "")))
        for raw, entry in _carried(body, sent)
    )


def _carried(body: bytes, sent: dict[str, Any]) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """The entries of a Bundle that carry a resource, with its bytes."""
    entries = sent.get("entry", [])
    if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
        said = "the entries of a Bundle are objects in an array"
        raise BadInput(said, (Problem("structure", said, "Bundle.entry"),))
    for index, (raw, entry) in enumerate(zip(wire.raw_entries(body), entries, strict=True)):
        if isinstance(entry.get("resource"), dict) and raw is not None:
            yield raw, entry
        elif raw is not None:
            said = "a resource is an object"
            raise BadInput(said, (Problem("structure", said, f"Bundle.entry[{index}].resource"),))


def _entries(body: bytes) -> Iterator[bytes]:
    """The resources of a Bundle, references between its entries made literal; else the body."""
    try:
        sent = parcel.content(body)
    except BadInput:
        yield body  # refused, with the reason, by whoever reads it
        return
    if sent["resourceType"] != "Bundle":
        yield body
        return
    carried = list(_carried(body, sent))
    places = [_place(entry, index) for index, (_, entry) in enumerate(carried)]
    named = [
        Entry(index, "POST", full_url=str(entry.get("fullUrl", "")))
        for index, (_, entry) in enumerate(carried)
    ]
    links = {name: places[index] for name, index in bundle.aliases(named).items()}
    if any(_deletes(entry) for entry in sent.get("entry", [])):
        yield _DELETION  # refused by whoever reads it: a file shows what is there
    for (raw, _), place in zip(carried, places, strict=True):
        id_ = wire.encode(place.rpartition("/")[2])
        yield wire.with_members(references.relinked(raw, links), id=id_)


_DELETION = b'{"resourceType":"Bundle"}'


def _deletes(entry: dict[str, Any]) -> bool:
    request = entry.get("request")
    return isinstance(request, dict) and request.get("method") == "DELETE"


def _place(entry: dict[str, Any], index: int) -> str:
    resource = entry["resource"]
    return f"{resource.get('resourceType', '')}/{resource.get('id') or f'entry-{index + 1}'}"


def _entry(raw: bytes, resource: dict[str, Any], full_url: str = "") -> bytes:
    type_, id_ = str(resource.get("resourceType", "")), str(resource.get("id", ""))
    request = (
        {"method": "PUT", "url": f"{type_}/{id_}"} if id_ else {"method": "POST", "url": type_}
    )
    named = b'"fullUrl":' + wire.encode(full_url) + b"," if full_url else b""
    return b"{" + named + b'"resource":' + raw + b',"request":' + wire.encode(request) + b"}"


def _batch(entries: Iterable[bytes]) -> bytes:
    return b'{"resourceType":"Bundle","type":"batch","entry":[' + b",".join(entries) + b"]}"
