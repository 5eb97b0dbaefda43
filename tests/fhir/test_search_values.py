from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnot_fhir.core.values import When
from refnot_fhir.fhir import search
from refnot_fhir.fhir.search import match as search_match
from refnot_fhir.fhir.search import values
from refnot_fhir.fhir.search.values import Setting, Target, Token
from refnot_fhir.fhir.versions import Version
from tests.fhir.published_builders import BASE, NOW

SETTING = Setting(UTC, NOW, BASE)
TEXT = st.text(max_size=20)
SPECIAL = st.text(alphabet="ab,|$\\", max_size=8)
MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)).map(  # noqa: DTZ001
    lambda moment: moment.replace(tzinfo=UTC)
)


@st.composite
def spans(draw):
    first, last = sorted((draw(MOMENTS), draw(MOMENTS)))
    return When(first, last, "")


@st.composite
def calendar_spans(draw):
    """A year, month or day, as a search names it."""
    moment = draw(MOMENTS)
    form = draw(st.sampled_from(["%Y", "%Y-%m", "%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"]))
    return values.moment(moment.strftime(form), SETTING).span


def holding(wanted, found, prefixes):
    return [prefix for prefix in prefixes if search_match.within(prefix, wanted, found)]


@given(calendar_spans(), MOMENTS)
def test_a_moment_is_before_within_or_after_a_day_and_never_two_of_them(wanted, moment):
    found = When(moment, moment, "")
    assert len(holding(wanted, found, ("lt", "eq", "gt"))) == 1
    assert len(holding(wanted, found, ("eb", "eq", "sa"))) == 1


@given(calendar_spans(), MOMENTS)
def test_for_a_moment_ge_is_gt_or_eq_and_le_is_lt_or_eq(wanted, moment):
    found = When(moment, moment, "")
    assert bool(holding(wanted, found, ["ge"])) is bool(holding(wanted, found, ["gt", "eq"]))
    assert bool(holding(wanted, found, ["le"])) is bool(holding(wanted, found, ["lt", "eq"]))
    assert bool(holding(wanted, found, ["ap"])) is bool(holding(wanted, found, ["eq"]))


@given(spans(), spans())
def test_the_prefixes_contradict_each_other_as_they_should(wanted, found):
    holds = {
        prefix: search_match.within(prefix, wanted, found)
        for prefix in ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")
    }
    assert holds["eq"] is not holds["ne"]
    assert not (holds["sa"] and holds["eb"])
    assert holds["ge"] is not holds["eb"]
    assert holds["le"] is not holds["sa"]
    assert holds["ge"] or not (holds["gt"] or holds["eq"])
    assert holds["le"] or not (holds["lt"] or holds["eq"])
    assert holds["gt"] or not holds["sa"]
    assert holds["lt"] or not holds["eb"]
    assert holds["ap"] is (not holds["sa"] and not holds["eb"])


@given(st.lists(SPECIAL, min_size=1, max_size=4))
def test_escaped_pieces_come_back_from_between_the_separators(pieces):
    joined = ",".join(map(values.escape, pieces))
    assert [values.unescape(piece) for piece in values.split(joined, ",")] == pieces


@given(TEXT | SPECIAL)
def test_what_is_escaped_is_unescaped_to_itself(text):
    assert values.unescape(values.escape(text)) == text


@given(st.none() | TEXT | SPECIAL, st.none() | TEXT | SPECIAL)
def test_a_token_written_is_the_token_read(system, code):
    token = Token(system, code or None)
    if token.code is None and not token.system:
        return
    assert values.token(values.written(token)) == token


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", Token(None, "a")),
        ("s|a", Token("s", "a")),
        ("|a", Token("", "a")),
        ("s|", Token("s", None)),
        (r"a\|b", Token(None, "a|b")),
        (r"s\\|a\,b", Token("s\\", "a,b")),
        ("\\", Token(None, "\\")),
    ],
)
def test_a_token_is_read_as_hl7_writes_it(text, expected):
    assert values.token(text) == expected


@pytest.mark.parametrize("text", ["", "|", "a|b|c"])
def test_what_is_no_token_is_refused(text):
    with pytest.raises(ValueError, match=r"system\|code"):
        values.token(text)


CODES = st.sampled_from(["a", "b", "A"])
SYSTEMS = st.sampled_from(["", "s", "t"])
CODINGS = st.fixed_dictionaries({"code": CODES}, optional={"system": SYSTEMS.filter(bool)})


@given(
    st.lists(CODINGS, max_size=3),
    st.lists(st.builds(Token, st.none() | SYSTEMS, CODES), min_size=1, max_size=3),
)
def test_a_token_search_finds_what_looking_at_every_coding_finds(codings, wanted):
    query = ",".join(map(values.written, wanted))
    asked = search.parse("Observation", [("code", query)], Version.R4, now=NOW)
    expected = any(
        coding["code"] == token.code and token.system in (None, coding.get("system", ""))
        for coding in codings
        for token in wanted
    )
    assert search.matches(asked, {"code": {"coding": codings}}) is expected
    none_of = search.parse("Observation", [("code:not", query)], Version.R4, now=NOW)
    assert search.matches(none_of, {"code": {"coding": codings}}) is not expected


@given(st.integers(-10_000, 10_000), st.integers(-10_000, 10_000), st.integers(0, 2))
def test_a_number_is_below_equal_or_above_unless_it_is_close(found, wanted, places):
    number = Decimal(wanted).scaleb(-places)
    element = Decimal(found).scaleb(-places)
    prefixes = ("lt", "eq", "gt")
    holds = [
        prefix
        for prefix in prefixes
        if search_match.number(values.number(f"{prefix}{number:f}"), element)
    ]
    # Written to the same precision, numbers that differ are not close.
    assert holds == [prefixes[(element > number) - (element < number) + 1]]


@pytest.mark.parametrize(
    ("asked", "matching", "others"),
    [
        ("100", ["99.5", "100", "100.4"], ["99.4", "100.5"]),
        ("100.00", ["99.995", "100.00"], ["99.99", "100.005"]),
        ("1e2", ["60", "149"], ["40", "150"]),
        ("ne100", ["101"], ["100"]),
        ("ge100", ["100", "101"], ["99.9"]),
        ("le-5", ["-5", "-6"], ["0"]),
        ("sa5", ["6"], ["5"]),
        ("eb5", ["4"], ["5"]),
        ("ap100", ["90", "110"], ["89", "111"]),
    ],
)
def test_a_number_is_as_precise_as_it_is_written(asked, matching, others):
    wanted = values.number(asked)
    assert [text for text in matching if not search_match.number(wanted, Decimal(text))] == []
    assert [text for text in others if search_match.number(wanted, Decimal(text))] == []


@pytest.mark.parametrize("element", [True, "5", None, {"value": 5}])
def test_only_a_number_is_compared_with_a_number(element):
    assert not search_match.number(values.number("ne5"), element)


@pytest.mark.parametrize(
    ("text", "type", "expected"),
    [
        ("p1", "", Target("", "p1")),
        ("p1", "Patient", Target("Patient", "p1")),
        ("Patient/p1", "", Target("Patient", "p1")),
        ("Patient/p1/_history/3", "", Target("Patient", "p1")),
        (f"{BASE}/Patient/p1", "", Target("Patient", "p1")),
        ("http://a.org/Patient/p1", "", Target("", "", "http://a.org/Patient/p1")),
        ("urn:uuid:1", "", Target("", "", "urn:uuid:1")),
    ],
)
def test_a_reference_is_an_id_a_type_with_an_id_or_an_address(text, type, expected):
    assert values.target(text, SETTING, type) == expected


@pytest.mark.parametrize(
    ("wanted", "element", "expected"),
    [
        ("p1", {"reference": "Patient/p1/_history/2"}, True),
        ("p1", {"reference": f"{BASE}/Patient/p1"}, True),
        ("p1", {"reference": "http://a.org/Patient/p1"}, False),
        ("http://a.org/Patient/p1", {"reference": "http://a.org/Patient/p1"}, True),
        ("p1", {"reference": "#p1"}, False),
        ("p1", {"display": "p1"}, False),
        ("p1", "Patient/p1", False),
    ],
)
def test_a_reference_of_another_service_is_found_by_address_only(wanted, element, expected):
    asked = values.target(wanted, SETTING)
    assert search_match.target(asked, element, BASE, ("Patient",)) is expected


@pytest.mark.parametrize(
    ("element", "expected"),
    [
        ([{"family": "Öström", "given": ["Åsa", "Maria"], "use": "official"}], True),
        ("  ostrom ", True),
        ({"text": "Anna Ostrom"}, False),
        (7, False),
    ],
)
def test_text_is_compared_without_case_and_accents_piece_by_piece(element, expected):
    assert search_match.text(values.Text("OSTR"), element) is expected


@pytest.mark.parametrize(
    ("wanted", "element", "bound", "expected"),
    [
        (Token(None, "final"), "final", "", True),
        (Token("s", "final"), "final", "s", True),
        (Token("s", "final"), "final", "", False),
        (Token("s", None), "final", "s", True),
        (Token(None, "true"), True, "", True),
        (Token("s", "true"), True, "", False),
        (Token(None, "x"), {"value": "x"}, "", True),
        (Token(None, "x"), {"text": "x"}, "", False),
        (Token(None, "x"), 5, "", False),
        (Token(None, "x"), None, "", False),
    ],
)
def test_a_token_fits_codes_identifiers_and_booleans(wanted, element, bound, expected):
    assert search_match.token(wanted, element, bound) is expected


def test_a_timing_is_dated_and_what_is_no_date_is_not():
    wanted = values.moment("2026-05", SETTING)
    assert search_match.moment(wanted, {"event": ["2026-05-04", "2026-05-06"]}, UTC)
    assert not search_match.moment(wanted, {}, UTC)
    assert not search_match.moment(wanted, 5, UTC)


@pytest.mark.parametrize("text", ["ap0001", "ap9999", "ap2026-05-20"])
def test_approximately_stays_within_what_dates_can_be(text):
    found = values.moment(text, SETTING).span
    exact = values.moment(text.removeprefix("ap"), SETTING).span
    assert found.earliest <= exact.earliest + timedelta(days=1)
    assert found.latest >= exact.latest - timedelta(days=2)
