"""A simulation on disk: the bundles to send, and the manifest that says what must come of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from refnot_fhir.core.rules import Rulebook
from refnot_fhir.errors import Conflict
from refnot_fhir.fhir import wire
from refnot_fhir.simulate.hospital import hospital
from refnot_fhir.simulate.patients import simulated

Json = dict[str, Any]

FOLDER, DECISIONS = "bundles", "ctms"
"""Each a folder that can be sent without the manifest: what the hospital sends, and what a
trial management system sends to a running server afterwards."""


@cache
def schema() -> Json:
    """The JSON Schema (2020-12) of the manifest."""
    file = resources.files("refnot_fhir.simulate").joinpath("manifest.schema.json")
    loaded: Json = json.loads(file.read_text("utf-8"))
    return loaded


def bundles(
    patients: int, seed: int, *, rulebook: Rulebook, until: date | None = None
) -> Iterator[Json]:
    """Every transaction Bundle in the order of sending; `Bundle.id` is its name.

    The same arguments give the same bundles on every machine. `until` is the last day that
    anything happens on; without it, the one in `hospital.toml`.
    """
    for patient in simulated(patients, seed, rulebook=rulebook, until=until):
        yield from patient.bundles


def manifest(patients: int, seed: int, *, rulebook: Rulebook, until: date | None = None) -> Json:
    """What each patient was built to show, and what must be concluded of it; see `schema`."""
    told = simulated(patients, seed, rulebook=rulebook, until=until)
    head = _head(patients, seed, rulebook=rulebook, until=until)
    return {"simulation": head, "patients": [patient.as_json() for patient in told]}


def write(
    folder: Path,
    patients: int,
    seed: int,
    rulebook: Rulebook,
    *,
    until: date | None = None,
    progress: Callable[[int], None] | None = None,
) -> Path:
    """Write `bundles/*.json` and `manifest.json` under `folder`; returns the manifest's path.

    `progress` is called with the number of patients written so far. Writing the same
    simulation again changes nothing and mends one that was broken off; Conflict when the folder
    holds another one, whose bundles would be sent along with these.
    """
    head = wire.encode(_head(patients, seed, rulebook=rulebook, until=until))
    first = b'{"simulation":' + head + b',"patients":[\n'
    path = folder / "manifest.json"
    _refuse_another(folder, path, first)
    for name in (FOLDER, DECISIONS):
        (folder / name).mkdir(parents=True, exist_ok=True)
    with path.open("wb") as out:
        out.write(first)
        told = simulated(patients, seed, rulebook=rulebook, until=until)
        for done, patient in enumerate(told, start=1):
            for inside, sent in ((FOLDER, patient.bundles), (DECISIONS, patient.decisions)):
                for bundle in sent:
                    path_of = folder / inside / f"{bundle['id']}.json"
                    path_of.write_bytes(wire.encode(bundle) + b"\n")
            end = b",\n" if done < patients else b"\n"
            out.write(wire.encode(patient.as_json()) + end)
            if progress is not None:
                progress(done)
        out.write(b"]}\n")
    return path


def _head(patients: int, seed: int, *, rulebook: Rulebook, until: date | None) -> Json:
    return {
        "patients": patients,
        "seed": seed,
        "until": (until or hospital().until).isoformat(),
        "rulebook": rulebook.digest,
    }


def _refuse_another(folder: Path, path: Path, first: bytes) -> None:
    """The first line of a manifest tells one simulation from another."""
    if not any((folder / FOLDER).glob("*")):
        return
    if path.is_file():
        with path.open("rb") as known:
            if known.readline() == first:
                return
    raise Conflict(
        f"{folder / FOLDER} holds other files: name an empty folder, or remove what is in it"
    )
