"""The installed command: every door answers, exits as documented, and says what to do."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from refnot_fhir import __version__, compose
from refnot_fhir.cli import main
from refnot_fhir.store import migrate

ROOT = Path(__file__).parents[1]
MAPPINGS = ROOT / "mappings"
ONE_PATIENT = Path(__file__).parents[1] / "examples" / "one-patient" / "r4"
COMMANDS = sorted(main.commands)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The database of a small synthetic hospital."""
    folder = tmp_path_factory.mktemp("hospital")
    database = f"sqlite:///{folder / 'refnot.sqlite3'}"
    made = run("simulate", "--patients", "12", "--seed", "3", "--output", folder / "hospital")
    assert made.exit_code == 0, made.output
    kept = run("ingest", folder / "hospital" / "bundles", database=database)
    assert kept.exit_code == 0, kept.output
    return database


def run(*arguments: object, database: str = "", **environment: str) -> Result:
    """Run the command with nothing of the caller's own settings."""
    given = {"REFNOT_MAPPINGS": str(MAPPINGS), **environment}
    if database:
        given["REFNOT_DATABASE_URL"] = database
    return CliRunner(env=given).invoke(main, [str(one) for one in arguments])


def printed(result: Result) -> Any:
    """The JSON that a command printed."""
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    asked = run(command, "--help")

    assert asked.exit_code == 0
    assert f"Usage: main {command}" in asked.stdout


def test_every_command_that_is_promised_is_there() -> None:
    assert set(COMMANDS) == {
        "serve", "ingest", "simulate", "records", "subjects", "screen", "audit", "check", "explain",
        "attest", "worklist", "decide",
    }  # fmt: skip
    assert run("--version").stdout == f"refnot-fhir, version {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nonsense"], 2, "No such command"),
        (["ingest"], 2, "Missing argument"),
        (["ingest", "/no/such/file"], 2, "there is no such file or folder"),
        (["ingest", "-", "--site", "nowhere"], 2, "there is no site nowhere: sites are"),
        (["ingest", "-", "--server", "nowhere"], 2, "is not an address"),
        (["simulate", "--patients", "0"], 2, "0 is not in the range"),
        (["simulate", "--until", "May"], 2, "does not match the format"),
        (["records", "weights"], 2, "is not one of"),
        (["records", "dosing", "--since", "yesterday"], 2, "is not an instant such as"),
        (["records", "dosing", "--site", "nowhere"], 2, "there is no site nowhere"),
        (["subjects", "--site", "nowhere"], 2, "there is no site nowhere"),
        (["screen", "--patient", "nobody"], 1, "there is no patient nobody"),
        (["screen", "/no/such/file"], 2, "there is no such file or folder"),
        *(
            (words, 2, "no such folder")
            for words in (
                ["check", "--mappings", "/no/such/folder"],
                ["explain", "--mappings", "/no/such/folder"],
                ["simulate", "--mappings", "/no/such/folder"],
                ["subjects", "--mappings", "/no/such/folder"],
                ["serve", "--mappings", "/no/such/folder"],
            )
        ),
        (["screen", "/no/such/file", "--site", "x"], 2, "there is no"),
        (["explain", "--protocol", "r-3"], 2, "there is no protocol r-3: there is refnot-r2"),
        (["serve", "--host", "192.0.2.1"], 2, "is not a loopback address"),
        (["serve", "--database", "sqlite://"], 1, "name a file"),
        (["serve", "--database", "mysql://x/y"], 1, "must be sqlite or postgresql"),
    ],
)
def test_what_cannot_be_done_is_a_sentence_and_an_exit_code(
    tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    database = f"sqlite:///{tmp_path / 'x.sqlite3'}"
    migrate(database)

    asked = run(*arguments, database=database)

    assert (asked.exit_code, said in asked.stderr) == (code, True), asked.output
    assert "Traceback" not in asked.output


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("REFNOT_PORT", "eight", "REFNOT_PORT='eight' is not a whole number"),
        ("REFNOT_REPLAY", "maybe", "REFNOT_REPLAY='maybe' is not true or false"),
        ("REFNOT_PROT", "8001", "REFNOT_PROT is not a setting"),
    ],
)
def test_a_wrong_setting_is_named(setting: str, value: str, said: str) -> None:
    for command in ("subjects", "check", "explain", "simulate"):
        assert run(command, **{setting: value}).exit_code == 2
    asked = run("subjects", **{setting: value})

    assert said in asked.stderr


def test_a_file_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file, no folder")

    asked = run("simulate", "--patients", "1", "--output", tmp_path / "taken" / "hospital")

    assert asked.exit_code == 1
    assert asked.stderr.startswith(f"refnot-fhir: {tmp_path / 'taken'}")


def test_ingest_counts_what_became_of_every_entry(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'x.sqlite3'}"

    first = printed(run("ingest", ONE_PATIENT, "--json", database=database))
    again = printed(run("ingest", ONE_PATIENT, "--json", database=database))

    assert first["troubles"] == []
    assert set(first["outcomes"]) == {"created"}
    assert again == {"outcomes": {"unchanged": first["outcomes"]["created"]}, "troubles": []}


def test_ingest_ends_with_1_when_anything_was_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"resourceType": "Patient", "id": "p1", "gender": "x"}')

    asked = run("ingest", tmp_path / "a.json", "--database", f"sqlite:///{tmp_path / 'x.sqlite3'}")

    assert asked.exit_code == 1
    assert asked.stdout == "       1  failed\n"
    assert "a.json: Bundle.entry[0].resource.gender" in asked.stderr


def test_ingest_reads_standard_input(tmp_path: Path) -> None:
    given = {"REFNOT_DATABASE_URL": f"sqlite:///{tmp_path / 'x.sqlite3'}",
             "REFNOT_MAPPINGS": str(MAPPINGS)}  # fmt: skip
    sent = (ONE_PATIENT / "1-morning-results.json").read_bytes()

    asked = CliRunner(env=given).invoke(main, ["ingest", "-"], input=sent)

    assert asked.exit_code == 0
    assert asked.stdout.endswith("created\n")


def test_simulate_with_the_same_seed_writes_the_same_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        run("simulate", "--patients", "5", "--seed", "9", "--output", tmp_path / name)

    found = [
        {p.relative_to(tmp_path / name): p.read_bytes() for p in (tmp_path / name).rglob("*.json")}
        for name in ("a", "b")
    ]

    assert found[0] == found[1]
    assert len(found[0]) > 5


def test_simulate_prints_its_manifest_as_json(tmp_path: Path) -> None:
    told = run("simulate", "--patients", "2", "--output", tmp_path / "a", "--json")

    assert printed(told) == json.loads((tmp_path / "a" / "manifest.json").read_text("utf-8"))


@pytest.mark.parametrize("kind", ["eligibility-labs", "dosing"])
def test_records_are_the_same_rows_in_every_form(loaded: str, kind: str) -> None:
    as_json = printed(run("records", kind, "--json", database=loaded))
    as_lines = run("records", kind, database=loaded).stdout.splitlines()
    as_csv = list(csv.DictReader(io.StringIO(
        run("records", kind, "--format", "csv", database=loaded).stdout
    )))  # fmt: skip

    assert as_json
    assert [json.loads(line) for line in as_lines] == as_json
    assert [row["patient"] for row in as_csv] == [row["patient"] for row in as_json]


def test_records_are_narrowed_by_subject_patient_site_and_moment(loaded: str) -> None:
    every = printed(run("records", "eligibility-labs", "--json", database=loaded))
    subject, patient = every[-1]["subject"], every[-1]["patient"]
    of_one = [row for row in every if row["patient"] == patient]

    def narrowed(*options: str) -> Any:
        return printed(run("records", "eligibility-labs", "--json", *options, database=loaded))

    assert len(of_one) < len(every)
    assert narrowed("--subject", subject) == of_one
    assert narrowed("--subject", patient) == of_one
    assert narrowed("--site", "default") == every
    assert narrowed("--site", "city-oncology") == []
    assert narrowed("--since", "2000-01-01") == every
    assert narrowed("--since", "2999-01-01T00:00:00Z") == []


def test_subjects_are_listed_by_status_and_site(loaded: str) -> None:
    every = printed(run("subjects", "--json", database=loaded))
    statuses = {row["status"] for row in every}
    picked = statuses.pop()

    of_one = printed(run("subjects", "--json", "--status", picked, database=loaded))
    both = printed(run("subjects", "--json", "--status", "candidate", "--status", "screening",
                       database=loaded))  # fmt: skip

    assert of_one == [row for row in every if row["status"] == picked]
    assert both == [row for row in every if row["status"] in ("candidate", "screening")]
    assert printed(run("subjects", "--json", "--site", "city-oncology", database=loaded)) == []
    text = run("subjects", database=loaded).stdout.splitlines()
    assert [line.split("\t")[0] for line in text] == [row["id"] for row in every]


STATED = ("--criterion", "IN05", "--verdict", "met", "--reason", "good condition", "--who", "Dr A")


def test_a_statement_is_kept_once_and_counts_under_replay_alone(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'x.sqlite3'}"
    run("ingest", ONE_PATIENT / "1-morning-results.json", database=database)
    listed = printed(run("subjects", "--json", database=database))[0]
    stated = ("attest", listed["id"], *STATED, "--role", "investigator", "--json")
    by_patient = ("attest", f"Patient/{listed['patient']}", *stated[2:])

    (first,) = printed(run(*stated, database=database))
    (again,) = printed(run(*by_patient, database=database))
    (replayed,) = printed(run(*stated, database=database, REFNOT_REPLAY="true"))

    assert first == again
    assert (first["verdict"], "nobody established" in first["why"]) == ("unknown", True)
    assert (replayed["verdict"], replayed["kept"]) == ("met", first["kept"])


def test_what_may_not_be_stated_says_what_may(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'x.sqlite3'}"
    run("ingest", ONE_PATIENT / "1-morning-results.json", database=database)
    subject = printed(run("subjects", "--json", database=database))[0]["id"]

    refused = run("attest", subject, *STATED, "--role", "nurse", database=database)
    nobody = run("attest", "nobody", *STATED, "--role", "investigator", database=database)

    assert (refused.exit_code, nobody.exit_code) == (1, 1)
    assert "allowed are investigator" in refused.stderr
    assert "there is no subject nobody" in nobody.stderr


def test_the_worklist_says_what_is_missing_of_whom(loaded: str) -> None:
    rows = printed(run("worklist", "--json", database=loaded))
    open_ = {
        row["id"]
        for row in printed(run("subjects", "--json", database=loaded))
        if row["status"] in ("candidate", "screening")
    }

    assert {row["subject"] for row in rows} == open_
    assert {row["action"] for row in rows} <= {"statement", "data", "signature"}
    assert printed(run("worklist", "--json", "--site", "city-oncology", database=loaded)) == []


def test_screening_files_and_screening_what_was_kept_of_them_agree(tmp_path: Path) -> None:
    file = ONE_PATIENT / "1-morning-results.json"
    database = f"sqlite:///{tmp_path / 'x.sqlite3'}"
    run("ingest", file, database=database)

    of_files = run("screen", file, "--as-of", "2026-06-01", "--json")
    of_store = run("screen", "--as-of", "2026-06-01", "--json", database=database)

    verdicts = [
        {one["criterion"]: one["verdict"] for one in printed(result)["findings"]}
        for result in (of_files, of_store)
    ]
    assert verdicts[0] == verdicts[1]
    assert verdicts[0]["IN07A"] == "met"


def test_screening_one_patient_prints_one_line(loaded: str) -> None:
    patient = printed(run("subjects", "--json", database=loaded))[0]["patient"]

    asked = run("screen", "--patient", patient, database=loaded)

    assert asked.exit_code == 0
    assert [line.split("\t")[0] for line in asked.stdout.splitlines()] == [patient]


def test_a_line_that_cannot_be_screened_is_named_and_the_others_are(tmp_path: Path) -> None:
    file = tmp_path / "a.ndjson"
    file.write_text(
        '{"resourceType": "Patient", "id": "p1", "birthDate": "1970-01-01"}\n'
        '{"resourceType": "Patient", "id": "p2", "gender": "x"}\n'
        '{"resourceType": "Observation", "status": "final", "code": {"text": "x"}}\n'
    )

    asked = run("screen", file)

    assert asked.exit_code == 1
    assert asked.stdout.startswith("p1\t")
    assert f"{file}:2: Patient.gender: " in asked.stderr
    assert f"{file}:3: nobody is assessed with it: it names no patient" in asked.stderr


def test_check_finds_nothing_to_mend_in_the_shipped_files() -> None:
    assert printed(run("check", "--json")) == []
    assert run("check").stdout.endswith("nothing to mend\n")


def test_check_says_what_to_mend_and_ends_with_1(tmp_path: Path) -> None:
    broken = tmp_path / "mappings"
    for file in MAPPINGS.rglob("*"):
        if file.is_file():
            copy = broken / file.relative_to(MAPPINGS)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
    units = broken / "units.toml"
    units.write_text(units.read_text("utf-8") + "\n[nonsense]\nx = 1\n", "utf-8")

    asked = run("check", "--mappings", broken, "--json")

    assert asked.exit_code == 1
    assert "units.toml" in asked.output


def test_explain_prints_every_criterion_in_words() -> None:
    told = run("explain", "--protocol", "refnot-r2").stdout

    for criterion in ("IN01", "IN07A", "IN08D", "EX02B", "EX09"):
        assert criterion in told


def test_no_progress_is_drawn_where_nobody_watches(tmp_path: Path) -> None:
    asked = run("simulate", "--patients", "3", "--output", tmp_path / "a")

    assert asked.stderr == ""


@pytest.mark.parametrize(
    "command",
    [["records", "dosing"], ["subjects"], ["screen"], ["audit", "verify"]],
    ids=lambda words: " ".join(words),
)
def test_asking_makes_no_database_and_names_the_way_out(tmp_path: Path, command: list[str]) -> None:
    file = tmp_path / "x.sqlite3"

    asked = run(*command, database=f"sqlite:///{file}")

    assert asked.exit_code == 1
    assert asked.stdout == ""
    assert f"there is no database yet at {file}" in asked.stderr
    assert "refnot-fhir ingest" in asked.stderr
    assert list(tmp_path.iterdir()) == []


def test_which_database_is_opened_is_said_where_nobody_named_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REFNOT_DATABASE_URL", raising=False)
    file = tmp_path / "refnot.sqlite3"

    made = run("ingest", ONE_PATIENT, "--json")
    asked = run("subjects", "--json")
    named = run("subjects", "--json", database=f"sqlite:///{file}")

    assert file.is_file()
    for one in (made, asked):
        assert f"refnot-fhir: {file}: REFNOT_DATABASE_URL is not set" in one.stderr
        assert json.loads(one.stdout)
    assert named.stderr == ""


def test_a_password_is_not_shown() -> None:
    assert compose.place("postgresql://refnot:secret@host/name") == "postgresql://refnot@host/name"


def test_check_and_explain_use_the_mapping_files_of_the_settings(tmp_path: Path) -> None:
    shutil.copytree(MAPPINGS, tmp_path / "mappings")
    (tmp_path / "mappings" / "sites" / "default.toml").write_text("title = 3\n")

    for command in ("check", "explain", "simulate"):
        asked = run(command, REFNOT_MAPPINGS=str(tmp_path / "mappings"))
        assert asked.exit_code == 1
        assert "sites/default.toml" in asked.output


def test_check_prints_json_with_every_file_that_cannot_be_loaded(tmp_path: Path) -> None:
    shutil.copytree(MAPPINGS, tmp_path / "mappings")
    sites = tmp_path / "mappings" / "sites"
    (sites / "one.toml").write_text("title = 3\n")
    (sites / "two.toml").write_text("[[[\n")
    (sites / "records.toml").write_text("")
    (tmp_path / "mappings" / "protocols" / "refnot-r2" / "dosing.toml").write_text("x = 1\n")

    asked = run("check", "--json", "--mappings", tmp_path / "mappings")

    assert asked.exit_code == 1
    assert {one["file"] for one in json.loads(asked.stdout)} == {
        "sites/one.toml", "sites/two.toml", "sites/records.toml",
        "protocols/refnot-r2/dosing.toml",
    }  # fmt: skip


def test_the_audit_is_verified_with_the_bodies(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'x.sqlite3'}"
    run("ingest", ONE_PATIENT, database=database)
    good = run("audit", "verify", database=database)
    with sqlite3.connect(tmp_path / "x.sqlite3") as connection:
        connection.execute(
            "UPDATE version SET body = CAST(replace(CAST(body AS TEXT), 'Anna', 'Hanna') AS BLOB)"
        )
    connection.close()

    bad = run("audit", "verify", database=database)
    told = run("audit", "verify", "--json", database=database)

    assert (good.exit_code, bad.exit_code, told.exit_code) == (0, 1, 1)
    assert "every audit row, and every body" in good.stdout
    assert "audit row 1 speaks of it" in bad.stderr
    assert json.loads(told.stdout)["bodies"]["row"] == 1


def test_ctrl_c_during_ingest_ends_with_a_summary_and_130(
    tmp_path: Path,
) -> None:
    """The second file is a pipe into which nothing is written: there it waits, and is stopped."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(
        [sys.executable, "-m", "refnot_fhir", "ingest", str(ONE_PATIENT), str(pipe)],
        env=os.environ | {"REFNOT_DATABASE_URL": f"sqlite:///{tmp_path / 'x.sqlite3'}",
                          "REFNOT_MAPPINGS": str(MAPPINGS), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
        # What runs in the background of a script is started with Ctrl-C ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as started:  # fmt: skip
        try:
            writing = _opened(pipe)
            time.sleep(0.5)
            started.send_signal(signal.SIGINT)
            out, told = started.communicate(timeout=60)
            os.close(writing)
        finally:
            started.kill()

    assert started.returncode == 130, told
    assert "created" in out
    assert "what was delivered stays delivered" in told
    assert "Traceback" not in told


def _opened(pipe: Path) -> int:
    """The end to write into, once a process waits at the other one."""
    for _ in range(600):
        with contextlib.suppress(OSError):
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        time.sleep(0.1)
    raise AssertionError("nobody read from the pipe within a minute")


def test_an_audit_trail_that_was_taken_away_does_not_verify(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'x.sqlite3'}"
    run("ingest", ONE_PATIENT, database=database)
    for statements in (["DELETE FROM audit"], ["DELETE FROM audit_head"]):
        with sqlite3.connect(tmp_path / "x.sqlite3") as connection:
            for name, table in connection.execute(
                "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger'"
            ).fetchall():
                assert table.startswith("audit")
                connection.execute(f"DROP TRIGGER {name}")
            for statement in statements:
                connection.execute(statement)
        connection.close()
        assert run("audit", "verify", database=database).exit_code == 1


def test_one_line_with_a_wrong_id_does_not_hold_up_the_others(tmp_path: Path) -> None:
    file = tmp_path / "a.ndjson"
    file.write_text(
        "".join(
            json.dumps({"resourceType": "Patient", "id": id_}) + "\n"
            for id_ in ("p1", "bad id", "p3")
        )
    )
    asked = run("ingest", file, "--json", database=f"sqlite:///{tmp_path / 'x.sqlite3'}")
    found = json.loads(asked.stdout)
    assert (asked.exit_code, found["outcomes"]) == (1, {"created": 2, "failed": 1})
    for told in found["troubles"]:
        assert told.count("Bundle.entry[1]") == 1, told


@pytest.mark.parametrize("packed", [True, False])
def test_what_has_no_end_is_not_read_to_its_end(tmp_path: Path, packed: bool) -> None:
    file = tmp_path / ("a.json.gz" if packed else "a.json")
    endless = b" " * 3_000_000
    file.write_bytes(gzip.compress(endless) if packed else endless)
    asked = run(
        "ingest", file, database=f"sqlite:///{tmp_path / 'x.sqlite3'}",
        REFNOT_MAX_BODY_BYTES="1000000",
    )  # fmt: skip
    assert asked.exit_code == 1
    assert "over 1000000 bytes" in asked.stdout + asked.stderr
