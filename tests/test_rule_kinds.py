"""Every kind of rule has all that a kind consists of, each part in its own place."""

from __future__ import annotations

import json
import re
from importlib import import_module, resources
from pathlib import Path
from typing import Any

import pytest

from refnot_fhir.core.rules import Rule
from refnot_fhir.core.verdict import RuleKind
from refnot_fhir.rulebook.criteria import READERS
from refnot_fhir.wording import language

ROOT = Path(__file__).parents[1]
LANGUAGES = sorted(
    entry.name.removesuffix(".toml")
    for entry in resources.files("refnot_fhir.wording").iterdir()
    if entry.name.endswith(".toml")
)
every_kind = pytest.mark.parametrize("kind", RuleKind)


def schema() -> dict[str, Any]:
    path = ROOT / "mappings" / "schema" / "eligibility.schema.json"
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))["$defs"]
    return found


@every_kind
def test_a_kind_is_one_record_in_a_file_of_its_own_name(kind: RuleKind) -> None:
    module = import_module(f"refnot_fhir.core.criteria.{kind}")

    defined = [
        it for it in vars(module).values() if getattr(it, "__module__", "") == module.__name__
    ]
    rules = [it for it in defined if isinstance(it, type) and issubclass(it, Rule)]

    assert [rule.kind for rule in rules] == [kind]


def test_the_mapping_files_may_name_every_kind_and_no_other() -> None:
    assert set(READERS) == set(RuleKind)
    assert schema()["criterion"]["properties"]["rule"]["properties"]["kind"]["enum"] == [*RuleKind]


@every_kind
def test_the_schema_has_the_keys_of_every_kind(kind: RuleKind) -> None:
    branches = schema()["criterion"]["properties"]["rule"]["allOf"]
    keys = {it["if"]["properties"]["kind"]["const"]: it["then"]["$ref"] for it in branches}

    assert keys[kind] == f"#/$defs/{kind}_rule"
    assert schema()[f"{kind}_rule"]["properties"]["kind"]["const"] == kind
    assert len(schema()[f"{kind}_rule"]["properties"]) > 1


@every_kind
@pytest.mark.parametrize("name", LANGUAGES)
def test_every_kind_has_its_words_in_every_language(kind: RuleKind, name: str) -> None:
    sections = language(name).sections

    assert sections[f"result-{kind}"]
    assert sections[f"rule-{kind}"]


@every_kind
def test_those_who_write_mappings_can_read_of_every_kind(kind: RuleKind) -> None:
    text = (ROOT / "mappings" / "README.md").read_text("utf-8")
    row = re.search(rf"^\| `{kind}` \| (.+) \| .+ \|$", text, re.MULTILINE)
    assert row is not None

    told = set(re.findall(r"`(\w+)`", row[1]))

    assert set(schema()[f"{kind}_rule"]["properties"]) - {"kind"} <= told
