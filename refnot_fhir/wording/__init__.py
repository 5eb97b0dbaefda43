"""Sentences for people, made when somebody reads: never stored, never decided with.

The core decides in codes and parameters. A language is one file beside this one: `en.toml`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources

from refnot_fhir.core.record import record
from refnot_fhir.core.values import Reason

ENGLISH = "en"


@record
class Language:
    """The templates of one language, by section and code."""

    name: str
    sections: Mapping[str, Mapping[str, str]]

    def say(self, section: str, code: str, about: Mapping[str, str]) -> str:
        """One sentence, or a part of one. Raises KeyError for a code without a template."""
        return self.sections[section][code].format_map(about)

    def word(self, section: str, code: str) -> str:
        """The word for a code; the code itself where the language has none."""
        return self.sections[section].get(code, code)

    def listed(self, words: Iterable[str], last: str = "and") -> str:
        """`a`, `a and b`, `a, b and c`; `last` is the word before the last one."""
        *first, final = [*words] or [""]
        return f"{', '.join(first)}{self.sections['words'][last]}{final}" if first else final

    def reason(self, section: str, reason: Reason) -> str:
        """The sentence of a reason, with its own parameters."""
        return self.say(section, reason.code, dict(reason.about))


@cache
def language(name: str = ENGLISH) -> Language:
    """The templates of a language. Raises FileNotFoundError when there is no such file."""
    text = resources.files("refnot_fhir.wording").joinpath(f"{name}.toml").read_text("utf-8")
    return Language(name, tomllib.loads(text))
