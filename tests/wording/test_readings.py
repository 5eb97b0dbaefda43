"""Every reason that is given for a reading has a sentence, and every sentence is filled."""

from __future__ import annotations

import ast
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

import refnot_fhir.core
from refnot_fhir.core import vocabulary
from refnot_fhir.core.values import reason
from refnot_fhir.core.vocabulary import Unlisted, Unusable
from refnot_fhir.wording import language
from refnot_fhir.wording.readings import sentence

CORE = Path(refnot_fhir.core.__file__).parent
TEMPLATES = language().sections["reading"]
OF_INNER_REASONS = {"why", "clause"}
OF_EARLIER_RELEASES = {"text"}


def made() -> Iterator[tuple[str, ast.Call]]:
    """Every call that makes a reason for a reading, with its place."""
    modules = [*(CORE / "translate").glob("*.py"), *map(CORE.joinpath, OTHERS)]
    for path in sorted(modules):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                passed_on = any(word.arg is None for word in node.keywords)
                if node.func.id in ("reason", "_refused") and not passed_on:
                    yield f"{path.name}:{node.lineno}:{node.col_offset}", node


OTHERS = ("criteria/derive.py", "criteria/bounds.py", "chart.py", "reports.py")


def literals(node: ast.expr) -> set[str]:
    """The texts that an argument can be: a literal, a member of a vocabulary, one of two."""
    match node:
        case ast.Constant(value=str(text)):
            return {text}
        case ast.Attribute(value=ast.Name(id=enum), attr=member):
            found = getattr(getattr(vocabulary, enum, None), member, None)
            return set() if found is None else {str(found)}
        case ast.IfExp(body=one, orelse=other):
            return literals(one) | literals(other)
    return set()


def templates_of(call: ast.Call) -> set[str]:
    """The names of the templates that a reason can have: its cases, or else its code."""
    code, *rest = call.args
    cases = literals(rest[0]) if rest else {""}
    return {case or next(iter(literals(code))) for case in cases}


def names_of(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


CALLS = dict(made())


@pytest.mark.parametrize("place", CALLS)
def test_a_reason_gives_its_template_all_that_this_asks_for(place: str) -> None:
    call = CALLS[place]
    names = templates_of(call)

    assert names
    for name in names:
        asked = names_of(TEMPLATES[name])
        assert asked - OF_INNER_REASONS == {word.arg for word in call.keywords}
        assert bool(asked & OF_INNER_REASONS) == (len(call.args) > 2)


def test_every_code_has_a_template_and_every_template_a_reason() -> None:
    used = set().union(*map(templates_of, CALLS.values()))

    assert set(TEMPLATES) == used | OF_EARLIER_RELEASES
    assert set(Unlisted) <= used
    codes = {code for call in CALLS.values() for code in literals(call.args[0])}
    assert set(Unusable) <= codes


def test_a_reason_tells_what_it_rests_on() -> None:
    inner = reason(Unusable.NO_UNIT)

    assert sentence(reason("no-unit", "derived-from-unusable", inner, part="white cells")) == (
        "It would be derived from white cells: The value has no unit, and none is ever assumed."
    )
    conflict = reason(Unusable.UNIT_CONFLICT, shown="mL", coded="L")
    assert sentence(reason("dose-unit-conflict", "", conflict)) == (
        "dose not evaluable: the unit shown, “mL”, contradicts its code, “L”"
    )
    assert sentence(reason("each-range", "", reason("other-sex"), reason("range-empty"))) == (
        "it is for the other sex; it is empty"
    )


def test_several_values_of_one_parameter_are_a_list() -> None:
    assert sentence(reason(Unusable.CONFLICTING_CODES, labs=["ALT", "AST"])) == (
        "Its codes mean ALT and AST at once."
    )
