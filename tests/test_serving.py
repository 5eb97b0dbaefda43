"""The real service under clients and faults that would stop it: it goes on, and forgets nothing."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests

from tests.test_compose import COMMAND, serving


def _patient(id_: str) -> bytes:
    return json.dumps({"resourceType": "Patient", "id": id_}).encode()


def _workers(process: subprocess.Popen[bytes]) -> list[int]:
    """The processes that serve, and not the tracker that Python adds."""
    path = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    children = [int(pid) for pid in path.read_text("ascii").split()]
    return [
        p for p in children if b"resource_tracker" not in Path(f"/proc/{p}/cmdline").read_bytes()
    ]


def test_slow_senders_do_not_keep_others_waiting(tmp_path: Path) -> None:
    with serving(tmp_path / "refnot.sqlite3", *COMMAND, "--workers", "1") as (root, _process):
        port = int(root.rpartition(":")[2])
        top = b"POST /fhir HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n{"
        slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(100)]
        for one in slow:
            one.sendall(top)
        for number in range(20):
            for one in slow:
                one.sendall(b" ")
            url = f"{root}/fhir/Patient/p{number}"
            assert requests.put(url, data=_patient(f"p{number}"), timeout=10).status_code == 201
            assert requests.get(f"{root}/health/live", timeout=10).ok
        for one in slow:
            one.close()


def test_a_killed_worker_is_replaced_and_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    with serving(tmp_path / "refnot.sqlite3", *COMMAND, "--workers", "2") as (root, process):
        over = threading.Event()

        def send(client: int) -> list[str]:
            kept, number = [], 0
            while not over.is_set():
                id_ = f"c{client}-{number}"
                with contextlib.suppress(requests.ConnectionError):
                    answer = requests.put(
                        f"{root}/fhir/Patient/{id_}", data=_patient(id_), timeout=30
                    )
                    if answer.status_code in (200, 201):
                        kept.append(id_)
                number += 1
            return kept

        with ThreadPoolExecutor(4) as pool:
            sending = [pool.submit(send, client) for client in range(4)]
            first = _workers(process)
            for _ in range(3):
                time.sleep(1)
                os.kill(_workers(process)[0], signal.SIGKILL)
            time.sleep(1)
            over.set()
            kept = [id_ for one in sending for id_ in one.result()]
        assert len(first) == 2
        assert process.poll() is None
        assert kept
        _until(lambda: _lives(root))
        for id_ in kept:
            assert requests.get(f"{root}/fhir/Patient/{id_}", timeout=30).status_code == 200
        _until(lambda: len(set(_workers(process)) - set(first)) >= 1)


def test_workers_end_with_a_main_process_that_was_killed(tmp_path: Path) -> None:
    with serving(tmp_path / "refnot.sqlite3", *COMMAND, "--workers", "2") as (root, process):
        workers = _workers(process)
        assert len(workers) == 2
        process.kill()
        process.wait(timeout=30)
        _until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", int(root.rpartition(":")[2])))


def _lives(root: str) -> bool:
    with contextlib.suppress(requests.ConnectionError):
        return requests.get(f"{root}/health/live", timeout=10).ok
    return False


def _until(holds: object) -> None:
    assert callable(holds)
    for _ in range(300):
        if holds():
            return
        time.sleep(0.1)
    raise AssertionError("it does not come to that")
