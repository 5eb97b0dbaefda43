"""The composition root: settings to rulebook, store and clock, to the Flask app that is served."""

from __future__ import annotations

import gc
import logging
import os
import re
import resource
import signal
import socket
from collections.abc import Callable
from dataclasses import replace
from multiprocessing import parent_process
from pathlib import Path
from threading import Thread
from typing import cast
from wsgiref.types import WSGIApplication

from uvicorn.config import Config
from uvicorn.supervisors.multiprocess import Multiprocess, Process

from refnot_fhir.core.rules import Rulebook
from refnot_fhir.errors import RefnotError
from refnot_fhir.rulebook.find import folder
from refnot_fhir.rulebook.load import load
from refnot_fhir.settings import Settings, from_environment
from refnot_fhir.store import is_there, migrate, open_store
from refnot_fhir.trial import reassess
from refnot_fhir.trial.service import Service
from refnot_fhir.web.app import create_app
from refnot_fhir.web.server.front import Front

log = logging.getLogger(__name__)

_OBJECTS_BETWEEN_COLLECTIONS = 100_000
"""The objects of some twenty bundles. With Python's own default, 700, one bundle causes dozens of
collections."""
_STOP_SECONDS = 5
"""How long a worker may take to stop. What is cut off was not answered, so its sender sends it
again, and what was answered is kept."""
_IDLE_SECONDS = 60
"""After which a connection that asks for nothing is closed."""

_TEMPORARY = ("sqlite://", "sqlite:///", "sqlite:///:memory:")


def open_service(settings: Settings) -> Service:
    """Everything but the app, opened; the database must have been prepared.

    Raises BadMapping when a mapping file is wrong.
    """
    rulebook = load(folder(settings.mappings or None, Path.cwd()))
    if settings.database_url in _TEMPORARY:
        rulebook = _as_plain_fhir(rulebook)
    return Service(settings, rulebook, open_store(settings.database_url))


def _as_plain_fhir(rulebook: Rulebook) -> Rulebook:
    """In a throw-away database every write counts, unless a site says otherwise: for harnesses."""
    sites = {
        name: replace(site, writes=site.writes or "fhir") for name, site in rulebook.sites.items()
    }
    return replace(rulebook, sites=sites)


def database_is_there(url: str) -> bool:
    """Whether a database was made there; a temporary one is made when it is opened."""
    return url in _TEMPORARY or is_there(url)


def place(url: str) -> str:
    """The database as people are told it: a file with its folder, a server without a password."""
    if url.startswith("sqlite:///"):
        return str(Path.cwd() / url.removeprefix("sqlite:///"))
    return re.sub(r"://([^:/@]*):[^@]*@", r"://\1@", url)


def open_temporary(settings: Settings) -> Service:
    """A service on a store that is empty and gone when closed: to judge without keeping."""
    return open_service(replace(settings, database_url=_TEMPORARY[0]))


def prepare(settings: Settings, progress: Callable[[int], None] = lambda _done: None) -> Service:
    """Bring the database up to date, once and before any worker starts, and open the service.

    Where the mapping files changed since the readings in it were made, everything is read again.
    """
    migrate(settings.database_url)
    service = open_service(settings)
    if reassess.rules_moved(service.store, service.judge()):
        log.info("rulebook.changed: reading everything again")
        reassess.everyone(service.store, service.judge(), progress)
    return service


def application() -> WSGIApplication:
    """The WSGI application of the environment's settings, for another server."""
    return create_app(open_service(from_environment(os.environ)))


def front() -> Front:
    """What `serve` runs in each of its workers."""
    settings = from_environment(os.environ)
    _log()
    service = open_service(settings)
    _spare_the_collector()
    Thread(target=_end_with_parent, daemon=True).start()
    return Front(create_app(service), settings, service.new_id)


def _end_with_parent() -> None:
    """End a worker whose main process was killed: it would go on serving and hold the port.

    The main process may be gone before the worker has come this far: its process number would be
    another one by now.
    """
    main = parent_process()
    if main is None:
        return
    main.join()
    log.warning("worker.orphaned: the main process is gone")
    os.kill(os.getpid(), signal.SIGKILL)


def _spare_the_collector() -> None:
    """Never look at the objects made so far again, and seldom at new ones: few are in cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, 20, 100)


def serve(settings: Settings | None = None, announce: Callable[[], None] = lambda: None) -> None:
    """Serve until stopped; the workers read their settings from the environment.

    `announce` is called when all is ready. Raises RefnotError for a temporary database and for a
    port in use, BadMapping when a mapping file is wrong.
    """
    settings = settings or from_environment(os.environ)
    _check_servable(settings)
    _check_port(settings)
    _log()
    _allow_many_connections()
    prepare(settings).store.close()
    announce()
    run_workers("refnot_fhir.compose:front", settings)


def run_workers(front: str, settings: Settings) -> None:
    """Serve with processes that each run the front that is made there, until stopped.

    `front` is `module:function`. One that dies is replaced.
    """
    config = Config(
        front,
        factory=True,
        interface="asgi3",
        http="refnot_fhir.web.server.connection:Connection",
        ws="none",
        lifespan="off",
        workers=settings.workers,
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=_STOP_SECONDS,
        log_config=None,
        access_log=False,
        server_header=False,
        # The application decides which proxies are believed, not the server.
        proxy_headers=False,
    )
    own = cast("socket.socket", _OwnSocket(settings))
    _Workers(config, [own]).run()


class _Workers(Multiprocess):
    """Replaces a worker that has ended.

    uvicorn also asks each whether it answers, and waits for that: a worker that starts on a busy
    machine is then killed for being slow, and one that dies meanwhile holds everything up.
    """

    def keep_subprocess_alive(self) -> None:
        """Start another worker for each that is gone."""
        for place, worker in enumerate(self.processes):
            if not worker.process.is_alive():
                worker.join()
                log.warning("worker.ended: another one takes its place")
                self.processes[place] = Process(self.config, self.sockets)
                self.processes[place].start()

    def join_all(self) -> None:
        """Wait for the workers to stop, and no longer than they may take."""
        for worker in self.processes:
            worker.process.join(2 * _STOP_SECONDS)
            if worker.process.is_alive():
                worker.process.kill()
            worker.join()


def _log() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)


def _allow_many_connections() -> None:
    """Each connection is an open file, and many systems allow 1,024 unless asked for more."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _check_servable(settings: Settings) -> None:
    if settings.database_url in _TEMPORARY:
        raise RefnotError(
            f"REFNOT_DATABASE_URL={settings.database_url} is gone when its process ends, and "
            "serving processes cannot share it: name a file, such as sqlite:///refnot.sqlite3"
        )


def _check_port(settings: Settings) -> None:
    # The workers share the port: two services on it would each get half of the requests.
    try:
        _bound(settings.host, settings.port, shared=False).close()
    except OSError as error:
        raise RefnotError(
            f"{settings.host} port {settings.port} cannot be listened on ({error.strerror}): "
            "stop what uses it, or choose another with REFNOT_PORT"
        ) from None


def _bound(host: str, port: int, *, shared: bool = True) -> socket.socket:
    found = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        found.bind((host, port))
    except OSError:
        found.close()
        raise
    return found


class _OwnSocket:
    """What a worker is sent instead of a socket: it becomes a socket of its own on the port.

    The kernel spreads connections over the sockets of a port. With one socket for all, the worker
    that wakes up first takes everything that waits.
    """

    def __init__(self, settings: Settings) -> None:
        self._at = (settings.host, settings.port)

    def __reduce__(self) -> tuple[Callable[..., socket.socket], tuple[str, int]]:
        return _bound, self._at
