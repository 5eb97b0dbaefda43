"""A hospital's own codes are mapped in one way, whatever they are codes of."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import refnot_fhir.core
from refnot_fhir.core.translate.codes import codes_of, label, mapped, standard
from refnot_fhir.core.values import Coding, Concept
from tests.builders import LOCAL, LOINC, concept, site

OWN, SENT, MEANT = (LOCAL, "x"), (LOINC, "1-1"), (LOINC, "2-2")
AT = site(codes={OWN: MEANT, SENT: (LOCAL, "never")}, swapped={SENT: MEANT, MEANT: SENT})


@pytest.mark.parametrize(
    ("code", "meant"),
    [(OWN, MEANT), (SENT, MEANT), (MEANT, SENT), ((LOINC, "3-3"), (LOINC, "3-3"))],
)
def test_own_codes_and_confused_ones_mean_what_the_hospitals_file_says(code, meant) -> None:
    assert standard(code, AT) == meant
    assert list(mapped(concept(code[1], code[0]), AT)) == ([] if code == meant else [(code, meant)])


def test_codes_are_told_once_and_a_coding_without_a_code_has_none() -> None:
    said = Concept((Coding(*OWN), Coding(*SENT), Coding(LOINC, "", "something")))
    assert codes_of(said, AT) == (MEANT,)


def test_a_concept_is_called_by_its_text_or_else_by_its_first_name_or_code() -> None:
    assert label(Concept((Coding("", "", ""), Coding("", "c", "name")), "")) == "name"
    assert label(concept("c", text="text")) == "text"
    assert label(None) == ""


def test_only_one_module_reads_the_codes_of_a_hospitals_file() -> None:
    readers = {
        path.name
        for path in Path(refnot_fhir.core.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ("swapped", "codes")
        if isinstance(node.value, ast.Name) and node.value.id == "site"
    }
    assert readers == {"codes.py"}
