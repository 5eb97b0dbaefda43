"""The composition root: settings to rulebook, store and clock, to the Flask app that is served."""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Thread
from wsgiref.types import WSGIApplication

from refnot_fhir import reassess
from refnot_fhir.core.rules import Rulebook
from refnot_fhir.errors import RefnotError
from refnot_fhir.rulebook.find import folder
from refnot_fhir.rulebook.load import load
from refnot_fhir.service import Service
from refnot_fhir.settings import Settings, from_environment
from refnot_fhir.store import migrate, open_store
from refnot_fhir.web.app import create_app

log = logging.getLogger(__name__)

_OBJECTS_BETWEEN_COLLECTIONS = 100_000
"""Those of some twenty bundles; Python's own default is 700, dozens of collections in one."""
_STOP_SECONDS = 5
"""How long a worker may take to stop: one told to while it starts does not hear it. What is cut
off was not answered, so its sender sends it again, and what was answered is kept."""

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
    """The WSGI application of the environment's settings."""
    app = create_app(open_service(from_environment(os.environ)))
    _spare_the_collector()
    if _SERVED_BY in os.environ:
        Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    return app


_SERVED_BY = "_REFNOT_SERVED"
"""Set by `serve` for its workers: one that is imported by another server has no such parent."""


def _end_with_parent(parent: int) -> None:
    """End a worker whose main process was killed: it would go on serving and hold the port."""
    while os.getppid() == parent:
        time.sleep(1)
    log.warning("worker.orphaned: the main process is gone")
    os.kill(os.getpid(), signal.SIGKILL)


def _spare_the_collector() -> None:
    """What is there when serving begins stays; a bundle makes many objects and few cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, 20, 100)


def serve(settings: Settings | None = None, announce: Callable[[], None] = lambda: None) -> None:
    """Serve until stopped; the workers read their settings from the environment.

    `announce` is called when all is ready. Raises RefnotError for a temporary database and for a
    port in use, BadMapping when a mapping file is wrong.
    """
    from granian.constants import Interfaces
    from granian.server import Server

    settings = settings or from_environment(os.environ)
    _check_servable(settings)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    prepare(settings).store.close()
    announce()
    os.environ[_SERVED_BY] = "true"
    Server(
        "refnot_fhir.compose:application",
        factory=True,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.WSGI,
        workers=settings.workers,
        blocking_threads=settings.threads,
        websockets=False,
        workers_kill_timeout=_STOP_SECONDS,
    ).serve()


def _check_servable(settings: Settings) -> None:
    if settings.database_url in _TEMPORARY:
        raise RefnotError(
            f"REFNOT_DATABASE_URL={settings.database_url} is gone when its process ends, and "
            "serving processes cannot share it: name a file, such as sqlite:///refnot.sqlite3"
        )
    # The server shares a port that is in use: two services would each get half of the requests.
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise RefnotError(
                f"{settings.host} port {settings.port} cannot be listened on ({error.strerror}): "
                "stop what uses it, or choose another with REFNOT_PORT"
            ) from None
