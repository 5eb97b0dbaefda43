"""Laws: a resend changes nothing, and the order of arrival changes nothing in the end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.door import (
    DRUG_OF_MEDICATION,
    Door,
    Json,
    batch,
    dose,
    eligible,
    lab,
    open_door,
    patient,
    transaction,
)
from tests.intake.test_plan import referring
from tests.web.test_corrections import ranged

MRN = {"system": "urn:mrn", "value": "17"}
RESOURCES: list[Json] = [
    *eligible(), lab("low", 120, days_ago=9), lab("gone", 90, status="entered-in-error"),
    ranged(), DRUG_OF_MEDICATION, referring(), dose("d1", days_ago=4), dose("d2", days_ago=1),
    patient("p2", link=[{"other": {"reference": "Patient/p1"}, "type": "replaced-by"}]),
    patient("p3", identifier=[MRN]), lab("by-identifier", 300, subject={"identifier": MRN}),
    lab("of-p2", 60, code="30394-1", unit="%", of="p2"),
]  # fmt: skip
SLOW = settings(
    max_examples=8, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)


def outcome(door: Door) -> object:
    """What is known in the end, without the ids and versions that depend on the way there."""
    who = ("p1", "p2", "p3")
    return {one: (door.verdicts(one), door.subject(one)["status"]) for one in who}, door.get(
        "/records/dosing?_format=csv"
    ).text.count("\n")


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> object:
    with open_door(tmp_path_factory.mktemp("sorted")) as door:
        door.kept(*RESOURCES)
        return outcome(door)


@SLOW
@given(data=st.data())
def test_a_patient_s_resources_in_any_order_and_any_bundles_end_alike(
    expected: object, data: st.DataObject
) -> None:
    order = data.draw(st.permutations(RESOURCES))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(order) - 1), max_size=5)))
    parts = [order[a:b] for a, b in zip([0, *cuts], [*cuts, len(order)], strict=True)]
    with TemporaryDirectory() as folder, open_door(Path(folder)) as door:
        for number, part in enumerate(parts):
            sent = batch(*part) if number % 2 else transaction(*part)
            assert door.post("", sent).headers["X-Entries-Failed"] == "0"
            for again in data.draw(st.lists(st.sampled_from(parts[: number + 1]), max_size=2)):
                before = door.state()
                door.post("", data.draw(st.sampled_from([batch, transaction]))(*again))
                rows, subjects = door.state()
                assert (rows, subjects) == before
        assert outcome(door) == expected


def test_the_same_bundle_at_the_same_time_is_kept_once(door: Door) -> None:
    sent = transaction(*RESOURCES)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: door.post("", sent).status_code, range(12)))
    assert answers == [200] * 12
    rows = door.rows()
    assert (rows["resources"], rows["versions"]) == (len(RESOURCES), len(RESOURCES))
    before = door.state()
    again = door.post("", sent)
    assert again.headers["X-Replayed"] == "true"
    assert door.state() == before


def test_what_failed_is_not_remembered_as_answered(door: Door) -> None:
    sent = batch(patient(), lab(status="banana"))
    for _ in range(2):
        answer = door.post("", sent)
        assert answer.headers["X-Entries-Failed"] == "1"
        assert "X-Replayed" not in answer.headers
