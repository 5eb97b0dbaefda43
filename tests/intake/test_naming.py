"""The ids of creates follow from what is created, in whatever order and circles it refers."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnot_fhir.fhir import wire
from refnot_fhir.trial.receive.naming import Naming
from refnot_fhir.trial.receive.request import CREATE, UPDATE, Request
from tests.door import Json


def create(resource: Json, full_url: str = "", **more: str) -> Request:
    raw = wire.encode(resource)
    return Request(CREATE, resource["resourceType"], "", raw, wire.decode(raw), full_url, **more)


def referring(text: str, *urls: str) -> Json:
    return {
        "resourceType": "Observation",
        "code": {"text": text},
        "hasMember": [{"reference": url} for url in urls],
    }


def ids(*requests: Request, salt: str = "") -> list[str]:
    named = Naming(requests).named("here", [None] * len(requests), {}, salt)
    return [one.key.id for one in named]


A, B, C = (f"urn:uuid:00000000-0000-4000-8000-00000000000{n}" for n in "abc")


def test_a_chain_of_references_has_the_same_ids_whatever_its_urls_are_called() -> None:
    for x, y, z in ((A, B, C), (B, C, A)):
        found = ids(
            create(referring("top", y), x), create(referring("middle", z), y),
            create(referring("leaf"), z),
        )  # fmt: skip
        assert len(set(found)) == 3
        assert found == ids(
            create(referring("top", B), A), create(referring("middle", C), B),
            create(referring("leaf"), C),
        )  # fmt: skip


def test_what_refers_to_something_else_is_something_else() -> None:
    to_one = ids(create(referring("x", B)), create(referring("one"), B))
    to_two = ids(create(referring("x", B)), create(referring("two"), B))
    assert to_one[0] != to_two[0]


def test_a_reference_made_literal_by_its_sender_names_the_same_resource() -> None:
    leaf, top = ids(create(referring("leaf"), B), create(referring("top", B)))
    assert ids(create(referring("top", f"Observation/{leaf}"))) == [top]


@given(order=st.permutations(range(4)))
def test_circles_have_ids_that_depend_on_their_content_alone(order: list[int]) -> None:
    circle = [
        create(referring("a", B, C), A), create(referring("b", A), B),
        create(referring("c", C), C), create(referring("outside", A)),
    ]  # fmt: skip
    expected = ids(*circle)
    assert len(set(expected)) == 4
    assert ids(*(circle[index] for index in order)) == [expected[index] for index in order]
    other = [create(referring("changed", B, C), A), *circle[1:]]
    assert not set(ids(*other)[:2]) & set(expected)


def test_what_depends_on_a_circle_is_told_apart_by_the_whole_circle() -> None:
    found = set()
    for family in ("x", "y"):
        circle = [create(referring(family, B), A), create(referring("b", A), B)]
        found |= set(ids(*circle, create(referring("the same", A))))
    assert len(found) == 6


def test_rings_of_equals_do_not_share_ids_with_rings_of_another_size() -> None:
    def ring(*urls: str) -> list[Request]:
        following = (*urls[1:], urls[0])
        return [create(referring("x", b), a) for a, b in zip(urls, following, strict=True)]

    single, pair = ids(*ring("urn:1")), ids(*ring("urn:1", "urn:2"))
    four = ids(*ring("urn:1", "urn:2", "urn:3", "urn:4"))
    assert len({*single, *pair, *four}) == 7
    assert ids(*ring("urn:1"), *ring("urn:2", "urn:3")) == [*single, *pair]


@pytest.mark.parametrize("steps", [2, 3, 7])
def test_a_difference_some_steps_away_in_a_circle_is_a_difference(steps: int) -> None:
    def ring(text: str) -> list[str]:
        urls = [f"urn:uuid:{n}" for n in range(steps + 1)]
        texts = ["x"] * steps + [text]
        following = (*urls[1:], urls[0])
        parts = zip(texts, urls, following, strict=True)
        return ids(*(create(referring(said, below), url) for said, url, below in parts))

    assert not set(ring("one")) & set(ring("two"))


def test_equals_are_numbered_and_a_salt_makes_others() -> None:
    twice = [create(referring("x")), create(referring("x"))]
    first, second = ids(*twice)
    assert first != second
    assert ids(*twice) == [first, second]
    assert ids(twice[0]) == [first]
    assert not set(ids(*twice, salt="other")) & {first, second}


def test_a_long_chain_is_named_without_recursion() -> None:
    urls = [f"urn:uuid:{n}" for n in range(3000)]
    chain = [create(referring("x", below), url) for url, below in pairwise(urls)]
    assert len(set(ids(*chain, create(referring("end"), urls[-1])))) == 3000


@pytest.mark.parametrize("urn", ["urn:uuid:none", "urn:oid:1.2.3"])
def test_a_reference_to_no_entry_is_named_with_its_place(urn: str) -> None:
    naming = Naming([create(referring("x", "Patient/1", urn), where="Bundle.entry[0].resource")])
    problem = naming.dangling(0)
    assert problem is not None
    assert problem.expression == "Bundle.entry[0].resource.hasMember[1].reference"
    assert urn not in problem.message


def test_a_delivery_is_recognised_by_what_it_asks_for() -> None:
    one = [create(referring("x", A)), create(referring("y"), A)]
    same = [create(referring("x", B)), create(referring("y"), B)]
    assert Naming(one).content("batch") == Naming(same).content("batch")
    others = [
        [create(referring("x", A), A), create(referring("y"))],
        one[:1],
        [one[1], one[0]],
        [one[0], Request(UPDATE, "Observation", "y", b"", referring("y"), A)],
    ]
    found = {Naming(other).content("batch") for other in others}
    assert len(found | {Naming(one).content("batch"), Naming(one).content("transaction")}) == 6
