"""Where the mapping files are looked for."""

from __future__ import annotations

import pytest

from refnot_fhir.errors import BadMapping
from refnot_fhir.rulebook.find import folder, schema, shipped


def test_the_setting_comes_first(tmp_path):
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mine").mkdir()
    assert folder("mine", tmp_path) == tmp_path / "mine"
    assert folder(str(tmp_path / "mine"), tmp_path / "mappings") == tmp_path / "mine"


def test_a_setting_that_names_no_folder_is_refused(tmp_path):
    with pytest.raises(BadMapping, match="no such folder"):
        folder("nowhere", tmp_path)


def test_then_the_working_folder(tmp_path):
    (tmp_path / "mappings").mkdir()
    assert folder(None, tmp_path) == tmp_path / "mappings"


def test_then_the_copy_of_this_version(tmp_path):
    assert folder(None, tmp_path) == shipped()
    assert (shipped() / "protocols" / "refnot-r2" / "eligibility.toml").is_file()


def test_schemas_are_those_of_this_version():
    assert schema("labs").parent == shipped() / "schema"
