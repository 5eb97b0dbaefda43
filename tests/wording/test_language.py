"""Sentences are made of codes and parameters, by the file of a language."""

from __future__ import annotations

import pytest

from refnot_fhir.core.values import Reason
from refnot_fhir.wording import language


def test_a_sentence_is_a_template_filled_with_the_parameters_of_a_reason() -> None:
    assert language().reason("said", Reason("text", (("text", "as sent"),))) == "as sent"


def test_a_language_without_a_file_is_no_language() -> None:
    with pytest.raises(FileNotFoundError):
        language("tlh")
