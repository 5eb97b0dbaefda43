"""What pages of others make a browser on this machine send."""

from __future__ import annotations

import pytest

from tests.door import Door, patient


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_page_of_another_site_cannot_send_anything(door: Door, site: str) -> None:
    answer = door.post("Patient", patient("evil"), Sec_Fetch_Site=site)
    assert answer.status_code == 403
    assert door.rows()["resources"] == 0


def test_a_program_and_a_person_at_the_address_bar_are_let_in(door: Door) -> None:
    assert door.post("Patient", patient()).status_code in (200, 201)
    assert door.get("metadata", Sec_Fetch_Site="cross-site").status_code == 200
    assert door.get("metadata", Sec_Fetch_Site="none").status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "10.0.0.7", 'x"><script>'])
def test_a_name_that_is_not_ours_is_refused_even_if_it_leads_here(door: Door, host: str) -> None:
    answer = door.get("ResearchSubject", Host=host)
    assert answer.status_code in (400, 403)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8000", "[::1]:8000"])
def test_every_name_of_this_machine_is_known(door: Door, host: str) -> None:
    assert door.get("ResearchSubject", Host=host).status_code == 200
