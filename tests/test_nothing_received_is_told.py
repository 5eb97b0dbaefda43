"""Whatever is sent, no answer to a fault, no log line and no line of the command repeats it.

A canary stands in place of values, of names of properties, of whole objects; then every place
where the product says something about what it received is searched for it. What the sender asked
for by address, and the resource itself where it is given back, are not errors.
"""

from __future__ import annotations

import copy
import io
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from refnot_fhir.errors import BadInput, Problem
from refnot_fhir.fhir import gate, wire
from refnot_fhir.fhir.versions import Version
from refnot_fhir.sources.deliver import IntoStore, deliver_all
from tests.door import Door, batch, dose, eligible, lab, open_door, patient, transaction

Path_ = tuple[str | int, ...]
Json = dict[str, Any]

# As a person's name, as a word that could be a name of an element or a type, and as an id.
CANARIES = ("Ivanov Kanareikin", "Kanareikin", "kanareikin")

NARRATIVE = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'}
SPECIMEN = {"resourceType": "Specimen", "id": "sp", "type": {"text": "blood"}}
RESOURCES: list[Json] = [
    patient(
        text=NARRATIVE,
        identifier=[{"system": "urn:oid:1.2.3", "value": "1"}],
        name=[{"use": "official", "family": "F", "given": ["G"]}],
        telecom=[{"system": "phone", "value": "1"}],
    ),
    {**lab("l1", 200), "contained": [SPECIMEN], "specimen": {"reference": "#sp"}},
    lab("l2", "2.5", code="30394-1"),
    dose("d1"),
    {"resourceType": "Medication", "id": "m1", "code": {"text": "x"}},
]

# What is done to a place: (what stands there, the canary) -> what shall stand there.
FAULTS: dict[str, Callable[[Any, str], Any]] = {
    "value": lambda _, canary: canary,
    "object": lambda _, canary: {"family": canary},
    "list": lambda _, canary: [canary],
    "key": lambda _, canary: {canary: 1},
    "key and value": lambda old, canary: {**(old if isinstance(old, dict) else {}), canary: canary},
    "deep": lambda _, canary: {canary: {canary: [{"family": canary}]}},
    "number": lambda _, canary: {canary: Written("1e400")},
    "twice": lambda _, canary: Written(f'{{"{canary}": "{canary}", "{canary}": 1}}'),
    "nul": lambda _, canary: {canary: f"{canary}\0"},
    "html": lambda _, canary: f'<div xmlns="http://www.w3.org/1999/xhtml"><{canary}/></div>',
}


class Written(str):
    """JSON text as it shall be sent."""

    __slots__ = ()


def places_in(node: Any, path: Path_ = ()) -> Iterator[Path_]:
    """Every place of a resource but its own address, of which the sender is told."""
    members = node.items() if isinstance(node, dict) else enumerate(node)
    for step, value in members:
        below = (*path, step)
        if below != ("id",):
            yield below
        if isinstance(value, dict | list):
            yield from places_in(value, below)


def with_fault(resource: Json, path: Path_, change: Callable[[Any, str], Any], canary: str) -> Json:
    """The resource with something else at one place."""
    changed = copy.deepcopy(resource)
    node: Any = changed
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = change(node[path[-1]], canary)
    return changed


def sent(bundle: Any) -> bytes:
    """JSON, but for what is to be sent as it is written."""
    if isinstance(bundle, Written):
        return str(bundle).encode()
    if isinstance(bundle, dict):
        members = (wire.encode(str(k)) + b":" + sent(v) for k, v in bundle.items())
        return b"{" + b",".join(members) + b"}"
    if isinstance(bundle, list):
        return b"[" + b",".join(map(sent, bundle)) + b"]"
    return wire.encode(bundle)


def told(answer: Any) -> str:
    """An answer without the resources that are given back."""
    if isinstance(answer, list):
        return " ".join(map(told, answer))
    if isinstance(answer, dict):
        given_back = answer.get("resource", {}).get("resourceType") not in (
            None,
            "OperationOutcome",
        )
        return " ".join(
            f"{name} {told(value)}"
            for name, value in answer.items()
            if not (name == "resource" and given_back)
        )
    return str(answer)


FAULTY = st.builds(
    lambda resource, place, fault, canary: (resource, place, fault, canary),
    st.sampled_from(range(len(RESOURCES))),
    st.integers(0, 10**6),
    st.sampled_from(sorted(FAULTS)),
    st.sampled_from(CANARIES),
)


def made(faulty: tuple[int, int, str, str]) -> Json:
    """The resource that a draw stands for."""
    number, place, fault, canary = faulty
    resource = RESOURCES[number]
    paths = list(places_in(resource))
    return with_fault(resource, paths[place % len(paths)], FAULTS[fault], canary)


def silent(text: str) -> bool:
    """Whether a text keeps what it was given to itself."""
    return "kanareikin" not in text.lower()


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with open_door(tmp_path_factory.mktemp("canary")) as found:
        found.kept(*eligible())
        yield found


@settings(deadline=None)
@given(FAULTY, st.sampled_from(list(Version)))
def test_the_gate_repeats_nothing(faulty: tuple[int, int, str, str], version: Version) -> None:
    refused: tuple[Problem, ...]
    try:
        refused = gate.problems(wire.decode(sent(made(faulty))), version)
    except BadInput as error:
        refused = error.problems
    for one in refused:
        assert silent(f"{one.message} {one.expression}")


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(FAULTY, st.sampled_from(["transaction", "batch", "PUT", "POST"]))
def test_the_answer_over_http_and_the_log_repeat_nothing(
    door: Door, caplog: pytest.LogCaptureFixture, faulty: tuple[int, int, str, str], how: str
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.clear()
    resource = made(faulty)
    original = RESOURCES[faulty[0]]
    headers = {"Prefer": "return=OperationOutcome"}
    if how in ("PUT", "POST"):
        path = original["resourceType"] + (f"/{original['id']}" if how == "PUT" else "")
        answer = door.send(how, path, sent(resource), headers)
    else:
        whole = transaction(original) if how == "transaction" else batch(original)
        whole["entry"][0]["resource"] = resource
        answer = door.send("POST", "", sent(whole), headers)
    assert answer.status_code < 500, answer.text
    assert silent(told(wire.decode(answer.data))), answer.text
    assert silent(str(answer.headers))
    assert silent(caplog.text)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(FAULTY, st.sampled_from(["resource", "bundle", "lines"]))
def test_the_lines_of_ingest_repeat_nothing(
    door: Door, tmp_path: Path, faulty: tuple[int, int, str, str], how: str
) -> None:
    text = sent(made(faulty))
    if how == "bundle":
        text = b'{"resourceType":"Bundle","type":"collection","entry":[{"resource":' + text + b"}]}"
    file = tmp_path / ("x.ndjson" if how == "lines" else "x.json")
    file.write_bytes(text)
    target = IntoStore(door.service, door.service.site())
    tally = deliver_all([str(file)], target, stdin=io.BytesIO())
    assert silent("\n".join(tally.problems))


BUNDLES: dict[str, Callable[[str], Json]] = {
    "type": lambda canary: {**transaction(*RESOURCES), "type": canary},
    "root": lambda canary: {**transaction(*RESOURCES), canary: canary},
    "resourceType": lambda canary: {"resourceType": canary},
    "resourceType object": lambda canary: {"resourceType": {"family": canary}},
    "no resourceType": lambda canary: {canary: canary},
    "identifier": lambda canary: {**transaction(), "identifier": {"system": canary, "value": "1"}},
    "method": lambda canary: _entry({"method": canary, "url": "Patient"}),
    "url": lambda canary: _entry({"method": "POST", "url": canary}),
    "url id": lambda canary: _entry({"method": "PUT", "url": f"Patient/{canary}?x"}),
    "condition": lambda canary: _entry({"method": "POST", "url": "Patient", "ifNoneExist": canary}),
    "match": lambda canary: _entry({"method": "PUT", "url": "Patient/p1", "ifMatch": canary}),
    "parameters": lambda canary: {"resourceType": "Parameters", "parameter": canary},
    "parameter": lambda canary: _parameters({"name": canary, "valueString": "x"}),
    "parameter value": lambda canary: _parameters({"name": "date", "valueString": canary}),
    "request key": lambda canary: _entry({"method": "PUT", "url": "Patient/p1", canary: "x"}),
}


def _parameters(*parameters: Json) -> Json:
    return {"resourceType": "Parameters", "parameter": list(parameters)}


def _entry(request: Json) -> Json:
    carried = {"resource": RESOURCES[0], "request": request}
    return {"resourceType": "Bundle", "type": "batch", "entry": [carried]}


@pytest.mark.parametrize("canary", CANARIES)
@pytest.mark.parametrize("name", BUNDLES)
def test_what_is_wrong_with_a_bundle_is_told_without_repeating_it(
    door: Door, name: str, canary: str
) -> None:
    made = BUNDLES[name]
    report = f"ResearchSubject/{door.subject()['id']}/$screening-report"
    for path in ("", "Patient", report):
        answer = door.send("POST", path, sent(made(canary)), {"Prefer": "return=OperationOutcome"})
        assert answer.status_code < 500, answer.text
        assert silent(answer.text), answer.text


@pytest.mark.parametrize(
    "query",
    [
        "Ivanov Kanareikin=1",
        "Kanareikin=1",
        "birthdate=Kanareikin",
        "identifier=a|b|Kanareikin",
        "patient=Kanareikin Ivanov&date=Kanareikin",
        "subject:Kanareikin=x",
        "_count=Kanareikin",
        "_include=Kanareikin",
        "_summary=Kanareikin",
    ],
)
@pytest.mark.parametrize("prefer", ["handling=strict", "handling=lenient"])
def test_what_is_wrong_with_a_search_is_told_without_repeating_it(
    door: Door, query: str, prefer: str
) -> None:
    for kind in ("Patient", "Observation", "ResearchSubject"):
        for answer in (
            door.get(f"{kind}?{query}", Prefer=prefer),
            door.send(
                "POST",
                f"{kind}/_search",
                query,
                {"Prefer": prefer},
                content_type="application/x-www-form-urlencoded",
            ),
        ):
            found = wire.decode(answer.data)
            found.pop("link", None)  # the address of the search itself
            assert silent(told(found)), answer.text


def test_a_reason_that_quotes_what_was_sent_is_told_without_the_quotation(door: Door) -> None:
    reading = lab("quoted", 80, code="14682-9", unit=CANARIES[0])
    answer = door.post("", batch(reading), Prefer="return=OperationOutcome")
    assert "unit “…” is not known" in answer.text
    assert "Bundle.entry[0].resource" in answer.text
    assert silent(told(wire.decode(answer.data)))


def test_a_fault_of_ours_is_logged_without_what_was_received(
    door: Door, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError(CANARIES[0])

    monkeypatch.setattr("refnot_fhir.trial.receive.parcel.of_bundle", broken)
    answer = door.send("POST", "", sent(transaction(*RESOURCES)))
    assert answer.status_code == 500
    assert silent(answer.text)
    assert "KeyError" in caplog.text
    assert silent(caplog.text)
