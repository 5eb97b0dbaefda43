"""A store with many resources in it: they are sent to the service, many patients in a bundle.

What is in the store is what deliveries leave there, whatever the service makes of them.
"""

from __future__ import annotations

from benchmarks import bundles, inside, wsgi

_AT_ONCE = 2000
"""Entries of one bundle."""


def fill(url: str, template: bytes, kind: str, patients: range) -> None:
    """Add these patients (`bundles.patient_id(kind, n)`), each with what `template` says of one."""
    size = max(1, _AT_ONCE // sum(1 for _ in bundles.resources(template)))
    service = inside.opened(url)
    try:
        for start in range(patients.start, patients.stop, size):
            numbers = range(start, min(start + size, patients.stop))
            names = [bundles.patient_id(kind, number) for number in numbers]
            body = bundles.for_patients(template, names)
            wsgi.ask(service.application, "POST", "/fhir", body)
    finally:
        service.close()
