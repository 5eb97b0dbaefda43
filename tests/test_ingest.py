"""Delivering files: what is read of them, what is told when they cannot be, and resending."""

from __future__ import annotations

import gzip
import io
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner

from refnot_fhir.cli import main
from refnot_fhir.core.rules import Rulebook
from refnot_fhir.errors import BadInput, Busy
from refnot_fhir.settings import Settings
from refnot_fhir.sources import deliver as ingest
from refnot_fhir.sources import files as feed
from refnot_fhir.store import open_store
from refnot_fhir.trial.service import Service

NOTHING = io.BytesIO()


def patient(id: str = "p1") -> dict[str, Any]:
    """The least of a Patient."""
    return {"resourceType": "Patient", "id": id, "gender": "female", "birthDate": "1970-03-01"}


def platelets(id: str = "o1", of: str = "Patient/p1", value: float = 231) -> dict[str, Any]:
    """A platelet count."""
    return {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "777-3"}]},
        "subject": {"reference": of},
        "effectiveDateTime": "2026-05-18T08:00:00+03:00",
        "valueQuantity": {
            "value": value, "unit": "10*9/L", "system": "http://unitsofmeasure.org",
            "code": "10*9/L",
        },
    }  # fmt: skip


# Without the moment of packing: every process must give a parametrised test the same name.
PACKED = gzip.compress(json.dumps(patient()).encode(), mtime=0)


def bundle(kind: str, *resources: dict[str, Any]) -> dict[str, Any]:
    """A Bundle of that type."""
    entries: list[dict[str, Any]] = [{"resource": one} for one in resources]
    if kind in ("transaction", "batch"):
        for entry in entries:
            name = f"{entry['resource']['resourceType']}/{entry['resource']['id']}"
            entry["request"] = {"method": "PUT", "url": name}
    return {"resourceType": "Bundle", "type": kind, "entry": entries}


def lines(*resources: dict[str, Any]) -> bytes:
    """NDJSON."""
    return b"".join(json.dumps(one).encode() + b"\n" for one in resources)


@pytest.fixture
def service(production: Rulebook, now: datetime, new_id: Callable[[], str]) -> Iterator[Service]:
    store = open_store("sqlite://")
    yield Service(Settings(), production, store, lambda: now, new_id)
    store.close()


def delivered(service: Service, *names: object, stdin: bytes = b"") -> ingest.Tally:
    """Deliver files into the default site of a service."""
    target = ingest.IntoStore(service, service.site())
    return ingest.deliver_all(
        feed.files([str(name) for name in names]), target, stdin=io.BytesIO(stdin)
    )


@pytest.mark.parametrize(
    ("name", "content", "created", "why"),
    [
        ("a.json", json.dumps(patient()).encode(), 1, "one resource"),
        ("a.json", json.dumps(patient(), indent=2).encode(), 1, "pretty-printed"),
        ("a.json", json.dumps(bundle("transaction", patient(), platelets())).encode(), 2, "bundle"),
        ("a.json", json.dumps(bundle("collection", patient(), platelets())).encode(), 2, "export"),
        ("a.json", json.dumps(bundle("searchset", patient(), platelets())).encode(), 2, "search"),
        ("a.ndjson", lines(patient(), platelets()), 2, "NDJSON"),
        ("a.ndjson", lines(patient()), 1, "NDJSON of one line"),
        ("a.ndjson", b"\n" + lines(patient()) + b"\n\n" + lines(platelets()), 2, "blank lines"),
        ("a.json", lines(patient(), platelets()), 2, "NDJSON that is not called so"),
        ("a.json", lines(patient()) + b"\n" + lines(platelets()), 2, "blank second line"),
        ("a.jsonl.gz", gzip.compress(lines(patient(), platelets())), 2, "packed"),
        ("a.json", PACKED, 1, "packed, not called so"),
        ("a.ndjson", lines(bundle("transaction", patient(), platelets())), 2, "bundle in a line"),
        ("a.ndjson", lines(patient(), bundle("batch", platelets())), 2, "both in lines"),
        ("a.ndjson", lines(platelets(), patient()), 2, "the patient comes last"),
    ],
)  # fmt: skip
def test_a_file_is_read_whatever_form_it_has(
    service: Service, tmp_path: Path, name: str, content: bytes, created: int, why: str
) -> None:
    (tmp_path / name).write_bytes(content)

    tally = delivered(service, tmp_path / name)

    assert (tally.outcomes, tally.problems) == ({"created": created}, []), why


def test_standard_input_is_read_and_left_open(service: Service) -> None:
    stream = io.BytesIO(lines(patient(), platelets()))

    tally = ingest.deliver_all(["-"], ingest.IntoStore(service, service.site()), stdin=stream)

    assert tally.outcomes == {"created": 2}
    assert not stream.closed


def test_a_folder_is_read_by_name_and_its_manifest_is_not_sent(
    service: Service, tmp_path: Path
) -> None:
    inner = tmp_path / "bundles"
    inner.mkdir()
    (inner / "b.json").write_bytes(json.dumps(platelets()).encode())
    (inner / "a.json").write_bytes(json.dumps(patient()).encode())
    (tmp_path / "manifest.json").write_text('{"patients": []}')
    (tmp_path / "notes.txt").write_text("not for us")

    assert [Path(name).name for name in feed.files([str(tmp_path)])] == ["a.json", "b.json"]
    assert delivered(service, tmp_path).outcomes == {"created": 2}


def test_more_lines_than_go_into_one_batch_are_all_delivered(
    service: Service, tmp_path: Path
) -> None:
    many = feed.LINES_AT_ONCE + 1
    file = tmp_path / "a.ndjson"
    file.write_bytes(lines(*(patient(f"p{n}") for n in range(many))))
    seen: list[int] = []

    tally = ingest.deliver_all(
        [str(file)], ingest.IntoStore(service, service.site()), stdin=NOTHING,
        progress=seen.append,
    )  # fmt: skip

    assert tally.outcomes == {"created": many}
    assert len(seen) == 2
    assert seen[-1] == file.stat().st_size


def test_sending_the_same_again_changes_nothing_and_says_so(
    service: Service, tmp_path: Path
) -> None:
    whole = bundle("transaction", patient(), platelets())
    (tmp_path / "a.json").write_bytes(json.dumps(whole).encode())
    (tmp_path / "b.ndjson").write_bytes(lines(patient("p2"), platelets("o2", "Patient/p2")))
    delivered(service, tmp_path)

    assert delivered(service, tmp_path).outcomes == {"unchanged": 4}


@pytest.mark.parametrize(
    ("content", "where", "what"),
    [
        (b"{bad", "a.json", "not JSON"),
        (b"", "a.json", "it is empty"),
        (b"[]", "a.json", "not a FHIR resource"),
        (b'{"resourceType":"Bundle","type":"collection","entry":3}', "a.json", "Bundle.entry"),
        (
            b'{"resourceType":"Bundle","type":"collection","entry":[{"resource":1}]}',
            "a.json",
            "Bundle.entry[0].resource",
        ),
        (b'{"resourceType":"Bundle","type":"transaction","entry":3}', "a.json", "Bundle.entry"),
        (b"\x1f\x8bxxxx", "a.json", "damaged"),
        (gzip.compress(b'{"resourceType":"Patient"}', mtime=0)[:-9], "a.json", "damaged"),
        (lines(patient()) + b"{bad\n" + lines(patient("p2")), "a.json:2", "not JSON"),
        (lines(patient(), {"resourceType": "Patient", "id": "p2", "gender": "x"}), "a.json",
         "Bundle.entry[1].resource.gender"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named_with_its_place(
    service: Service, tmp_path: Path, content: bytes, where: str, what: str
) -> None:
    (tmp_path / "a.json").write_bytes(content)

    tally = delivered(service, tmp_path / "a.json")

    assert tally.outcomes["failed"] == 1
    assert len(tally.problems) == 1
    assert tally.problems[0].startswith(f"{tmp_path / where}: ")
    assert what in tally.problems[0]


def test_a_file_has_the_limits_of_a_body(service: Service, tmp_path: Path) -> None:
    many = ",".join(f'"k{number}":1' for number in range(200_000))
    for name in ("x.json", "x.ndjson"):
        file = tmp_path / name
        file.write_text(f'{{"resourceType":"Patient",{many}}}\n')
        tally = delivered(service, file)
        assert tally.outcomes == {"failed": 1}
        assert "a resource has more than 100000 values" in tally.problems[0]


def test_one_bad_file_does_not_stop_the_others(service: Service, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"{bad")
    (tmp_path / "b.json").write_bytes(json.dumps(patient()).encode())

    assert delivered(service, tmp_path).outcomes == {"failed": 1, "created": 1}


@pytest.mark.parametrize(("path", "said"), [("missing", "no such file"), ("", "no file in this")])
def test_a_path_without_anything_to_read_is_refused(tmp_path: Path, path: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        feed.files([str(tmp_path / path)])


def test_lines_to_screen_are_the_resources_with_their_references_resolved() -> None:
    sent = bundle("transaction", patient(), platelets(of="urn:uuid:1"))
    sent["entry"][0] |= {"fullUrl": "urn:uuid:1", "request": {"method": "POST", "url": "Patient"}}

    found = feed.Lines(["-"], io.BytesIO(json.dumps(sent).encode()))
    resources = [json.loads(line) for line in found]

    assert [one["resourceType"] for one in resources] == ["Patient", "Observation"]
    assert resources[1]["subject"] == {"reference": "Patient/p1"}
    assert found.at == "standard input: entry 2"


def test_a_resource_without_an_id_is_screened_under_a_made_up_one() -> None:
    anonymous = {k: v for k, v in patient().items() if k != "id"}
    sent = bundle("collection", anonymous, platelets(of="urn:uuid:1"))
    sent["entry"][0]["fullUrl"] = "urn:uuid:1"

    resources = [
        json.loads(line) for line in feed.Lines(["-"], io.BytesIO(json.dumps(sent).encode()))
    ]

    assert resources[0]["id"] == "entry-1"
    assert resources[1]["subject"] == {"reference": "Patient/entry-1"}


@pytest.mark.parametrize("body", [b"{bad", json.dumps(patient()).encode()])
def test_a_document_that_is_no_bundle_is_one_line(body: bytes) -> None:
    assert list(feed.Lines(["-"], io.BytesIO(body))) == [body]


# To a server


@dataclass
class Scripted:
    """What a server is going to answer, and what it was sent."""

    answers: list[tuple[int, dict[str, str], bytes]]
    bodies: list[bytes] = field(default_factory=list)


@contextmanager
def server(*answers: tuple[int, dict[str, str], bytes]) -> Iterator[tuple[str, Scripted]]:
    """A real HTTP server that gives these answers, one after the other."""
    script = Scripted(list(answers))

    class Answering(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            script.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            status, headers, body = script.answers.pop(0)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    httpd = HTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{httpd.server_port}/fhir", script
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()


def response(*statuses: str) -> bytes:
    """The answer to a batch."""
    issue = {"severity": "error", "code": "invalid", "details": {"text": "no"},
             "expression": ["Bundle.entry[0]"]}  # fmt: skip
    entries = [
        {"response": {"status": s, "outcome": {"resourceType": "OperationOutcome",
                                               "issue": [issue]}}}
        for s in statuses
    ]  # fmt: skip
    return json.dumps(
        {"resourceType": "Bundle", "type": "batch-response", "entry": entries}
    ).encode()


def sent(url: str, tmp_path: Path, waits: list[float]) -> ingest.Tally:
    """Deliver one patient to a server."""
    (tmp_path / "a.json").write_bytes(json.dumps(patient()).encode())
    with requests.Session() as session:
        target = ingest.ToServer(url, session, waits.append)
        return ingest.deliver_all([str(tmp_path / "a.json")], target, stdin=NOTHING)


def test_a_busy_server_is_asked_again_when_it_says(tmp_path: Path) -> None:
    waits: list[float] = []
    with server(
        (503, {"Retry-After": "7"}, b""), (429, {}, b""),
        (503, {"Retry-After": "Sun, 22 Nov 2026 10:00:00 GMT"}, b""),
        (200, {}, response("201 Created")),
    ) as (url, script):  # fmt: skip
        tally = sent(url, tmp_path, waits)

    assert waits == [7, 2, 2]
    assert tally.outcomes == {"201 Created": 1}
    assert len(set(script.bodies)) == 1, "the same bytes each time, so that nothing is kept twice"


def test_a_server_that_stays_busy_ends_the_delivery(tmp_path: Path) -> None:
    with server(*[(503, {}, b"")] * 6) as (url, _), pytest.raises(Busy, match="too busy"):
        sent(url, tmp_path, [])


def test_a_server_that_is_not_there_is_said_to_be(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/fhir"
        with pytest.raises(Busy, match="is the server running there"):
            sent(address, tmp_path, [])


def test_the_command_delivers_to_a_server(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(json.dumps(patient()).encode())
    with server((200, {}, response("201 Created"))) as (url, script):
        asked = CliRunner().invoke(main, ["ingest", str(tmp_path / "a.json"), "--server", url])

    assert (asked.exit_code, asked.stdout) == (0, "       1  201 Created\n")
    assert len(script.bodies) == 1


@pytest.mark.parametrize(
    ("status", "headers", "body", "outcomes", "said"),
    [
        (200, {}, response("201 Created", "422 Unprocessable Entity"),
         {"201 Created": 1, "failed": 1}, "Bundle.entry[0]: no"),
        (200, {"X-Replayed": "true"}, response("201 Created", "202 Accepted"),
         {"unchanged": 2}, ""),
        (422, {}, b'{"resourceType":"OperationOutcome","issue":[{"code":"invalid",'
         b'"diagnostics":"bad"}]}', {"failed": 1}, "bad"),
        (500, {}, b"<html>", {"failed": 1}, "answered 500"),
        (200, {}, b"<html>", {"failed": 1}, "is that a FHIR base?"),
        (200, {}, b'{"resourceType":"Patient"}', {"failed": 1}, "is that a FHIR base?"),
    ],
)  # fmt: skip
def test_what_a_server_answers_is_counted_and_told(
    tmp_path: Path, status: int, headers: dict[str, str], body: bytes,
    outcomes: dict[str, int], said: str,
) -> None:  # fmt: skip
    with server((status, headers, body)) as (url, _):
        tally = sent(url, tmp_path, [])

    assert tally.outcomes == outcomes
    assert said in "".join(tally.problems)
