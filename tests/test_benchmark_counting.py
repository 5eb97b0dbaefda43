"""What the benchmarks count is what they say they count."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import date
from threading import Thread
from time import sleep

import pytest

from benchmarks.bundles import first, for_patients, patient_id, templates
from benchmarks.calls import Counting, room_of
from benchmarks.inside import PACKAGE
from benchmarks.trips import Messages, counted

_START = (8).to_bytes(4, "big") + (3 << 16).to_bytes(4, "big")
_ENCRYPTED = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + 4).to_bytes(4, "big") + body


@contextmanager
def _echo() -> Iterator[int]:
    """The port of a server that gives back what it gets, on one connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                while data := connection.recv(1 << 16):
                    connection.sendall(data)

        thread = Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


def _receive(connection: socket.socket, length: int) -> None:
    while length:
        length -= len(connection.recv(length))


def test_what_is_sent_without_waiting_is_one_round_trip() -> None:
    with _echo() as port, counted(port, held=0.5) as (through, seen):
        with closing(socket.create_connection(("127.0.0.1", through))) as client:
            for one in (_ENCRYPTED, _ENCRYPTED, _START):
                client.sendall(one)
                sleep(0.01)
            _receive(client, 3 * len(_START))
            assert seen.count == 1
            client.sendall(_message(b"Q", b"SELECT 1\0"))
            _receive(client, 14)
        assert seen.statements == [[], ["SELECT 1"]]


def test_statements_are_read_in_whatever_pieces_they_come() -> None:
    sent = (
        _ENCRYPTED
        + _START
        + _message(b"Q", b"BEGIN\0")
        + _message(b"P", b"one\0SELECT $1\0\0\0")
        + _message(b"B", b"\0one\0\0\0")
        + _message(b"S", b"")
        + _message(b"d", b"row")
        + _message(b"c", b"")
    )
    found = ["BEGIN", "(prepare) SELECT $1", "SELECT $1", "(end of COPY)"]
    whole, pieces = Messages(), Messages()
    assert list(whole.statements(sent)) == found
    assert [text for byte in sent for text in pieces.statements(bytes([byte]))] == found


def test_calls_are_counted_by_function_and_room_in_every_thread() -> None:
    # Files that are there: what measures coverage looks for the source of all that runs.
    inner = _function("core/__init__.py", "def inner(): pass")
    outer = _function("store/__init__.py", "def outer(one): one(); one()")
    counting = Counting()
    counting.start()
    try:
        nothing = counting.of(lambda: sorted("abc"))
        found = counting.of(lambda: _in_a_thread(outer, inner))
    finally:
        counting.stop()
    assert (nothing.modules, nothing.calls, nothing.entered) == (0, 0, 0)
    assert (found.modules, found.functions, found.calls, found.entered) == (2, 2, 3, 3)
    assert found.by_room == {"core": 2, "store": 1}


def _function(file: str, source: str) -> Callable[..., None]:
    """A function that seems to stand in that file of the package."""
    names: dict[str, Callable[..., None]] = {}
    exec(compile(source, PACKAGE / file, "exec"), names)  # noqa: S102
    return names[source.split()[1].partition("(")[0]]


def _in_a_thread(work: Callable[..., None], *arguments: object) -> None:
    thread = Thread(target=work, args=arguments)
    thread.start()
    thread.join()


@pytest.mark.parametrize(
    ("file", "room"),
    [("core/days.py", "core"), ("compose.py", "compose"), ("fhir/gate.py", "fhir")],
)
def test_a_room_is_what_stands_at_the_top_level(file: str, room: str) -> None:
    assert room_of(str(PACKAGE / file)) == room
    assert room_of(f"/somewhere/else/{file}") is None


def test_a_bundle_of_many_patients_has_the_entries_of_each() -> None:
    template = first(templates(date(2026, 1, 1))[0], 3)
    names = [patient_id("first", 1), patient_id("second", 2)]
    entries = json.loads(for_patients(template, names))["entry"]
    of_one = ("Patient/{0}", "Observation/{0}-000", "Observation/{0}-001")
    assert [entry["request"]["url"] for entry in entries] == [
        address.format(name) for name in names for address in of_one
    ]
