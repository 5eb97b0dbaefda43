from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.write import research_study
from tests.fhir.published_builders import NOW, PROTOCOL, VERSIONS, assert_valid

R4_LIKE = (Version.R4, Version.R4B)


def written(version, protocol=PROTOCOL):
    return research_study.write(protocol, version, last_updated=NOW, version_id="1")


@pytest.mark.parametrize("version", VERSIONS)
def test_the_study_is_valid_in_every_version(version):
    assert_valid(written(version), version)


@pytest.mark.parametrize("version", VERSIONS)
def test_what_all_versions_share_is_said_alike(version):
    study = written(version)
    assert study["identifier"][0]["system"] == "https://clinicaltrials.gov/nctid"
    assert study["identifier"][0]["value"] == "NCT05898451"
    assert study["period"] == {"start": "2009-06-04", "end": "2011-11"}
    assert study["meta"] == {"versionId": "1", "lastUpdated": "2026-05-20T09:30:00+00:00"}
    assert study["condition"] == [{"text": "Solid tumor"}]
    assert study["phase"]["coding"][0]["code"] == "phase-2"


@pytest.mark.parametrize("version", R4_LIKE)
def test_r4_has_arms_and_the_status_itself(version):
    study = written(version)
    assert study["status"] == "completed"
    assert study["sponsor"] == {"type": "Organization", "display": "Refnot-Pharm Ltd"}
    assert [arm["name"] for arm in study["arm"]] == [arm.name for arm in PROTOCOL.arms]
    assert study["arm"][0]["type"] == {"text": "Experimental"}


@pytest.mark.parametrize("version", R4_LIKE)
def test_r4_carries_acronym_and_numbers_as_cross_version_extensions(version):
    label, recruitment = written(version)["extension"]
    assert label["url"].endswith("/5.0/StructureDefinition/extension-ResearchStudy.label")
    assert label["extension"][1] == {"url": "value", "valueString": "R-2"}
    assert [part["valueUnsignedInt"] for part in recruitment["extension"]] == [50, 55]


def test_r5_tells_the_record_from_the_progress_of_the_study():
    study = written(Version.R5)
    assert study["status"] == "active"
    (progress,) = study["progressStatus"]
    assert progress["state"]["coding"][0]["code"] == "completed"
    assert progress["period"] == {"start": "2011-11"}
    assert study["recruitment"] == {"targetNumber": 50, "actualNumber": 55}
    assert study["comparisonGroup"][0]["linkId"] == "alone"
    assert study["comparisonGroup"][0]["type"]["coding"][0]["code"] == "experimental"
    assert study["associatedParty"][0]["name"] == "Refnot-Pharm Ltd"


def test_a_study_still_open_says_nothing_about_when_its_state_began():
    study = written(Version.R5, replace(PROTOCOL, status="active", period=("2009-06-04", "")))
    assert "period" not in study["progressStatus"][0]
    assert study["period"] == {"start": "2009-06-04"}


def test_a_phase_or_arm_type_of_no_code_system_is_not_dressed_up_as_one():
    arms = (replace(PROTOCOL.arms[0], type="Historical"),)
    study = written(Version.R5, replace(PROTOCOL, phase="phase-9", arms=arms))
    assert "text" not in study["phase"]
    assert study["comparisonGroup"][0]["type"] == {"text": "Historical"}


def test_a_moment_without_a_zone_is_refused():
    naive = datetime(2026, 5, 20)  # noqa: DTZ001
    with pytest.raises(ValueError, match="time zone"):
        research_study.write(PROTOCOL, Version.R4, last_updated=naive, version_id="1")
