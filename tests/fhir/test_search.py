from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from refnot_fhir.errors import BadInput
from refnot_fhir.fhir import search
from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.write import research_study, research_subject
from tests.fhir.published_builders import BASE, NOW, PROTOCOL, VERSIONS, subject

R4_LIKE = (Version.R4, Version.R4B)
STUDY = "ResearchStudy"
SUBJECT = "ResearchSubject"
HELD = subject(
    status="on-study",
    enrolled_on=date(2026, 5, 4),
    ended_on=date(2026, 6, 4),
    planned_arm="alone",
    replay=True,
)
PATIENT = {
    "resourceType": "Patient",
    "id": "p1",
    "identifier": [{"system": "urn:mrn", "value": "17"}],
    "birthDate": "1965-03-02",
    "gender": "female",
    "active": True,
    "deceasedDateTime": "2026-08-01",
    "link": [{"other": {"reference": "Patient/p0"}, "type": "replaces"}],
}


def asked(type, query, version=Version.R4, **options):
    """The search that a readable query asks for: `a=b&c=d`, not percent-encoded."""
    args = [tuple(pair.split("=", 1)) for pair in query.split("&")] if query else []
    return search.parse(type, args, version, now=NOW, **{"base": BASE, **options})


def study(version):
    return research_study.write(PROTOCOL, version, last_updated=NOW, version_id="1")


def held(version):
    return research_subject.write(HELD, PROTOCOL, version)


def resolve(version):
    known = {"Patient/p1": PATIENT, "ResearchStudy/refnot-r2": study(version)}
    return known.get


def found(type, query, resource, version=Version.R4, **options):
    asking = asked(type, query, version, **options)
    assert asking.ignored == ()
    return search.matches(asking, resource, resolve=resolve(version))


SUBJECT_ROWS = [
    ("", True, "nothing is asked for"),
    ("_id=0190-s1", True, "the id"),
    ("_id=other,0190-s1", True, "one of several ids"),
    ("_lastUpdated=2026-05-20", True, "within the day"),
    ("_lastUpdated=gt2026-05-20", False, "not after the day"),
    ("_tag=HTEST", True, "test data"),
    ("_tag:not=HTEST", False, "no test data"),
    ("identifier=R2-001", True, "any system"),
    ("identifier=https://trial.example.org/subjects|R2-001", True, "of the system"),
    ("identifier=https://trial.example.org/subjects|", True, "any of the system"),
    ("identifier=|R2-001", False, "it has a system"),
    ("identifier=r2-001", False, "upper case matters"),
    ("patient=p1", True, "bare id"),
    ("patient=Patient/p1", True, "with type"),
    (f"patient={BASE}/Patient/p1", True, "absolute, of this service"),
    ("patient=https://elsewhere.example.org/Patient/p1", False, "of another service"),
    ("patient=p2", False, "somebody else"),
    ("patient=p2,p1", True, "one of two"),
    ("patient=p1&patient=p2", False, "both at once"),
    ("individual=Patient/p1", True, "the name in R4"),
    ("subject=Patient/p1", True, "the name in R5"),
    ("subject:Patient=p1", True, "type as a modifier"),
    ("patient.identifier=urn:mrn|17", True, "by the number at the hospital"),
    ("individual.identifier=urn:mrn|18", False, "another number"),
    ("subject.identifier=17", True, "chained under its third name"),
    ("patient:Patient.identifier=17", True, "chained with a type"),
    ("patient.birthdate=1965", True, "chained to another parameter"),
    ("study=refnot-r2", True, "study"),
    ("study=ResearchStudy/refnot-r2", True, "study with type"),
    ("study=ResearchStudy/other", False, "another study"),
    ("study.identifier=https://clinicaltrials.gov/nctid|NCT05898451", True, "registry number"),
    ("study.identifier=NCT00000000", False, "another registry number"),
    ("study:identifier=https://clinicaltrials.gov/nctid|NCT05898451", True, "in the reference"),
    ("study:identifier=NCT00000000", False, "another one in the reference"),
    ("date=2026-05", False, "the period goes on after May"),
    ("date=2026", True, "the period is within the year"),
    ("date=ge2026-05-04", True, "from its first day on"),
    ("date=sa2026-05-03", True, "it starts after the day before"),
    ("date=sa2026-05-04", False, "it starts on that day"),
    ("date=eb2026-06-05", True, "it ends before"),
    ("date:missing=true", False, "there is a period"),
    ("date:missing=false", True, "there is a period"),
]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("query", "expected", "why"), SUBJECT_ROWS)
def test_a_subject_is_found_by(query, expected, why, version):
    assert found(SUBJECT, query, held(version), version) is expected, why


@pytest.mark.parametrize("version", R4_LIKE)
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("status=on-study", True),
        ("status=candidate,on-study", True),
        ("status=http://hl7.org/fhir/research-subject-status|on-study", True),
        ("status=http://example.org|on-study", False),
        ("status=|on-study", True),
        ("status:not=on-study", False),
        ("status:not=candidate,screening", True),
        ("status=active", False),
    ],
)
def test_an_r4_status_is_where_the_subject_stands(query, expected, version):
    assert found(SUBJECT, query, held(version), version) is expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("status=active", True),
        ("status=on-study", False),
        ("subject_state=screening", True),
        (
            "subject_state=http://terminology.hl7.org/CodeSystem/research-subject-state|eligible",
            True,
        ),
        ("subject_state=withdrawn", False),
    ],
)
def test_an_r5_status_is_that_of_the_record_and_the_state_is_apart(query, expected):
    assert found(SUBJECT, query, held(Version.R5), Version.R5) is expected


STUDY_ROWS = [
    ("identifier=https://clinicaltrials.gov/nctid|NCT05898451", True),
    ("title=effect of refnot", True),
    ("title=refnot", False),
    ("title:contains=REFNOT", True),
    ("title:exact=effect of Refnot on Immunity in Cancer Patients", False),
    ("title:exact=Effect of Refnot on Immunity in Cancer Patients", True),
    ("title=Efféct", True),
    ("date=ge2011", True),
    ("date=2009", False),
    ("date=ap2010", True),
    ("date=lt2009-06-04", False),
    ("date=le2009-06-04", True),
    ("keyword:missing=false", True),
    ("protocol:missing=true", True),
    ("site=Location/1", False),
]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("query", "expected"), STUDY_ROWS)
def test_a_study_is_found_by(query, expected, version):
    assert found(STUDY, query, study(version), version) is expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("status=active", True),
        ("phase=phase-2", True),
        ("name=Refnot", True),
        ("description:contains=solid tumours", True),
        ("focus-code=https://refnot-fhir.example.org/fhir/CodeSystem/study-drugs|refnot", True),
        ("recruitment-actual=55", True),
        ("recruitment-actual=gt55", False),
        ("recruitment-target=le50", True),
        ("recruitment-target=ap54", True),
        ("progress-status-state-actual=completed$true", True),
        ("progress-status-state-actual=completed$false", False),
        ("progress-status-state-period=completed$ge2011-11", True),
        ("progress-status-state-period-actual=completed$ge2011-11$true", True),
        ("progress-status-state-period-actual=active$ge2011-11$true", False),
    ],
)
def test_a_study_is_found_in_r5_by(query, expected):
    assert found(STUDY, query, study(Version.R5), Version.R5) is expected


def test_what_is_about_a_date_depends_on_when_it_is_asked():
    def values(query, now):
        args = [("_id", "1"), ("date", query)]
        return search.parse(SUBJECT, args, Version.R4, now=now, base=BASE).of("date")[0].values

    later = NOW + timedelta(days=3650)
    assert values("ap2010", NOW) != values("ap2010", later)
    assert values("ge2010", NOW) == values("ge2010", later)


@pytest.mark.parametrize("version", R4_LIKE)
@pytest.mark.parametrize(
    ("query", "expected"),
    [("status=completed", True), ("focus=refnot", True), ("category=x", False)],
)
def test_a_study_is_found_in_r4_by(query, expected, version):
    assert found(STUDY, query, study(version), version) is expected


@pytest.mark.parametrize(
    "query",
    [
        "name=x",
        "colour=red",
        "_has:Observation:patient:code=x",
        "_revinclude=Provenance:target",
        "_include=ResearchSubject:consent",
        "_include:iterate=ResearchSubject:study",
        "_summary=true",
        "patient.name=x",
        "subject_state=screening",
    ],
)
def test_what_is_not_known_is_ignored_and_says_so(query):
    asking = asked(SUBJECT, f"{query}&_id=1")
    (problem,) = asking.ignored
    name = query.partition("=")[0]
    assert problem.expression == f"http.{name}"
    assert problem.message.startswith(name)
    assert asking.used == (("_id", "1"),)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("date=yesterday", "value"),
        ("date=2026-13-01", "value"),
        ("date=2026-02-30", "value"),
        ("date=ge", "value"),
        ("patient=Patient p1", "value"),
        ("patient:Patient=Group/p1", "value"),
        ("identifier=a|b|c", "value"),
        ("identifier=|", "value"),
        ("status=a,,b", "value"),
        ("status:missing=maybe", "value"),
        ("status:in=http://example.org/vs", "not-supported"),
        ("date:exact=2026", "not-supported"),
        ("patient:Group=p1", "not-supported"),
        ("study:Patient.identifier=1", "not-supported"),
        ("_count=-1", "value"),
        ("_count=ten", "value"),
        ("_summary=maybe", "value"),
        ("_total=all", "value"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(query, code):
    with pytest.raises(BadInput) as caught:
        asked(SUBJECT, query)
    (problem,) = caught.value.problems
    name = query.partition("=")[0]
    assert (problem.code, problem.expression) == (code, f"http.{name}")
    assert problem.message.startswith(f"{name}: ")


@pytest.mark.parametrize(
    ("query", "version"),
    [
        ("recruitment-actual=many", Version.R5),
        ("recruitment-actual=1|x|y", Version.R5),
        ("progress-status-state-actual=completed", Version.R5),
    ],
)
def test_a_number_or_a_composite_has_its_form(query, version):
    with pytest.raises(BadInput):
        asked(STUDY, query, version)
    with pytest.raises(BadInput):
        asked("Observation", "value-quantity=1|x")


def test_every_wrong_parameter_is_named_at_once():
    with pytest.raises(BadInput) as caught:
        asked(SUBJECT, "date=x&_count=y")
    assert [t.expression for t in caught.value.problems] == ["http.date", "http._count"]


def test_what_was_understood_is_kept_for_the_self_link():
    asking = asked(SUBJECT, "patient=p1&colour=red&_count=20&_format=json&date=", also={"_format"})
    assert asking.used == (("patient", "p1"), ("_count", "20"))
    assert asking.count == 20


@pytest.mark.parametrize("query", ["_count=0", "_summary=count"])
def test_only_the_number_of_matches_can_be_asked_for(query):
    asking = asked(SUBJECT, query)
    assert asking.count_only
    assert asking.count is None


def test_results_are_whole_and_totals_accurate_whatever_is_said():
    asking = asked(SUBJECT, "_summary=false&_total=none")
    assert not asking.count_only
    assert asking.ignored == ()


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_included_is_found_in_the_matches(version):
    asking = asked(
        SUBJECT, "_include=ResearchSubject:study&_include=ResearchSubject:patient", version
    )
    assert list(search.included(asking, held(version))) == ["ResearchStudy/refnot-r2", "Patient/p1"]
    everything = asked(SUBJECT, "_include=*", version)
    assert set(search.included(everything, held(version))) == {
        "ResearchStudy/refnot-r2",
        "Patient/p1",
    }
    narrowed = asked(SUBJECT, "_include=ResearchSubject:individual:Group", version)
    assert list(search.included(narrowed, held(version))) == []


def test_nothing_is_included_where_there_is_nothing_to_point_to():
    assert asked("Medication", "_include=Medication:x").ignored[0].message.endswith("to include")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_search_can_be_asked_which_clauses_it_has(version):
    (clause,) = asked(SUBJECT, "patient=Patient/p1&status=x", version).of("patient")
    (value,) = clause.values
    assert (value.type, value.id) == ("Patient", "p1")


@pytest.mark.parametrize("version", VERSIONS)
def test_approximately_is_a_tenth_of_the_distance_from_now(version):
    day = timedelta(days=1)
    enrolled = {"period": {"start": "2026-05-04", "end": "2026-05-04"}}
    for days, expected in ((-12, False), (-2, True), (1, True), (10, False)):
        near = (datetime(2026, 5, 4, tzinfo=UTC) + days * day).date().isoformat()
        assert found(SUBJECT, f"date=ap{near}", enrolled, version) is expected, near
