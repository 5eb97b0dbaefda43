"""The two records over HTTP: forms, filters, schemas."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from jsonschema import Draft202012Validator
from werkzeug.test import TestResponse

from refnot_fhir.export import records
from refnot_fhir.store.contract import Reader
from tests.door import Door, content, dose, issues, lab, patient, said

LABS, DOSES = "/records/eligibility-labs", "/records/dosing"


@pytest.fixture
def trial(door: Door) -> Door:
    door.kept(
        patient("p1"), patient("p2"),
        lab("o1", "200.10"), lab("o2", 40, code="1742-6", unit="U/L", high=40),
        lab("o3", 100, unit="furlong"), lab("o4", 130, of="p2"),
        dose("d1", days_ago=3), dose("d2", days_ago=1, status="not-done"),
    )  # fmt: skip
    door.clock.move(hours=2)
    door.at("north").kept(patient("p1"), lab("n1"), dose("d1"))
    return door


@pytest.mark.parametrize(("path", "count"), [(f"{LABS}?site=*", 5), (f"{DOSES}?site=*", 3)])
def test_every_row_follows_the_published_schema(trial: Door, path: str, count: int) -> None:
    schema = json.loads(trial.get(f"{path.partition('?')[0]}/schema").text)
    Draft202012Validator.check_schema(schema)
    rows = json.loads(trial.get(path).text)
    assert len(rows) == count
    for row in rows:
        Draft202012Validator(schema).validate(row)


@pytest.mark.parametrize("path", [LABS, DOSES])
def test_all_forms_have_the_same_rows(trial: Door, path: str) -> None:
    rows = content(trial.get(path))
    lines = trial.get(path, Accept="application/x-ndjson")
    assert lines.mimetype == "application/x-ndjson"
    assert [json.loads(line) for line in lines.text.splitlines()] == json.loads(
        trial.get(path).text
    )
    table = trial.get(f"{path}?_format=csv")
    assert table.content_type == "text/csv; charset=utf-8"
    found = list(csv.DictReader(io.StringIO(table.text)))
    assert [one["patient"] for one in found] == [row["patient"] for row in rows]


def test_numbers_keep_their_digits_in_every_form(trial: Door) -> None:
    for form in ("json", "ndjson", "csv"):
        text = trial.get(f"{LABS}?subject=Patient/p1&site=default&_format={form}").text
        assert "200.10" in text


@pytest.mark.parametrize(
    ("asked", "status", "media"),
    [
        ({"Accept": ""}, 200, "application/json"),
        ({"Accept": "*/*"}, 200, "application/json"),
        ({"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}, 200, "application/json"),
        ({"Accept": "application/json"}, 200, "application/json"),
        ({"Accept": "text/csv"}, 200, "text/csv"),
        ({"Accept": "application/ndjson"}, 200, "application/x-ndjson"),
        ({"Accept": "image/png, text/csv;q=0.5"}, 200, "text/csv"),
        ({"Accept": "application/json;q=0.1, text/csv"}, 200, "text/csv"),
        ({"Accept": "application/xml"}, 406, "application/fhir+json"),
        ({"Accept": "text/csv;q=0"}, 406, "application/fhir+json"),
    ],
)
def test_the_form_is_the_one_that_is_accepted(
    trial: Door, asked: dict[str, str], status: int, media: str
) -> None:
    answer = trial.get(DOSES, **asked)
    assert (answer.status_code, answer.mimetype) == (status, media)


@pytest.mark.parametrize(
    ("form", "status"), [("json", 200), ("text/csv", 200), ("xml", 406), ("csvx", 406)]
)
def test_the_form_may_be_a_parameter(trial: Door, form: str, status: int) -> None:
    assert trial.get(f"{LABS}?_format={form}", Accept="image/png").status_code == status


def sources(door: Door, query: str) -> list[str]:
    rows = content(door.get(f"{LABS}?{query}"))
    return [f"{row['source']['site']}/{row['source']['reference'].split('/')[1]}" for row in rows]


def test_labs_are_filtered_by_subject_site_and_time(trial: Door) -> None:
    mine = trial.subject("p1")["id"]
    everyone = ["default/o1", "default/o2", "default/o3", "default/o4", "north/n1"]
    assert sources(trial, "") == everyone[:4]
    assert sources(trial, "site=*") == everyone
    assert sources(trial, "site=default") == everyone[:4]
    assert sources(trial, "site=fifth") == []
    assert sources(trial, "subject=Patient/p2") == ["default/o4"]
    assert sources(trial, "subject=Patient/p1") == everyone[:3]
    assert sources(trial, "subject=Patient/p1&site=*") == [*everyone[:3], "north/n1"]
    assert sources(trial, "subject=Patient/p1&site=north") == ["north/n1"]
    assert sources(trial, "subject=Patient/nobody") == []
    for spelled in (mine, f"ResearchSubject/{mine}"):
        assert sources(trial, f"subject={spelled}") == everyone[:3]
        assert sources(trial, f"subject={spelled}&site=north") == []
    assert sources(trial, "subject=ResearchSubject/none") == []
    for since in ("2026-05-20T10:00:00Z", "2026-05-20T14:00:00+03:00", "2026-05-20T11:00:00"):
        assert sources(trial, f"since={since}&site=*") == ["north/n1"]
        assert sources(trial, f"since={since}") == []
    assert sources(trial, "since=2026-05-20&site=*") == everyone
    assert sources(trial, "since=2026-05-21") == []


def test_doses_are_filtered_by_subject_site_and_time(trial: Door) -> None:
    def found(query: str) -> list[tuple[str, str, str]]:
        rows = content(trial.get(f"{DOSES}?{query}"))
        return [(row["site"], row["patient"], row["status"]) for row in rows]

    mine = trial.subject("p1")["id"]
    first = [("default", "Patient/p1", "given"), ("default", "Patient/p1", "not-given")]
    other = [("north", "Patient/p1", "given")]
    assert found("") == first
    assert found("site=*") == first + other
    elsewhere = trial.at("north").subject("p1")["id"]
    assert found(f"subject=ResearchSubject/{elsewhere}") == other
    assert found("site=north") == other
    assert found(f"subject={mine}") == first
    assert found("subject=Patient/p2") == []
    assert found("since=2026-05-20T10:00:00Z&site=*") == other
    row = content(trial.get(f"{DOSES}?subject={mine}"))[0]
    assert (row["course"], row["dose_number"], row["dose_iu"]) == (1, 1, 400000)
    assert row["subject"] == f"ResearchSubject/{mine}"


def _pages(door: Door, path: str, count: int) -> Iterator[TestResponse]:
    link = f"{path}{'&' if '?' in path else '?'}_count={count}"
    while link:
        answer = door.get(link)
        assert answer.status_code == 200
        yield answer
        link = answer.headers.get("Link", "").partition("<")[2].partition(">")[0]


@pytest.mark.parametrize("path", [f"{LABS}?site=*", LABS, f"{DOSES}?site=*", f"{LABS}?since=2026"])
@pytest.mark.parametrize("count", [1, 2, 3, 100])
def test_pages_together_are_the_whole(trial: Door, path: str, count: int) -> None:
    path = path.replace("since=2026", "since=2026-05-20&subject=Patient/p1")
    pages = [content(answer) for answer in _pages(trial, path, count)]
    assert [row for one in pages for row in one] == content(trial.get(path))
    assert all(len(one) == count for one in pages[:-1])


@pytest.mark.parametrize("form", ["json", "ndjson", "csv"])
def test_pages_are_there_in_every_form(trial: Door, form: str) -> None:
    texts = [answer.text for answer in _pages(trial, f"{LABS}?_format={form}", 3)]
    assert len(texts) == 2
    whole = trial.get(f"{LABS}?_format={form}").text
    if form == "ndjson":
        assert "".join(texts) == whole
    elif form == "csv":
        head = whole.split("\r\n")[0] + "\r\n"
        assert texts[0] + texts[1].removeprefix(head) == whole


def test_a_page_goes_on_where_the_one_before_ended_whatever_arrives_meanwhile(
    trial: Door,
) -> None:
    pages = _pages(trial, LABS, 2)
    first = content(next(pages))
    trial.kept(patient("p9"), lab("o9", of="p9"))
    rest = [row for answer in pages for row in content(answer)]
    names = [row["source"]["reference"] for row in (*first, *rest)]
    assert names == [f"Observation/o{n}" for n in (1, 2, 3, 4, 9)]


@pytest.mark.parametrize(
    "query",
    ["_count=0", "_count=-1", "_count=x", "_count=", "_after=x", "_after=1", "_after=1.2.3"],
)
def test_a_page_that_cannot_be_is_refused(trial: Door, query: str) -> None:
    assert trial.get(f"{LABS}?{query}").status_code == 400


def test_nothing_is_locked_or_read_ahead_while_rows_are_being_fetched(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "_AT_ONCE", 2)
    door.kept(*(patient(f"p{n}") for n in range(6)), *(lab(f"o{n}", of=f"p{n}") for n in range(6)))
    opened: list[int] = []
    store = door.service.store

    class Watched:
        @contextmanager
        def read(self) -> Iterator[Reader]:
            opened.append(1)
            with store.read() as reader:
                yield reader
            opened.append(-1)

    rows = records.everything(
        Watched(),
        door.service.judge(),
        "eligibility-labs",
        records.Asked(),  # type: ignore[arg-type]
    )
    for number in range(6):
        assert next(rows)["patient"] == f"Patient/p{number}"
        assert sum(opened) == 0
        assert len(opened) == 2 * (number // 2 + 1)
    assert list(rows) == []


@pytest.mark.parametrize("path", [LABS, f"{LABS}?_count=1"])
def test_records_are_not_kept_by_anybody(trial: Door, path: str) -> None:
    assert trial.get(path).headers["Cache-Control"] == "no-store"


def test_a_fault_after_the_first_rows_breaks_the_answer_off(
    trial: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "_AT_ONCE", 1)
    monkeypatch.setattr("refnot_fhir.web.data.records._PART", 1)
    parts = iter(trial.app.test_client().get(LABS, buffered=False).response)
    assert b"Observation/o1" in next(parts)

    def drop(writer: object) -> None:
        writer._session.cursor.execute("DROP TABLE reading")  # type: ignore[attr-defined]

    trial.service.store.write(drop)
    with pytest.raises((sqlite3.Error, psycopg.Error)):
        list(parts)
    assert trial.get(LABS).status_code == 500


def test_what_cannot_be_used_is_listed_with_its_reason(trial: Door) -> None:
    rows = content(trial.get(f"{LABS}?site=default"))
    reasons = {row["source"]["reference"]: row["not_usable"]["code"] for row in rows}
    assert reasons["Observation/o3"] == "unknown-unit"
    assert reasons["Observation/o1"] is None


def test_doses_of_a_merged_record_are_listed_once_with_the_one_that_replaced_it(
    trial: Door,
) -> None:
    link = [{"other": {"reference": "Patient/p2"}, "type": "replaced-by"}]
    trial.put(patient("p1", link=link))
    heir = trial.subject("p2")["id"]
    rows = content(trial.get(f"{DOSES}?site=default"))
    assert {row["subject"] for row in rows} == {f"ResearchSubject/{heir}"}
    assert len(rows) == 2
    assert content(trial.get(f"{DOSES}?subject={heir}")) == rows
    labs = content(trial.get(f"{LABS}?subject={heir}"))
    assert {row["source"]["reference"] for row in labs} == {
        f"Observation/o{n}" for n in (1, 2, 3, 4)
    }


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/records/other", 404, "eligibility-labs, dosing"),
        ("/records/other/schema", 404, "eligibility-labs"),
        (f"{LABS}?patient=p1", 400, "no filter patient"),
        (f"{LABS}?since=yesterday", 400, "not an instant"),
        (f"{DOSES}?since=2026-13-01", 400, "not an instant"),
        (f"{LABS}?site=other", 404, "sites are"),
    ],
)
def test_what_there_is_not_is_refused(trial: Door, path: str, status: int, words: str) -> None:
    answer = trial.get(path)
    assert answer.status_code == status
    assert words in said(answer)
    assert issues(answer)[0]["severity"] == "error"


def test_without_anything_there_are_no_rows(door: Door) -> None:
    assert content(door.get(LABS)) == []
    assert door.get(f"{LABS}?_format=ndjson").text == ""
    assert door.get(f"{LABS}?_format=csv").text.count("\r\n") == 1


@pytest.mark.parametrize("name", ["subject", "site", "since"])
def test_a_filter_without_a_value_is_not_everybody(door: Door, name: str) -> None:
    assert door.get(f"/records/dosing?{name}=").status_code == 400


def test_labs_that_are_computed_are_listed_after_those_that_were_sent(door: Door) -> None:
    at = "2026-05-18T08:00:00+03:00"
    cells = lab("w", 5, code="6690-2", effectiveDateTime=at)
    share = lab("n", 60, code="770-8", unit="%", effectiveDateTime=at)
    door.kept(patient(), cells, share)
    rows = door.get("/records/eligibility-labs").get_json()
    computed = [row for row in rows if row["derivation"]["formula"]]
    assert [row["analyte"] for row in computed] == ["neutrophils"]
    assert rows[-1] == computed[0]
    assert {one.partition("/_history")[0] for one in computed[0]["derivation"]["sources"]} == {
        "Observation/w",
        "Observation/n",
    }
