"""What every door of the product works with: settings, mapping files, store, clock, ids."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from refnot_fhir.charts import Judge
from refnot_fhir.core.rules import Rulebook, Site
from refnot_fhir.errors import NotFound
from refnot_fhir.reassess import MARK_SINCE
from refnot_fhir.settings import Settings
from refnot_fhir.store.base import Store

DEFAULT_SITE = "default"
"""The site of the plain FHIR base, without a site in the path."""


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


def new_id() -> str:
    """A UUID of version 7 (RFC 9562): ids made later sort later."""
    moment = time.time_ns() // 1_000_000
    number = moment << 80 | int.from_bytes(os.urandom(10), "big")
    number = number & ~(0xF << 76) | (7 << 76)
    number = number & ~(0x3 << 62) | (0x2 << 62)
    return str(uuid.UUID(int=number))


@dataclass(frozen=True, slots=True)
class Service:
    """The parts that a request, or a command, needs."""

    settings: Settings
    rulebook: Rulebook
    store: Store
    clock: Callable[[], datetime] = utc_now
    new_id: Callable[[], str] = new_id

    @property
    def rules_since(self) -> datetime:
        """When the mapping files in use came into use here: what they publish is as old as that."""
        stated = self.store.mark(MARK_SINCE)
        return datetime.fromisoformat(stated) if stated else self.clock()

    def judge(self) -> Judge:
        """Judgement as of now."""
        return Judge(self.rulebook, self.clock(), self.new_id, self.settings.replay)

    def site(self, name: str = DEFAULT_SITE) -> Site:
        """The site of that name. Raises NotFound, naming the sites there are."""
        site = self.rulebook.sites.get(name)
        if site is None:
            known = ", ".join(sorted(self.rulebook.sites))
            raise NotFound(f"there is no site {name}: sites are {known}")
        return site
