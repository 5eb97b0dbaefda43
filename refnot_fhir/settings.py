"""Every setting of the service, read once from the `REFNOT_*` environment."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import field, fields
from typing import Any

from refnot_fhir.core.record import record
from refnot_fhir.errors import BadMapping


@record
class Settings:
    """How this process runs. Each field is an environment variable: `port` is `REFNOT_PORT`."""

    host: str = field(default="127.0.0.1", metadata={"doc": "address to listen on"})
    port: int = field(default=8000, metadata={"doc": "TCP port to listen on"})
    base_path: str = field(
        default="/fhir",
        metadata={"doc": "path of the FHIR base; a named site is /<site> before it"},
    )
    public_url: str = field(
        default="",
        metadata={"doc": "scheme and host that clients see, for links, when behind a proxy"},
    )
    database_url: str = field(
        default="sqlite:///refnot.sqlite3",
        metadata={"doc": "sqlite:///file, or postgresql://user:password@host/name"},
    )
    mappings: str = field(
        default="",
        metadata={"doc": "folder of mapping files; else ./mappings, else the packaged copy"},
    )
    replay: bool = field(
        default=False,
        metadata={
            "doc": "replay the completed trial: doses put subjects on study, published as test data"
        },
    )
    workers: int = field(default=2, metadata={"doc": "serving processes"})
    threads: int = field(default=8, metadata={"doc": "requests served at once by each process"})
    queue: int = field(
        default=256,
        metadata={"doc": "requests that may wait in each process; beyond that 503 at once"},
    )
    body_seconds: int = field(
        default=30, metadata={"doc": "seconds that a request body may take to arrive"}
    )
    body_rate: int = field(
        default=100_000, metadata={"doc": "bytes of a body that give it one second more"}
    )
    header_seconds: int = field(
        default=10, metadata={"doc": "seconds that the head of a request may take to arrive"}
    )
    send_seconds: int = field(
        default=60, metadata={"doc": "seconds that a client may stop reading its answer"}
    )
    bodies_bytes: int = field(
        default=256_000_000,
        metadata={"doc": "request bodies held in memory by each process, all together"},
    )
    max_body_bytes: int = field(
        default=50_000_000, metadata={"doc": "largest request body, also after decompression"}
    )
    max_entries: int = field(default=20_000, metadata={"doc": "most entries in one bundle"})
    allow_unprotected: bool = field(
        default=False,
        metadata={
            "doc": "listen beyond loopback although nothing here asks who calls: only behind a "
            "proxy that authenticates"
        },
    )
    trusted_proxy: str = field(
        default="",
        metadata={
            "doc": "addresses or networks, separated by commas, of proxies that say who calls; "
            "nobody else is believed"
        },
    )
    user_header: str = field(
        default="X-Forwarded-User",
        metadata={
            "doc": "header in which a trusted proxy names the user, for audit and statements"
        },
    )


PREFIX = "REFNOT_"


def from_environment(environment: Mapping[str, str]) -> Settings:
    """The settings that the environment states; anything not stated has its default.

    Raises BadMapping, naming the variable and the way out, for a value that cannot be read, for a
    `REFNOT_` variable that does not exist, and for listening beyond loopback unprotected.
    """
    known = {PREFIX + f.name.upper(): f for f in fields(Settings)}
    stated = {name: text for name, text in environment.items() if name.startswith(PREFIX)}
    unknown = sorted(set(stated) - set(known) - _FOR_TESTS)
    if unknown:
        raise BadMapping(f"{unknown[0]} is not a setting. Settings are: {', '.join(known)}")
    values: dict[str, Any] = {
        field_.name: _value(name, stated[name], type(field_.default))
        for name, field_ in known.items()
        if name in stated
    }
    settings = Settings(**values)
    _check_values(settings)
    _check_room(settings)
    _check_host(settings)
    _check_proxy(settings)
    return settings


_FOR_TESTS = frozenset({"REFNOT_TEST_POSTGRES", "REFNOT_TEST_INPUT", "REFNOT_HL7_PACKAGES"})


def _value(name: str, text: str, kind: type) -> Any:
    try:
        return _READERS[kind](text.strip())
    except (ValueError, KeyError):
        wanted = {int: "a whole number", bool: "true or false"}[kind]
        raise BadMapping(f"{name}={text!r} is not {wanted}") from None


_TRUTH = {"1": True, "true": True, "yes": True, "on": True,
          "0": False, "false": False, "no": False, "off": False, "": False}  # fmt: skip
_READERS: dict[type, Callable[[str], Any]] = {
    str: str,
    int: int,
    bool: lambda text: _TRUTH[text.lower()],
}


def _check_values(settings: Settings) -> None:
    if not 0 <= settings.port <= _LAST_PORT:
        raise BadMapping(f"REFNOT_PORT={settings.port} is not a port from 0 to {_LAST_PORT}")
    for name in _POSITIVE:
        if getattr(settings, name) < 1:
            raise BadMapping(f"{PREFIX}{name.upper()}={getattr(settings, name)} is not at least 1")
    if settings.queue < 0:
        raise BadMapping(f"REFNOT_QUEUE={settings.queue} is not at least 0")
    for name in ("workers", "threads"):
        if getattr(settings, name) > _MOST_OF_EACH:
            raise BadMapping(f"{PREFIX}{name.upper()} is more than {_MOST_OF_EACH}")
    if not re.fullmatch(r"(/[^/]+)+", settings.base_path):
        raise BadMapping(f"REFNOT_BASE_PATH={settings.base_path} is not a path such as /fhir")


_POSITIVE = (
    "workers", "threads", "max_body_bytes", "max_entries", "body_seconds", "body_rate",
    "header_seconds", "send_seconds",
)  # fmt: skip
_LAST_PORT = 65535
_MOST_OF_EACH = 256
"""More processes or threads than that are taken for a typing error."""


def _check_room(settings: Settings) -> None:
    if settings.bodies_bytes < settings.max_body_bytes:
        raise BadMapping(
            f"REFNOT_BODIES_BYTES={settings.bodies_bytes} is less than REFNOT_MAX_BODY_BYTES="
            f"{settings.max_body_bytes}: no body of that size could ever be received"
        )


def networks(text: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """The networks of a list of addresses and networks. Raises ValueError."""
    return [ipaddress.ip_network(one.strip()) for one in text.split(",") if one.strip()]


def _check_proxy(settings: Settings) -> None:
    try:
        networks(settings.trusted_proxy)
    except ValueError:
        raise BadMapping(
            f"REFNOT_TRUSTED_PROXY={settings.trusted_proxy} is not a list of addresses or networks "
            "such as 10.0.0.5,192.168.7.0/24"
        ) from None
    if not re.fullmatch(r"[A-Za-z0-9-]+", settings.user_header):
        raise BadMapping(f"REFNOT_USER_HEADER={settings.user_header} is not the name of a header")


def _check_host(settings: Settings) -> None:
    if settings.allow_unprotected or is_loopback(settings.host):
        return
    raise BadMapping(
        f"REFNOT_HOST={settings.host} is not a loopback address, and this service does not ask who "
        "calls. Put it behind a proxy that authenticates and set REFNOT_ALLOW_UNPROTECTED=true, or "
        "leave REFNOT_HOST at 127.0.0.1"
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
