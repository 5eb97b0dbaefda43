"""Every fault of ours has an incident number, in the answer and in the log."""

from __future__ import annotations

import pytest

from refnot_fhir.web import errors
from tests.door import Door, issues, said

_PART = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n'
_MULTIPART = _PART + b"y" * 600_000 + b"\r\n--x--\r\n"


@pytest.mark.parametrize("type_", ["Patient", "Observation", "ResearchSubject", "ResearchStudy"])
def test_a_form_in_parts_is_refused_by_its_type_however_long(door: Door, type_: str) -> None:
    answer = door.send(
        "POST", f"{type_}/_search", _MULTIPART, content_type="multipart/form-data; boundary=x"
    )
    assert answer.status_code == 415
    assert "application/x-www-form-urlencoded" in said(answer)


@pytest.mark.parametrize("type_", ["Banana", "CodeSystem"])
def test_a_form_in_parts_is_nobodys_fault_but_the_senders(door: Door, type_: str) -> None:
    answer = door.send(
        "POST", f"{type_}/_search", _MULTIPART, content_type="multipart/form-data; boundary=x"
    )
    assert 400 <= answer.status_code < 500
    assert issues(answer)[0]["severity"] == "error"


def test_a_fault_while_an_error_is_answered_has_an_incident_too(
    door: Door, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_error: object) -> int:
        raise ValueError("broken")

    monkeypatch.setattr(errors, "refusal", broken)
    answer = door.get("Banana/1")
    assert answer.status_code == 500
    incident = issues(answer)[0]["diagnostics"].removeprefix("incident ")
    assert f"request.failed incident={incident}" in caplog.text
