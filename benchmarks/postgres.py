"""A PostgreSQL server of the benchmark's own, on loopback, that makes every commit durable."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psycopg
from psycopg import sql

from benchmarks.processes import Server, free_port

_TIMEOUT = 60
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Postgres:
    """A server that runs."""

    process: Server
    version: str

    def url(self, database: str, port: int | None = None) -> str:
        """Where a database is, or where it is seen through another port."""
        return f"postgresql://refnot@127.0.0.1:{port or self.process.port}/{database}"

    def database(self) -> str:
        """The name of a new database."""
        name = f"benchmark_{next(_numbers)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return name


@contextmanager
def server(folder: str | None) -> Iterator[Postgres]:
    """A server with a data folder made in `folder`. RuntimeError where there is no PostgreSQL."""
    programs = _programs()
    user = "postgres" if os.geteuid() == 0 else None
    home = Path(tempfile.mkdtemp(prefix="refnot-benchmark-postgres-", dir=folder))
    try:
        if user:
            shutil.chown(home, user)
        with _running(programs, home, user) as postgres:
            yield postgres
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _running(programs: Path, home: Path, user: str | None) -> Iterator[Postgres]:
    def run(tool: str, *arguments: str) -> None:
        with (home / f"{tool}.log").open("wb") as log:
            done = subprocess.run(
                [programs / tool, *arguments],
                user=user, cwd=home, stdout=log, stderr=log, check=False, timeout=_TIMEOUT,
            )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{tool}: {(home / f'{tool}.log').read_text('utf-8')[-400:]}")

    data, port = home / "data", free_port()
    run("initdb", "-D", str(data), "-U", "refnot", "-A", "trust", "-E", "UTF8")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''"
    run("pg_ctl", "-D", str(data), "-l", str(home / "log"), "-w", "-o", options, "start")
    try:
        process = int((data / "postmaster.pid").read_text("ascii").splitlines()[0])
        with psycopg.connect(f"postgresql://refnot@127.0.0.1:{port}/postgres") as connection:
            version = str(connection.info.server_version)
        yield Postgres(Server(port, process), version)
    finally:
        run("pg_ctl", "-D", str(data), "-m", "fast", "-w", "stop")


def _programs() -> Path:
    """The folder with initdb and pg_ctl, of the highest version found."""
    found = shutil.which("pg_ctl")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "pg_ctl").exists():
            return folder
    raise RuntimeError("this part needs PostgreSQL: initdb and pg_ctl were not found")
