"""A PostgreSQL server for the tests: the one that `REFNOT_TEST_POSTGRES` names, or one of our own.

Our own is made by the machine's `initdb` in a temporary folder, runs as somebody who is not root,
and listens on loopback only.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class NoServer(Exception):
    """There is no PostgreSQL here, or it does not start."""


@contextmanager
def server() -> Iterator[str]:
    """The URL of a server on which databases can be created. Raises NoServer, saying why not."""
    given = os.environ.get("REFNOT_TEST_POSTGRES")
    if given:
        yield given
        return
    with own_server() as url:
        yield url


@contextmanager
def own_server() -> Iterator[str]:
    """The URL of a server that nobody else uses. Raises NoServer, saying why there is none."""
    tools = programs()
    if tools is None:
        raise NoServer("neither REFNOT_TEST_POSTGRES nor initdb and pg_ctl were found")
    user = _user()
    folder = Path(tempfile.mkdtemp(prefix="refnot-postgres-"))
    try:
        if user:
            shutil.chown(folder, user)
        with _running(tools, folder, user) as url:
            yield url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running(tools: Path, folder: Path, user: str | None) -> Iterator[str]:
    def run(tool: str, *arguments: str) -> None:
        with (folder.parent / f"{folder.name}.log").open("w+b") as log:
            done = subprocess.run(
                [tools / tool, *arguments],
                user=user,
                cwd=folder,
                stdout=log,
                stderr=log,
                check=False,
                timeout=60,
            )
            log.seek(0)
            if done.returncode:
                raise NoServer(f"{tool} failed: {log.read().decode()[-400:]}")
        Path(log.name).unlink()

    data = str(folder / "data")
    run("initdb", "-D", data, "-U", "refnot", "-A", "trust", "-E", "UTF8", "--no-sync")
    port = _free_port()
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
    run("pg_ctl", "-D", data, "-l", str(folder / "log"), "-w", "-o", options, "start")
    try:
        yield f"postgresql://refnot@127.0.0.1:{port}/postgres"
    finally:
        run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")


def programs() -> Path | None:
    """The folder with initdb and pg_ctl, of the highest version found."""
    found = shutil.which("pg_ctl")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((f for f in folders if (f / "initdb").exists() and (f / "pg_ctl").exists()), None)


def _user() -> str | None:
    """Who runs the server: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
