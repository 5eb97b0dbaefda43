"""People decide at a terminal: the same checks, one line of answer, and an exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from refnot_fhir.cli import main
from refnot_fhir.cli.decide import verbs
from refnot_fhir.rulebook.files import read
from refnot_fhir.rulebook.find import shipped

MAPPINGS = Path(__file__).parent / "mappings"


@pytest.fixture
def database(tmp_path: Path) -> str:
    """A database with one patient, of whom nothing but the Patient is known."""
    person = {"resourceType": "Patient", "id": "p1", "birthDate": "1970-03-01", "gender": "male"}
    (tmp_path / "p1.json").write_text(json.dumps(person))
    url = f"sqlite:///{tmp_path / 'x.sqlite3'}"
    assert run("ingest", tmp_path / "p1.json", database=url).exit_code == 0
    return url


def run(*arguments: object, database: str) -> Result:
    """The answer of a command with nothing of the caller's own settings."""
    given = {"REFNOT_MAPPINGS": str(MAPPINGS), "REFNOT_DATABASE_URL": database}
    return CliRunner(env=given).invoke(main, [str(one) for one in arguments])


def listed(database: str) -> list[dict[str, Any]]:
    """The subjects as they stand."""
    found: list[dict[str, Any]] = json.loads(run("subjects", "--json", database=database).stdout)
    return found


LEFT = ("--reason-code", "withdrawal-by-subject", "--reason", "moved away")


def test_a_subject_is_withdrawn_once_by_its_id_or_by_its_patient(database: str) -> None:
    (before,) = listed(database)
    first = run(
        "withdraw", before["id"], *LEFT, "--actor", "Dr A", "--json",
        database=database,
    )  # fmt: skip
    assert first.exit_code == 0, first.output
    (said,) = json.loads(first.stdout)
    assert (said["status"], said["why"], said["changed"]) == (
        "withdrawn", "Withdrawal by subject: moved away", "yes",
    )  # fmt: skip
    assert listed(database)[0]["status"] == "withdrawn"
    for named in ("Patient/p1", f"ResearchSubject/{before['id']}"):
        again = run("decide", "withdraw", named, *LEFT, database=database)
        assert again.exit_code == 0
        assert again.stdout.strip().endswith("no")


def test_a_day_and_a_milestone_are_stated_too(database: str) -> None:
    asked = run("consent", "Patient/p1", "--on", "2026-05-01", "--consent", "Consent/c1",
                database=database)  # fmt: skip
    assert asked.exit_code == 0, asked.output
    assert listed(database)[0]["status"] in ("candidate", "screening")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["enrol", "Patient/p1", "--number", "urn:n|1"], 1, "cannot be made on-study by a person"),
        (["enrol", "Patient/p2"], 1, "0 subjects are of Patient/p2 at the site default"),
        (["enrol", "none"], 1, "there is no ResearchSubject/none at this site"),
        (["decide", "banana", "Patient/p1"], 2, "there is no verb banana: there are await-enrol"),
        (["banana", "Patient/p1"], 2, "No such command 'banana'"),
        (["enrol", "Patient/p1", "--site", "nowhere"], 2, "there is no site nowhere"),
    ],
)
def test_what_may_not_be_is_a_sentence_and_an_exit_code(
    database: str, arguments: list[str], code: int, said: str
) -> None:
    asked = run(*arguments, database=database)
    assert (asked.exit_code, said in asked.output) == (code, True), asked.output


def test_every_verb_of_the_shipped_files_is_a_command() -> None:
    assert verbs() == frozenset(read(shipped(), "life.toml", "life").content["verb"])
    assert not verbs() & set(main.commands)
