"""What is drawn for people at a terminal, and what scripts get instead."""

from __future__ import annotations

import json

import pytest

from refnot_fhir.cli.terminal import bar, rows_shown, tally_shown

ROWS = [{"id": "s1", "status": "eligible"}, {"id": "s2", "status": "screening"}]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make rich draw as on a terminal of 120 columns."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.mark.usefixtures("terminal")
def test_rows_are_a_table_with_a_heading_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    rows_shown(ROWS, as_json=False)

    lines = capsys.readouterr().out.splitlines()
    assert "id" in lines[0]
    assert "status" in lines[0]
    assert "screening" in lines[2]


@pytest.mark.usefixtures("terminal")
def test_no_rows_are_no_table(capsys: pytest.CaptureFixture[str]) -> None:
    rows_shown([], as_json=False)

    assert capsys.readouterr().out.strip() == ""


def test_rows_are_separated_by_tabs_where_that_is_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows_shown(ROWS, as_json=False)

    assert capsys.readouterr().out == "s1\teligible\ns2\tscreening\n"


def test_rows_are_json_for_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    rows_shown(ROWS, as_json=True)

    assert json.loads(capsys.readouterr().out) == ROWS


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(("unit", "rate"), [("patients", "patients/s"), ("bytes", "B/s")])
def test_a_bar_shows_how_far_how_fast_and_how_long(
    capsys: pytest.CaptureFixture[str], unit: str, rate: str
) -> None:
    with bar("working", unit, 4000) as moved:
        for done in (1000, 2000, 3000, 4000):
            moved(done, "noted")

    drawn = capsys.readouterr()
    assert drawn.out == ""
    for part in ("working", "100%", rate, "noted", "0:00:00"):
        assert part in drawn.err


@pytest.mark.usefixtures("terminal")
def test_a_bar_without_progress_is_never_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    with bar("working", "patients"):
        pass

    assert "working" not in capsys.readouterr().err


def test_nothing_is_drawn_where_that_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with bar("working", "patients", 2) as moved:
        moved(2)

    assert capsys.readouterr().err == ""


def test_troubles_go_to_standard_error_and_numbers_do_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tally_shown({"created": 12, "failed": 1}, ["a.json: no"], as_json=False)

    told = capsys.readouterr()
    assert told.out == "      12  created\n       1  failed\n"
    assert told.err == "a.json: no\n"
