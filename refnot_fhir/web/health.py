"""Whether the process lives, and whether it can do its work."""

from __future__ import annotations

import logging

from flask import Blueprint, Response, jsonify

from refnot_fhir import __version__
from refnot_fhir.errors import RefnotError
from refnot_fhir.trial.reassess import MARK
from refnot_fhir.trial.service import CLOCK_TOLERANCE, Service

log = logging.getLogger(__name__)


def health(service: Service) -> Blueprint:
    """`GET /health/live` and `GET /health/ready`, for orchestrators and monitors."""
    routes = Blueprint("health", __name__)

    # Where `serve` runs, the front answers this before it comes here.
    @routes.get("/health/live")
    def live() -> Response:
        return _unkept(jsonify(status="live", version=__version__))

    @routes.get("/health/ready")
    def ready() -> tuple[Response, int]:
        try:
            service.store.write(lambda writer: writer.set_mark(_PROBE, service.clock().isoformat()))
            with service.store.read() as reader:
                counts = reader.counts()
            warnings = _warnings(service)
        except RefnotError as error:
            return _unkept(jsonify(status="not ready", reason=str(error))), 503
        except Exception:
            incident = service.new_id()
            log.exception("health.not_ready incident=%s", incident)
            reason = f"the database fails: see the log, incident {incident}"
            return _unkept(jsonify(status="not ready", reason=reason)), 503
        answer = jsonify(
            status="ready",
            version=__version__,
            protocols=sorted(service.rulebook.protocols),
            sites=sorted(service.rulebook.sites),
            rulebook=service.rulebook.digest,
            kept=counts,
            warnings=warnings,
        )
        return _unkept(answer), 200

    return routes


_PROBE = "written"
"""The mark that shows that the database can be written to: when that was last asked."""


def _warnings(service: Service) -> list[str]:
    found = []
    clock = service.clock()
    behind = service.high_water.moment(clock, service.store) - clock
    if behind > CLOCK_TOLERANCE:
        seconds = int(behind.total_seconds())
        found.append(f"the clock is {seconds} seconds behind what is kept: set it right")
    read_with = service.store.mark(MARK)
    if read_with not in (None, service.rulebook.digest):
        found.append(_OTHER_RULES)
    return found


_OTHER_RULES = (
    "the database was read again with other mapping files since this service started: start it "
    "again with them, or it decides by others than the ones on record"
)


def _unkept(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response
