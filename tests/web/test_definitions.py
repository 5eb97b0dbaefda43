"""Our own definitions are searched as every other type is."""

from __future__ import annotations

import pytest

from refnot_fhir.fhir.versions import Version
from tests.door import FHIR_JSON, Door, content, matches, said

TYPES = ("CodeSystem", "OperationDefinition", "StructureDefinition", "Questionnaire")


@pytest.mark.parametrize("type_", TYPES)
@pytest.mark.parametrize("version", Version)
def test_a_definition_is_found_by_what_it_is_called(
    door: Door, type_: str, version: Version
) -> None:
    accept = f"{FHIR_JSON}; fhirVersion={version.mime}"
    for one in matches(door.get(type_, Accept=accept)):
        queries = [f"url={one['url']}", f"_id={one['id']}", f"name:exact={one['name']}"]
        for query in queries:
            found = matches(door.get(f"{type_}?{query}", Accept=accept))
            assert found == [one]
        assert one in matches(door.get(f"{type_}?status=active,draft", Accept=accept))
    assert matches(door.get(f"{type_}?url=http://elsewhere.example/x", Accept=accept)) == []


@pytest.mark.parametrize("type_", TYPES)
def test_pages_counts_and_strictness_are_those_of_every_search(door: Door, type_: str) -> None:
    whole = matches(door.get(type_))
    found, url = [], f"{type_}?_count=1"
    while url:
        page = door.get(url)
        assert len(matches(page)) == 1
        found += matches(page)
        links = {link["relation"]: link["url"] for link in content(page)["link"]}
        url = links.get("next", "")
    assert found == whole
    counted = content(door.get(f"{type_}?_summary=count"))
    assert (counted["total"], "entry" in counted) == (len(whole), False)

    lenient = content(door.get(f"{type_}?banana=1&_summary=true&_format=json"))
    assert [it["search"]["mode"] for it in lenient["entry"]][-1] == "outcome"
    assert lenient["link"] == [{"relation": "self", "url": f"http://localhost/fhir/{type_}"}]
    strict = door.get(f"{type_}?banana=1", Prefer="handling=strict")
    assert (strict.status_code, "banana" in said(strict)) == (400, True)
    assert door.get(f"{type_}?_count=many").status_code == 400
    assert door.get(f"{type_}?url:below=http://x").status_code == 400
