"""All that the benchmarks use of the package's inside: when a module moves, it is followed here."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from wsgiref.types import WSGIApplication

import refnot_fhir
from refnot_fhir.compose import front, prepare, run_workers, serve
from refnot_fhir.fhir import wire
from refnot_fhir.rulebook.find import folder as mappings
from refnot_fhir.rulebook.load import load
from refnot_fhir.settings import Settings
from refnot_fhir.trial.screen import screen
from refnot_fhir.trial.service import DEFAULT_SITE, new_id, utc_now
from refnot_fhir.web.app import create_app
from refnot_fhir.web.server.front import Front

PACKAGE = Path(refnot_fhir.__file__).parent
FRONT = f"{front.__module__}:{front.__name__}"
APPLICATION = f"{front.__module__}:application"

Screener = Callable[[Iterable[bytes]], int]

__all__ = ["APPLICATION", "FRONT", "PACKAGE", "Front", "Opened", "before", "opened", "prepared"]
__all__ += ["raw_entries", "screener", "serve", "serve_workers", "today"]


@dataclass(frozen=True, slots=True)
class Opened:
    """The service in this process."""

    application: WSGIApplication
    close: Callable[[], None]


def opened(url: str) -> Opened:
    """The service over a database, which is brought up to date."""
    logging.disable(logging.INFO)
    service = prepare(Settings(database_url=url))
    return Opened(create_app(service), service.store.close)


def prepared(url: str) -> None:
    """Bring a database up to date for a service in another process."""
    prepare(Settings(database_url=url)).store.close()


def today() -> date:
    """The day at the site that the bundles go to."""
    rulebook = load(mappings(None, Path.cwd()))
    return utc_now().astimezone(rulebook.sites[DEFAULT_SITE].zone).date()


def screener(day: date) -> Screener:
    """Screens lines of resources; says how many assessments that made."""
    rulebook = load(mappings(None, Path.cwd()))
    site = rulebook.sites[DEFAULT_SITE]

    def count(lines: Iterable[bytes]) -> int:
        return sum(1 for _ in screen(lines, site=site, rulebook=rulebook, as_of=day))

    return count


def raw_entries(bundle: bytes) -> Iterator[bytes]:
    """The resources of a bundle, as they stand in it."""
    return (found for found in wire.raw_entries(bundle) if found is not None)


def before(application: Any, threads: int) -> Front:
    """What the service has before its application, before another one."""
    return Front(application, Settings(threads=threads), new_id)


def serve_workers(module_and_function: str, port: int, workers: int) -> None:
    """Serve a front with as many processes as the service would."""
    run_workers(module_and_function, Settings(port=port, workers=workers))


def modules() -> Sequence[str]:
    """The files of the package."""
    return [str(path) for path in PACKAGE.rglob("*.py")]


def name_of(file: str) -> str | None:
    """The module of a file, below the package; None when it is not one of the package's."""
    path = Path(file)
    if not path.is_relative_to(PACKAGE):
        return None
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
