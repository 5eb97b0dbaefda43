"""The Flask application: every route in one list."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Flask, Response

from refnot_fhir.service import DEFAULT_SITE, Service
from refnot_fhir.web import (
    answers,
    metadata,
    operations,
    published,
    receive,
    received,
    terminology,
)
from refnot_fhir.web.health import health
from refnot_fhir.web.home import home
from refnot_fhir.web.records import records

FHIR_ROUTES: tuple[Callable[[Service], Blueprint], ...] = (
    metadata.routes,
    terminology.routes,
    published.routes,
    operations.routes,
    receive.routes,
    received.routes,
)
"""Served below the base of the default site, and of every named site."""


def create_app(service: Service) -> Flask:
    """The application that serves `service`; it opens nothing and starts nothing."""
    app = Flask(__name__)
    # `/fhir` and `/fhir/` are one address: an engine must not lose its body to a redirect.
    app.url_map.strict_slashes = False
    settings = service.settings
    app.config.update(
        REFNOT_BASE_PATH=settings.base_path,
        REFNOT_PUBLIC_URL=settings.public_url,
        # One byte more than is taken, so that a body that does not say its length can be over it.
        MAX_CONTENT_LENGTH=settings.max_body_bytes + 1,
    )
    for routes in FHIR_ROUTES:
        blueprint = routes(service)
        app.register_blueprint(
            blueprint, url_prefix=settings.base_path, url_defaults={"site": DEFAULT_SITE}
        )
        app.register_blueprint(
            blueprint, url_prefix=f"/<site>{settings.base_path}", name=f"{blueprint.name}-of-site"
        )
    for others in (health, home, records):
        app.register_blueprint(others(service))
    answers.answer_errors(app, service.new_id)
    app.after_request(_harden)
    return app


def _harden(response: Response) -> Response:
    """No framing, no sniffing, no script: nothing that is served here needs any."""
    for name, value in _HARDENING:
        if name not in response.headers:
            response.headers.add(name, value)
    return response


_HARDENING = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"),
)
