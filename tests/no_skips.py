"""Where CI runs, a test that is skipped has failed: nobody reads there what was not tried."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import TypeVar

import pytest

_Report = TypeVar("_Report", pytest.TestReport, pytest.CollectReport)


def _forbidden() -> bool:
    return os.environ.get("CI", "").lower() not in ("", "0", "false", "no")


def _judged(report: _Report) -> _Report:
    """The report, a skip turned into a failure that gives the reason of the skip."""
    if report.skipped and not hasattr(report, "wasxfail") and _forbidden():
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid}: under CI nothing may be skipped ({reason})"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What became of one phase of a test."""
    return _judged((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """What became of a file: it may skip itself as a whole."""
    return _judged((yield))
