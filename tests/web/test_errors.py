"""One table from what is wrong to the status and the code that a client sees."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from refnot_fhir import errors
from refnot_fhir.errors import Problem, RefnotError
from refnot_fhir.trial.receive.request import Failure
from refnot_fhir.web.answer import content
from refnot_fhir.web.errors import REFUSALS, refusal, refused
from tests.fhir.published_builders import VERSIONS, assert_valid


def _kinds(kind: type[RefnotError]) -> Iterator[type[RefnotError]]:
    for one in kind.__subclasses__():
        yield one
        yield from _kinds(one)


@pytest.fixture
def app() -> Flask:
    app = Flask(__name__)
    app.config.update(REFNOT_BASE_PATH="/fhir", REFNOT_PUBLIC_URL="")
    return app


def test_every_error_and_every_failure_has_a_row() -> None:
    ours = {kind for kind in _kinds(RefnotError) if kind.__module__ == "refnot_fhir.errors"}
    assert set(REFUSALS) == ours | set(Failure)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", [*_kinds(RefnotError), RefnotError])
def test_every_error_becomes_a_valid_outcome_under_its_own_code(app, kind, version):
    with app.test_request_context("/fhir/Patient"):
        answer = refused(kind("no"))
    status, code = refusal(kind("no"))
    assert answer.status_code == status
    written = content(answer)
    assert_valid(written, version)
    assert written["issue"] == [{"severity": "error", "code": code, "details": {"text": "no"}}]


def test_a_problem_that_says_its_code_keeps_it(app):
    problems = (Problem("value", "not a date", "Patient.birthDate"), Problem("", "and more"))
    with app.test_request_context("/fhir/Patient"):
        answer = refused(errors.BadInput("two problems", problems))
    assert [one["code"] for one in content(answer)["issue"]] == ["value", "invalid"]
