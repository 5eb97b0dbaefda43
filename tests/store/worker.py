"""A process of its own that writes to a store: `python -m tests.store.worker URL NAME COUNT`.

It writes COUNT resources that nobody else writes, and adds as many versions to the one resource
that all processes share. After each write it says so on standard output.
"""

from __future__ import annotations

import sys

from refnot_fhir.store import open_store
from refnot_fhir.store.contract import AuditEntry, Writer
from tests.store.things import NOW, kept, key, lab_reading

SHARED = key("shared")


def add_version(writer: Writer) -> int:
    """Add the next version of the resource that all share."""
    head = writer.heads([SHARED]).get(SHARED)
    version = head.last + 1 if head else 1
    writer.keep([kept(SHARED, version)])
    return version


def main(url: str, name: str, count: int) -> None:
    store = open_store(url)
    for number in range(count):
        own = key(f"{name}-{number}")

        def work(writer: Writer) -> int:
            writer.keep([kept(own)])  # noqa: B023 - it runs before the next round
            writer.set_readings([lab_reading(own)])  # noqa: B023
            writer.log([AuditEntry(NOW, name, "create", own.id)])  # noqa: B023
            return add_version(writer)

        version = store.write(work)
        sys.stdout.write(f"{number} {version}\n")
        sys.stdout.flush()
    store.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
