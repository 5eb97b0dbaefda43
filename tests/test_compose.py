"""The real service as its own process: it serves, with two workers, stops, and forgets nothing."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from refnot_fhir import compose
from refnot_fhir.errors import BadMapping, RefnotError
from refnot_fhir.settings import Settings

ROOT = Path(__file__).parents[1]
MORNING = ROOT / "examples" / "one-patient" / "r4" / "1-morning-results.json"


def free_port() -> int:
    """A loopback port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(database: Path, *command: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The service on a free port, started and stopped as an operator would."""
    port = free_port()
    environment = {name: text for name, text in os.environ.items() if "REFNOT_" not in name} | {
        "REFNOT_PORT": str(port),
        "REFNOT_DATABASE_URL": f"sqlite:///{database}",
        "REFNOT_MAPPINGS": str(ROOT / "mappings"),
        "PYTHONPATH": str(ROOT),
    }
    process = subprocess.Popen(
        [sys.executable, *command], env=environment, cwd=database.parent,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    root = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{root}/health/live", process)
        yield root, process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert process.poll() is None, process.communicate()[0].decode()
        try:
            if requests.get(url, timeout=5).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.1)
    raise AssertionError(f"{url} does not answer")


COMMAND = ("-c", "from refnot_fhir.cli import main; main()", "serve")


def test_what_was_posted_is_there_after_a_restart(tmp_path: Path) -> None:
    database = tmp_path / "refnot.sqlite3"
    with serving(database, *COMMAND, "--workers", "2") as (root, process):
        posted = requests.post(
            f"{root}/fhir", data=MORNING.read_bytes(),
            headers={"Content-Type": "application/fhir+json"}, timeout=30,
        )  # fmt: skip
        assert posted.status_code == 200
        assert {e["response"]["status"] for e in posted.json()["entry"]} == {"201 Created"}
        # More requests than one worker is given: whoever answers has the same store.
        seen = [requests.get(f"{root}/fhir/ResearchSubject", timeout=30).json() for _ in range(20)]
        assert {answer["total"] for answer in seen} == {1}
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0

    with serving(database, str(ROOT / "server.py")) as (root, process):
        after = requests.get(f"{root}/fhir/ResearchSubject", timeout=30).json()
        again = requests.post(f"{root}/fhir", data=MORNING.read_bytes(), timeout=30)
        os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does: the workers hear it, too
        assert process.wait(timeout=60) == 0

    assert [e["resource"]["id"] for e in after["entry"]] == [
        e["resource"]["id"] for e in seen[0]["entry"]
    ]
    assert again.headers["X-Replayed"] == "true"


def test_a_port_in_use_is_refused_before_anything_is_shared(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = Settings(
            port=taken.getsockname()[1],
            database_url=f"sqlite:///{tmp_path / 'x.sqlite3'}",
            mappings=str(ROOT / "mappings"),
        )
        with pytest.raises(RefnotError, match="choose another with REFNOT_PORT"):
            compose.serve(settings)


def test_a_temporary_store_is_not_served() -> None:
    with pytest.raises(RefnotError, match="name a file"):
        compose.serve(Settings(database_url="sqlite://"))


def test_a_wrong_mapping_file_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "mappings").mkdir()
    settings = Settings(
        database_url=f"sqlite:///{tmp_path / 'x.sqlite3'}", mappings=str(tmp_path / "mappings")
    )

    with pytest.raises(BadMapping, match="toml"):
        compose.prepare(settings)


def test_what_was_kept_is_read_again_when_the_mapping_files_changed(tmp_path: Path) -> None:
    from refnot_fhir.sources import deliver as ingest
    from refnot_fhir.sources import files as feed

    settings = Settings(
        database_url=f"sqlite:///{tmp_path / 'x.sqlite3'}", mappings=str(ROOT / "mappings")
    )
    service = compose.prepare(settings)
    ingest.deliver_all(
        feed.files([str(MORNING)]), ingest.IntoStore(service, service.site()),
        stdin=sys.stdin.buffer,
    )  # fmt: skip
    service.store.write(lambda writer: writer.set_mark("rulebook", "of an earlier version"))
    service.store.close()
    told: list[int] = []

    again = compose.prepare(settings, told.append)
    unmoved = compose.prepare(settings, told.append)

    assert told == [1], "once for the one patient, and not again"
    assert again.store.mark("rulebook") == again.rulebook.digest
    again.store.close()
    unmoved.store.close()


def test_the_application_of_the_environment_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'x.sqlite3'}"
    monkeypatch.setenv("REFNOT_DATABASE_URL", url)
    monkeypatch.setenv("REFNOT_MAPPINGS", str(ROOT / "mappings"))
    compose.prepare(replace(Settings(), database_url=url, mappings=str(ROOT / "mappings")))

    client = compose.application().test_client()  # type: ignore[attr-defined]

    assert json.loads(client.get("/health/ready").data)["status"] == "ready"
