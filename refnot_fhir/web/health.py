"""Whether the process lives, and whether it can do its work."""

from __future__ import annotations

import logging

from flask import Blueprint, Response, jsonify

from refnot_fhir import __version__
from refnot_fhir.errors import RefnotError
from refnot_fhir.service import Service

log = logging.getLogger(__name__)


def health(service: Service) -> Blueprint:
    """`GET /health/live` and `GET /health/ready`, for orchestrators and monitors."""
    routes = Blueprint("health", __name__)

    @routes.get("/health/live")
    def live() -> Response:
        return jsonify(status="live", version=__version__)

    @routes.get("/health/ready")
    def ready() -> tuple[Response, int]:
        try:
            with service.store.read() as reader:
                counts = reader.counts()
        except RefnotError as error:
            return jsonify(status="not ready", reason=str(error)), 503
        except Exception:
            log.exception("health.not_ready")
            return jsonify(status="not ready", reason="the database fails: see the log"), 503
        return jsonify(
            status="ready",
            version=__version__,
            protocols=sorted(service.rulebook.protocols),
            sites=sorted(service.rulebook.sites),
            rulebook=service.rulebook.digest,
            kept=counts,
        ), 200

    return routes
