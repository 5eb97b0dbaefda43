"""Transaction bundles, as an integration engine posts them."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any
from uuid import UUID

from refnot_fhir.simulate.hospital import hospital

Resource = dict[str, Any]

_LONGEST_UUID = 128


def put(name: str, resources: Sequence[Resource]) -> Resource:
    """A transaction that stores each resource under the hospital's own id."""
    return _transaction(
        name,
        [
            {
                "fullUrl": f"{hospital().base}/{resource['resourceType']}/{resource['id']}",
                "resource": resource,
                "request": {
                    "method": "PUT",
                    "url": f"{resource['resourceType']}/{resource['id']}",
                },
            }
            for resource in resources
        ],
    )


def posted(name: str, resources: Sequence[Resource], rng: Random) -> Resource:
    """The same as new resources: the receiver gives out ids, `urn:uuid` holds them together."""
    urls = {
        f"{resource['resourceType']}/{resource['id']}": f"urn:uuid:{_uuid(rng)}"
        for resource in resources
    }
    return _transaction(
        name,
        [
            {
                "fullUrl": urls[f"{resource['resourceType']}/{resource['id']}"],
                "resource": _relinked(_without_id(resource), urls),
                "request": {"method": "POST", "url": resource["resourceType"]},
            }
            for resource in resources
        ],
    )


def _transaction(name: str, entries: list[Resource]) -> Resource:
    return {"resourceType": "Bundle", "id": name, "type": "transaction", "entry": entries}


def _without_id(resource: Resource) -> Resource:
    # The version counts changes under the hospital's own id: without that id it means nothing.
    meta = {k: v for k, v in resource.get("meta", {}).items() if k not in _VERSIONING}
    kept = {name: value for name, value in resource.items() if name not in ("id", "meta")}
    return kept | ({"meta": meta} if meta else {})


_VERSIONING = ("versionId", "lastUpdated")


def _relinked(value: Any, urls: dict[str, str]) -> Any:
    if isinstance(value, list):
        return [_relinked(item, urls) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: urls.get(item, item) if name == "reference" else _relinked(item, urls)
        for name, item in value.items()
    }


def _uuid(rng: Random) -> UUID:
    return UUID(int=rng.getrandbits(_LONGEST_UUID), version=4)
