"""Sentences are made of codes and parameters, by the file of a language."""

from __future__ import annotations

from importlib import resources
from string import Formatter

import pytest

from refnot_fhir.core.values import Reason
from refnot_fhir.wording import language


def test_a_sentence_is_a_template_filled_with_the_parameters_of_a_reason() -> None:
    assert language().reason("said", Reason("text", (("text", "as sent"),))) == "as sent"


def test_a_language_without_a_file_is_no_language() -> None:
    with pytest.raises(FileNotFoundError):
        language("tlh")


LANGUAGES = sorted(
    entry.name.removesuffix(".toml")
    for entry in resources.files("refnot_fhir.wording").iterdir()
    if entry.name.endswith(".toml")
)


def placeholders(name: str) -> dict[tuple[str, str], frozenset[str]]:
    """What each template of a language is filled with."""
    return {
        (section, code): frozenset(field for _, field, _, _ in Formatter().parse(said) if field)
        for section, known in language(name).sections.items()
        for code, said in known.items()
    }


@pytest.mark.parametrize("name", LANGUAGES)
def test_every_language_says_the_same_with_the_same(name: str) -> None:
    assert placeholders(name) == placeholders("en")


def test_a_list_ends_with_the_last_word_of_the_language() -> None:
    assert language().listed(["a", "b", "c"]) == "a, b and c"
    assert language().listed(["a", "b"], "or") == "a or b"
    assert (language().listed(["a"]), language().listed([])) == ("a", "")


def test_a_code_that_no_language_has_a_word_for_is_said_as_it_is() -> None:
    assert language().word("gender", "male") == "male"
    assert language().word("gender", "x") == "x"
