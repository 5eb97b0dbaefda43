"""What proves the product cannot be hollowed out: nothing is skipped or left out unnoticed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

SKIPPING = """
import pytest

def test_good(): pass

@pytest.mark.skip(reason="not at hand")
def test_skipped(): pass

def test_skipping(): pytest.skip("in the middle")

@pytest.mark.xfail(strict=True)
def test_known(): assert False
"""
BESIDE = """
import pytest

def test_good(): pass

@pytest.mark.real_input
def test_of_real_input(): pass
"""


def tried(folder: Path, content: str, *options: str, **environment: str) -> tuple[int, str]:
    """Exit code and output of a run of these tests by the rules of this project."""
    (folder / "test_it.py").write_text(content, "utf-8")
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = real_input: x\n", "utf-8")
    own = {k: v for k, v in os.environ.items() if k not in ("CI", "REFNOT_TEST_INPUT")}
    found = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.no_skips", "-p", "tests.real_input",
         "-ra", *options, str(folder)],
        cwd=folder, env=own | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return found.returncode, found.stdout


@pytest.mark.parametrize("options", [(), ("--numprocesses=2",)], ids=["alone", "in parallel"])
def test_under_ci_a_skipped_test_is_a_failure_that_says_which(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    assert tried(tmp_path, SKIPPING, *options)[0] == 0

    code, said = tried(tmp_path, SKIPPING, *options, CI="true")

    assert code == 1
    assert "test_skipped: under CI nothing may be skipped (Skipped: not at hand)" in said
    assert "test_skipping: under CI nothing may be skipped (Skipped: in the middle)" in said
    assert re.search(r"^=+ 1 failed, 1 passed, 1 xfailed, 1 error in ", said, re.MULTILINE)


def test_under_ci_a_file_that_skips_itself_is_a_failure(tmp_path: Path) -> None:
    content = "import pytest\npytest.skip('the whole file', allow_module_level=True)\n"

    code, said = tried(tmp_path, content, CI="true")

    assert code not in (0, 5)
    assert "the whole file" in said


@pytest.mark.parametrize(
    ("where", "ci", "code", "closing"),
    [
        ("nowhere", "", 0, "1 passed, 1 skipped"),
        ("nowhere", "true", 1, "1 failed, 1 passed|1 passed, 1 failed|1 passed, 1 error"),
        ("none", "true", 0, "1 passed, 1 deselected"),
    ],
)
def test_missing_published_input_is_skipped_a_failure_under_ci_or_stated(
    tmp_path: Path, where: str, ci: str, code: int, closing: str
) -> None:
    found, said = tried(tmp_path, BESIDE, REFNOT_TEST_INPUT=where, CI=ci)

    assert found == code, said
    assert re.search(rf"^=+ ({closing}) in ", said, re.MULTILINE), said


def test_what_make_test_leaves_out_make_interop_runs() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    interop = (ROOT / "tests" / "interop.py").read_text("utf-8")
    ci = (ROOT / ".ci" / "run").read_text("utf-8")

    assert re.findall(r"pytest .*?-m \"(.+?)\"", makefile) == ["not interop"]
    assert re.findall(r'"-m", "(\w+)", \*arguments', interop) == ["interop"]
    assert "python -m tests.interop $(PARALLEL)" in makefile
    assert re.findall(r"^make (\w+)$", ci, re.MULTILINE) == ["test", "interop"]


def test_whatever_asks_for_postgresql_belongs_to_interop() -> None:
    listed = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", "not interop",
         "tests/store", "tests/web/test_received.py"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip

    assert "[sqlite" in listed
    assert "postgresql-" not in listed
    assert "[postgresql]" not in listed
