"""Where resources of a type come from: what every source is asked, and answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from typing import NamedTuple, Protocol

from refnot_fhir.core.record import record
from refnot_fhir.core.site import Site
from refnot_fhir.fhir.search import Search
from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.write.published import Json
from refnot_fhir.store.contract import Reader
from refnot_fhir.trial.service import Service
from refnot_fhir.web.request import wanted


class Asking:
    """One request to read: at which site, in which FHIR version, from one state of the store."""

    def __init__(self, service: Service, site: Site) -> None:
        self.service, self.site = service, site
        self.version = wanted(Version(site.fhir))
        self._reader: Reader | None = None
        self._reading: AbstractContextManager[Reader] | None = None

    @property
    def reader(self) -> Reader:
        """The store, opened when it is first needed: what is not in it is given without."""
        if self._reader is None:
            self._reading = self.service.store.read()
            self._reader = self._reading.__enter__()
        return self._reader

    def __enter__(self) -> Asking:
        return self

    def __exit__(self, *raised: object) -> None:
        if self._reading is not None:
            self._reading.__exit__(None, None, None)


class Candidate(NamedTuple):
    """A resource that may be asked for by a search."""

    row: int
    """What a next page begins after."""
    resource: Json | None
    """In the version asked for; None when it cannot be given in that one."""
    searched: Json | None = None
    """The resource with what follows from its links, where a search looks at more than it says."""
    kept_as: Version | None = None
    """The version that it is of, where it cannot be given in the one asked for."""


@record
class Standing:
    """A version of a resource that was found."""

    give: Callable[[], tuple[Json | bytes, Version]]
    """The resource and the version that it is of. May raise NotAcceptable."""
    version: int | str = ""
    """Empty where versions are not kept apart."""
    updated: datetime | None = None


class Source(Protocol):
    """Where the resources of some types come from."""

    def candidates(self, asking: Asking, search: Search, after: int, /) -> Iterator[Candidate]:
        """What may match, in a lasting order, from the row behind `after`.

        Raises BadInput when the search names nothing that can be looked up.
        """

    def read(self, asking: Asking, type: str, id: str, version: str | None, /) -> Standing:
        """A resource as it stands, or one version of it. Raises NotFound, Gone."""

    def referred(self, asking: Asking, type: str, id: str, given: bool, /) -> Json | None:
        """What a reference points to; None without it.

        `given` asks for what can be given in the version asked for, and nothing else.
        """
