"""Clients that send or read slowly, too much, too many or no HTTP: none of them costs a thread."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from tests.web.served import Reply, head, reply, serving, waited

Environ = dict[str, Any]
StartResponse = Callable[..., Any]


def echo(environ: Environ, start_response: StartResponse) -> list[bytes]:
    """The body back, and what came with it in a header."""
    body = environ["wsgi.input"].read()
    shown = json.dumps({k: v for k, v in environ.items() if isinstance(v, str)})
    start_response(
        "200 OK", [("Content-Length", str(len(body))), ("X-Environ", shown), ("X-Twice", "1"),
                   ("X-Twice", "2")],
    )  # fmt: skip
    return [body]


def issue(answer: Reply) -> dict[str, Any]:
    """The one issue of an OperationOutcome."""
    assert answer.headers["content-type"].startswith("application/fhir+json")
    assert answer.headers["cache-control"] == "no-store"
    outcome = json.loads(answer.body)
    assert outcome["resourceType"] == "OperationOutcome"
    (found,) = outcome["issue"]
    return dict(found)


class Gate:
    """An application whose requests wait until they are let through."""

    def __init__(self, status: str = "200 OK") -> None:
        self.open = threading.Event()
        self.inside = 0
        self.status = status

    def __call__(self, environ: Environ, start_response: StartResponse) -> list[bytes]:
        self.inside += 1
        self.open.wait(20)
        return echo(environ, lambda _status, headers: start_response(self.status, headers))


# Requests


def test_a_request_arrives_as_it_was_sent() -> None:
    with serving(echo) as served:
        more = "X-One: a\r\nX-One: b\r\nX_Two: spoofed\r\nContent-Type: text/plain\r\n"
        answer = served.ask("//a%20b/%D1%8F?q=%20x", "POST", b"body", more)
    environ = json.loads(answer.headers["x-environ"])
    assert answer.body == b"body"
    assert environ["PATH_INFO"].encode("latin-1").decode() == "//a b/я"
    assert environ["QUERY_STRING"] == "q=%20x"
    assert environ["HTTP_X_ONE"] == "a,b"
    assert "HTTP_X_TWO" not in environ
    assert environ["CONTENT_TYPE"] == "text/plain"
    assert environ["REMOTE_ADDR"] == "127.0.0.1"


def test_a_body_in_chunks_is_put_together() -> None:
    with serving(echo) as served, served.connect() as connection:
        connection.sendall(head("/", "POST", 0, "Transfer-Encoding: chunked\r\n"))
        for part in (b"3\r\nabc\r\n", b"2\r\nde\r\n", b"0\r\n\r\n"):
            time.sleep(0.02)
            connection.sendall(part)
        assert reply(connection).body == b"abcde"


def test_a_large_body_and_a_large_answer_pass_whole() -> None:
    body = bytes(range(256)) * 20_000
    with serving(echo) as served:
        answer = served.ask("/", "POST", body)
    assert answer.body == body


def test_a_connection_serves_one_request_after_another() -> None:
    with serving(echo) as served, served.connect() as connection:
        for number in range(3):
            connection.sendall(head("/", "POST", 1) + str(number).encode())
            assert reply(connection).body == str(number).encode()


def test_of_a_body_that_is_too_large_the_application_sees_no_more_than_shows_it() -> None:
    with serving(echo, max_body_bytes=1000) as served:
        assert served.ask("/", "POST", b"x" * 1000).body == b"x" * 1000
        assert served.ask("/", "POST", b"x" * 1001).body == b""
        with served.connect() as connection:
            connection.sendall(head("/", "POST", 0, "Transfer-Encoding: chunked\r\n"))
            connection.sendall((b"190\r\n" + b"x" * 400 + b"\r\n") * 5 + b"0\r\n\r\n")
            assert 1000 < len(reply(connection).body) <= 2000


# Slow ones


def test_slow_senders_take_no_thread_and_no_room() -> None:
    with serving(echo, threads=1, queue=1) as served:
        slow = [served.begin() for _ in range(50)]
        for _ in range(20):
            assert served.ask("/", "POST", b"quick").body == b"quick"
        slow[0].sendall(b"x" * 99)
        assert reply(slow[0]).body == b"x" * 100
        for one in slow:
            one.close()


def test_a_body_that_does_not_arrive_in_time_is_400_and_says_so() -> None:
    with serving(echo, body_seconds=1) as served, served.begin() as slow:
        answer = reply(slow)
    assert answer.status == 400
    assert issue(answer)["code"] == "timeout"
    assert "Nothing was kept" in issue(answer)["details"]["text"]


def test_a_body_that_trickles_is_cut_off_too() -> None:
    with serving(echo, body_seconds=1) as served, served.begin(length=10_000) as slow:
        answered = threading.Event()

        def trickle() -> None:
            while not answered.is_set():
                try:
                    slow.sendall(b"x")
                except OSError:
                    return
                time.sleep(0.05)

        sender = threading.Thread(target=trickle)
        sender.start()
        answer = reply(slow)
        answered.set()
        sender.join()
    assert answer.status == 400


def test_a_large_body_has_more_time_as_it_arrives() -> None:
    with serving(echo, body_seconds=1, body_rate=10) as served, served.begin(101, b"x" * 100) as it:
        time.sleep(1.5)
        it.sendall(b"x")
        assert reply(it).status == 200


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: a\r\nX-"])
def test_a_head_that_does_not_arrive_in_time_ends_the_connection(sent: bytes) -> None:
    with serving(echo, header_seconds=1) as served, served.connect() as slow:
        slow.sendall(sent)
        assert _ended(slow)


def test_the_second_head_of_a_connection_has_a_limit_too() -> None:
    with serving(echo, header_seconds=1) as served, served.connect() as slow:
        slow.sendall(head("/", "POST", 1) + b"x")
        assert reply(slow).body == b"x"
        time.sleep(1.2)  # being idle is no fault
        slow.sendall(b"GET / HT")
        assert _ended(slow)


def _ended(connection: socket.socket) -> bool:
    try:
        return connection.recv(100) == b""
    except ConnectionResetError:
        return True


def test_a_client_that_stops_reading_is_given_up_and_costs_no_thread() -> None:
    made: list[int] = []
    closed = threading.Event()

    class Endless:
        def __iter__(self) -> Iterator[bytes]:
            while True:
                made.append(1)
                yield b"x" * 100_000

        def close(self) -> None:
            closed.set()

    def endless(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/endless":
            start_response("200 OK", [])
            return Endless()
        return echo(environ, start_response)

    with serving(endless, threads=1, queue=0, send_seconds=1) as served:
        with served.connect() as stuck:
            stuck.sendall(head("/endless"))
            assert waited(lambda: len(made) > 2)
            assert waited(lambda: served.ask("/", "POST", b"quick").body == b"quick")
            assert closed.wait(20)
        assert len(made) < 400  # what the buffers of two sockets hold


# Overload


def test_beyond_what_may_wait_the_answer_is_503_at_once_and_who_waits_is_answered() -> None:
    gate = Gate()
    with serving(gate, threads=2, queue=3) as served:
        accepted = [served.begin(1) for _ in range(5)]
        assert waited(lambda: gate.inside == 2 and served.front.full)
        answer = served.ask()
        assert answer.status == 503
        assert int(answer.headers["retry-after"]) > 0
        assert issue(answer)["code"] == "transient"
        assert served.ask("/health/live").status == 200
        with served.begin(1000, b"x") as unfinished:
            assert reply(unfinished).status == 503
        gate.open.set()
        assert [reply(one).status for one in accepted] == [200] * 5
        assert served.ask().status == 200
        for one in accepted:
            one.close()


def test_who_waited_too_long_for_a_thread_is_told_to_come_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("refnot_fhir.web.server.front._LONGEST_WAIT", 0.2)
    gate = Gate()
    with serving(gate, threads=1, queue=3) as served, served.begin(1) as first:
        assert waited(lambda: gate.inside == 1)
        with served.begin(1) as second:
            time.sleep(0.5)
            gate.open.set()
            answer = reply(second)
        assert (answer.status, issue(answer)["code"]) == (503, "transient")
        assert reply(first).status == 200
        assert gate.inside == 1


def test_who_waits_behind_a_database_in_trouble_does_not_wait_for_it_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("refnot_fhir.web.server.front._PATIENCE", 0.2)
    gate = Gate(status="503 Service Unavailable")
    with serving(gate, threads=1, queue=3) as served, served.begin(1) as first:
        assert waited(lambda: gate.inside == 1)
        with served.begin(1) as second:
            time.sleep(0.5)
            gate.open.set()
            assert reply(first).status == 503
            answer = reply(second)
        assert (answer.status, issue(answer)["code"]) == (503, "transient")
        assert gate.inside == 1


def test_bodies_of_all_connections_together_have_a_limit() -> None:
    with serving(echo, bodies_bytes=1000, max_body_bytes=1000) as served:
        slow = [served.begin(1000, b"x" * 400) for _ in range(2)]
        assert waited(lambda: served.front.held == 800)
        answer = served.ask("/", "POST", b"x" * 300)
        assert (answer.status, issue(answer)["code"]) == (503, "transient")
        assert "retry-after" in answer.headers
        slow[0].close()
        assert waited(lambda: served.front.held == 400)
        assert served.ask("/", "POST", b"x" * 300).status == 200
        slow[1].close()
        assert waited(lambda: served.front.held == 0)


def test_whether_it_lives_is_answered_while_every_thread_hangs() -> None:
    gate = Gate()
    with serving(gate, threads=1, queue=10) as served, served.begin(1):
        assert waited(lambda: gate.inside == 1)
        for method in ("GET", "HEAD"):
            answer = served.ask("/health/live", method, more="Connection: close\r\n")
            assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")
        gate.open.set()


# Faults


def test_an_answer_that_breaks_off_is_cut_and_has_an_incident(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def parts() -> Iterator[bytes]:
        yield b"the first"
        raise ValueError("the second")

    def breaking(_environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [])
        return parts()

    with serving(breaking) as served:
        answer = served.ask()
    assert (answer.status, answer.body, answer.whole) == (200, b"the first", False)
    assert "answer.cut incident=incident-1" in caplog.text


def test_a_fault_outside_the_application_has_an_incident(caplog: pytest.LogCaptureFixture) -> None:
    def broken(_environ: Environ, _start_response: StartResponse) -> list[bytes]:
        raise ValueError("broken")

    with serving(broken) as served:
        answer = served.ask()
    assert answer.status == 500
    assert issue(answer)["diagnostics"] == "incident incident-1"
    assert "request.failed incident=incident-1" in caplog.text


@pytest.mark.parametrize(
    ("sent", "status", "words"),
    [
        (b"GET / HTTP/1.1\r\nno header\r\n\r\n", 400, "HTTP/1.1"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "HTTP/1.1"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: many\r\n\r\n", 400, "HTTP/1.1"),
        (head("/?" + "a" * 20_000), 414, "POST the search"),
        (head("/?" + "a" * 200_000), 414, "POST the search"),
        (head("/", more=f"X-Long: {'a' * 70_000}\r\n"), 431, "send fewer"),
        (head("/", more=f"X-Long: {'a' * 300_000}\r\n"), 431, "send fewer"),
        (head("/", "POST", 3, more=f"X-Long: {'a' * 70_000}\r\n") + b"abc", 431, "send fewer"),
    ],
    ids=["header", "HTTP/2", "length", "address", "longer", "headers", "larger", "with a body"],
)
def test_what_is_no_request_is_answered_in_fhir_too(sent: bytes, status: int, words: str) -> None:
    with serving(echo) as served, served.connect() as connection:
        connection.sendall(sent)
        answer = reply(connection)
        assert answer.status == status
        assert words in issue(answer)["details"]["text"]
        assert answer.headers["connection"] == "close"


def test_who_goes_on_sending_what_was_refused_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("refnot_fhir.web.server.connection._DRAIN_SECONDS", 1)
    with serving(echo, max_body_bytes=10) as served, served.begin(1000) as slow:
        assert reply(slow).status == 200  # the application answered without the body
        assert _ended(slow)
