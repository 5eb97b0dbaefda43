"""Codes of terminologies stand in the mapping files: core and rulebook have none of their own."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import refnot_fhir.core
import refnot_fhir.rulebook

ROOMS = (refnot_fhir.core, refnot_fhir.rulebook)
MODULES = sorted(it for room in ROOMS for it in Path(room.__file__ or "").parent.rglob("*.py"))
ADDRESS = re.compile(r"https?://|urn:")
CODE = re.compile(
    r"\d{1,5}-\d"  # LOINC
    r"|LA\d+-\d"  # an answer of LOINC
    r"|\d{6,18}"  # SNOMED CT, RxNorm
    r"|[A-Z]\d\d[A-Z]{1,2}(?:\d\d)?"  # ATC
)


def texts(path: Path) -> Iterator[str]:
    """Every string of a module but its documentation."""
    tree = ast.parse(path.read_text("utf-8"))
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            yield node.value


@pytest.mark.parametrize("path", MODULES, ids=lambda it: it.stem)
def test_no_code_and_no_code_system_stands_in_a_module(path: Path) -> None:
    assert [it for it in texts(path) if ADDRESS.search(it) or CODE.fullmatch(it)] == []
