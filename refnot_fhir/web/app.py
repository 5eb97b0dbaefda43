"""The Flask application: every route in one list."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from urllib.parse import urlsplit

from flask import Blueprint, Flask, Request, Response, request
from flask.globals import request_ctx

from refnot_fhir.errors import Forbidden, NotFound
from refnot_fhir.settings import Settings, is_loopback
from refnot_fhir.trial.service import DEFAULT_SITE, Service
from refnot_fhir.web.answer import as_page
from refnot_fhir.web.data.records import records
from refnot_fhir.web.errors import answer_errors
from refnot_fhir.web.fhir import (
    attest,
    bundle,
    decisions,
    history,
    metadata,
    operations,
    read,
    search,
    write,
)
from refnot_fhir.web.fhir.served import Registry, registry
from refnot_fhir.web.health import health
from refnot_fhir.web.pages.home import home


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
    served = registry(service)
    for blueprint in _fhir(service, served):
        app.register_blueprint(
            blueprint, url_prefix=settings.base_path, url_defaults={"site": DEFAULT_SITE}
        )
        app.register_blueprint(
            blueprint, url_prefix=f"/<site>{settings.base_path}", name=f"{blueprint.name}-of-site"
        )
    for others in (health, home, records):
        app.register_blueprint(others(service))
    answer_errors(app, service.new_id)
    _look_at_every_request(app, settings, served)
    return app


def _look_at_every_request(app: Flask, settings: Settings, served: Registry) -> None:
    @app.before_request
    def before() -> None:
        _refuse_strangers(settings)
        _name_empty_parts()

    @app.after_request
    def after(response: Response) -> Response:
        if request.method == "OPTIONS":
            _allow_reading_only(response, served, settings.base_path)
        response = as_page(response)
        # No framing, no sniffing, no script: nothing that is served here needs any.
        response.headers.extend(_HARDENING)
        return response


def _fhir(service: Service, served: Registry) -> Iterator[Blueprint]:
    """What is served below the base of the default site, and of every named one."""
    yield metadata.routes(service, served)
    yield operations.routes(service)
    yield attest.routes(service)
    yield decisions.routes(service)
    yield history.routes(service, served)
    yield bundle.routes(service)
    yield write.routes(service, served)
    yield search.routes(service, served)
    yield read.routes(service, served)


def _allow_reading_only(response: Response, served: Registry, base: str) -> None:
    """What is published shares its routes with what is received, and cannot be written."""
    below = request.path.partition(f"{base}/")[2].split("/")
    if below[0] == "metadata" or served.is_read_only(below[0]):
        posted = below[-1] == "_search" or below[-1].startswith("$")
        response.headers["Allow"] = "GET, HEAD, OPTIONS" + (", POST" if posted else "")
    elif below[0] == write.DECIDED_HERE and len(below) <= _ADDRESS and below[-1] != "_search":
        # What people decide is created and updated; nothing of it is deleted.
        put = len(below) == _ADDRESS and below[-1]
        response.headers["Allow"] = "GET, HEAD, OPTIONS" + (", PUT" if put else ", POST")


_ADDRESS = 2
"""Parts of the address of a resource: type and id."""


def _refuse_strangers(settings: Settings) -> None:
    """Refuse what a web page of somebody else makes a browser on this machine send.

    Listening on loopback keeps other machines out, but not the pages that are open on this one:
    a form may post from any page, and a name of the page's own may be made to mean 127.0.0.1.
    """
    asked = request_ctx.request
    if asked.method not in ("GET", "HEAD", "OPTIONS") and _of_another_site(asked, settings):
        raise Forbidden("a page of another site may not send anything here")
    if not (settings.allow_unprotected or _is_ours(asked.host, settings.host, settings.public_url)):
        raise Forbidden(
            "the Host of the request is not an address of this service: REFNOT_PUBLIC_URL names "
            "the one by which a proxy is reached"
        )


@lru_cache(maxsize=64)
def _is_ours(host: str, own: str, public_url: str) -> bool:
    """Whether the Host of a request is an address of this service."""
    name = urlsplit(f"//{host}").hostname or ""
    return is_loopback(name) or name in (own, urlsplit(public_url).hostname)


def _of_another_site(asked: Request, settings: Settings) -> bool:
    """Whether a browser says that a page from elsewhere sends this; programs say nothing."""
    if asked.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site"):
        return True
    origin = asked.headers.get("Origin")
    if origin is None:
        return False
    # Without the scheme: where a proxy speaks TLS, it is not known here.
    ours = {_address(f"//{asked.host}"), _address(settings.public_url)} - {""}
    return _address(origin) not in ours


def _address(url: str) -> str:
    """Host and port, where it is not the usual one; empty for what has none, such as `null`."""
    try:
        found = urlsplit(url)
        port = found.port
    except ValueError:
        return ""
    usual = port is None or port in {443, 80}
    return (found.hostname or "") if usual else f"{found.hostname}:{port}"


def _name_empty_parts() -> None:
    """Refuse an address that was put together wrong, instead of sending a body elsewhere."""
    # `request.path` has lost those at its beginning.
    path = request.environ["PATH_INFO"]
    if "//" in path:
        meant = re.sub("/{2,}", "/", path)
        raise NotFound(f"the address has an empty part: ask for {meant}")


_HARDENING = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"),
)
