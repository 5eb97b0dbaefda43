"""What every door of the product works with: settings, mapping files, store, clock, ids."""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections.abc import Callable
from dataclasses import field
from datetime import UTC, datetime, timedelta

from refnot_fhir.core.record import record
from refnot_fhir.core.rules import Rulebook
from refnot_fhir.core.site import Site
from refnot_fhir.errors import NotFound
from refnot_fhir.settings import Settings
from refnot_fhir.store.contract import Store
from refnot_fhir.trial.judge import Judge
from refnot_fhir.trial.reassess import MARK_SINCE

log = logging.getLogger(__name__)

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


class HighWater:
    """The newest moment that this store was dated with, by any process: no later one is earlier.

    A clock that is set back must not make what arrives now look older than what is kept.
    """

    def __init__(self) -> None:
        self._newest: datetime | None = None
        self._asked = -_ASKED_EVERY
        self._said = False

    def moment(self, clock: datetime, store: Store) -> datetime:
        """What the clock says, or the newest moment known where that is later."""
        if time.monotonic() - self._asked >= _ASKED_EVERY:
            self._asked = time.monotonic()
            kept = store.newest_moment()
            if kept is not None and (self._newest is None or kept > self._newest):
                self._newest = kept
        newest = self._newest
        if newest is None or clock >= newest:
            self._newest, self._said = clock, False
            return clock
        if newest - clock > CLOCK_TOLERANCE and not self._said:
            self._said = True
            log.warning("clock.behind: the clock says %s, the newest moment kept is %s",
                        clock.isoformat(), newest.isoformat())  # fmt: skip
        return newest


_ASKED_EVERY = 1.0
"""Seconds after which the store is asked again what other processes wrote."""
CLOCK_TOLERANCE = timedelta(seconds=5)
"""What clocks of several machines may differ by, and a time service may set back, in silence."""


@record
class Service:
    """The parts that a request, or a command, needs."""

    settings: Settings
    rulebook: Rulebook
    store: Store
    clock: Callable[[], datetime] = utc_now
    new_id: Callable[[], str] = new_id
    high_water: HighWater = field(default_factory=HighWater)

    @property
    def rules_since(self) -> datetime:
        """When the mapping files in use came into use here: what they publish is as old as that."""
        stated = self.store.mark(MARK_SINCE)
        return datetime.fromisoformat(stated) if stated else self.clock()

    def judge(self) -> Judge:
        """Judgement as of now; dated no earlier than anything that is kept."""
        clock = self.clock()
        moment = self.high_water.moment(clock, self.store)
        behind = None if moment == clock else clock
        return Judge(self.rulebook, moment, self.new_id, self.settings.replay, behind)

    def public_base(self, site: Site) -> str:
        """The FHIR base of a site as clients see it; empty where no setting says it."""
        root = self.settings.public_url.rstrip("/")
        below = "" if site.name == DEFAULT_SITE else f"/{site.name}"
        return f"{root}{below}{self.settings.base_path}" if root else ""

    def site(self, name: str = DEFAULT_SITE) -> Site:
        """The site of that name. Raises NotFound, naming the sites there are."""
        site = self.rulebook.sites.get(name)
        if site is None:
            known = ", ".join(sorted(self.rulebook.sites))
            raise NotFound(f"there is no site {name}: sites are {known}")
        return site
