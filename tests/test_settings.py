"""Settings come from the environment, and a wrong one is named."""

from __future__ import annotations

from dataclasses import fields

import pytest

from refnot_fhir.errors import BadMapping
from refnot_fhir.settings import Settings, from_environment, is_loopback

STATED = [
    ("REFNOT_TRUSTED_PROXY", "10.0.0.5,192.168.7.0/24", "trusted_proxy", "10.0.0.5,192.168.7.0/24"),
    ("REFNOT_USER_HEADER", "X-Remote-User", "user_header", "X-Remote-User"),
    ("REFNOT_HOST", " ::1 ", "host", "::1"),
    ("REFNOT_HOST", "localhost", "host", "localhost"),
    ("REFNOT_PORT", "9000", "port", 9000),
    ("REFNOT_BASE_PATH", "/r4", "base_path", "/r4"),
    ("REFNOT_PUBLIC_URL", "https://trial.example.org", "public_url", "https://trial.example.org"),
    ("REFNOT_DATABASE_URL", "sqlite:////x.db", "database_url", "sqlite:////x.db"),
    ("REFNOT_MAPPINGS", "/etc/refnot", "mappings", "/etc/refnot"),
    ("REFNOT_REPLAY", "true", "replay", True),
    ("REFNOT_REPLAY", "On", "replay", True),
    ("REFNOT_REPLAY", "0", "replay", False),
    ("REFNOT_REPLAY", "", "replay", False),
    ("REFNOT_WORKERS", "4", "workers", 4),
    ("REFNOT_THREADS", "16", "threads", 16),
    ("REFNOT_QUEUE", "0", "queue", 0),
    ("REFNOT_BODY_SECONDS", "5", "body_seconds", 5),
    ("REFNOT_BODY_RATE", "1000", "body_rate", 1000),
    ("REFNOT_HEADER_SECONDS", "3", "header_seconds", 3),
    ("REFNOT_SEND_SECONDS", "7", "send_seconds", 7),
    ("REFNOT_BODIES_BYTES", "60000000", "bodies_bytes", 60_000_000),
    ("REFNOT_MAX_BODY_BYTES", "1000", "max_body_bytes", 1000),
    ("REFNOT_MAX_ENTRIES", "10", "max_entries", 10),
    ("REFNOT_ALLOW_UNPROTECTED", "yes", "allow_unprotected", True),
]


@pytest.mark.parametrize(("variable", "text", "name", "value"), STATED)
def test_each_setting_is_a_variable(variable: str, text: str, name: str, value: object) -> None:
    assert getattr(from_environment({variable: text}), name) == value


def test_every_setting_is_tried_here_and_documented() -> None:
    assert {field.name for field in fields(Settings)} == {name for _, _, name, _ in STATED}
    assert all(field.metadata["doc"] for field in fields(Settings))


def test_without_anything_stated_the_defaults_hold() -> None:
    found = from_environment({"PATH": "/bin", "HOME": "/home/x"})
    assert found == Settings()
    assert (found.host, found.port, found.base_path) == ("127.0.0.1", 8000, "/fhir")
    assert found.database_url.startswith("sqlite:///")
    assert not found.replay


WRONG = [
    ("REFNOT_PORT", "http", "a whole number"),
    ("REFNOT_PORT", "80.5", "a whole number"),
    ("REFNOT_PORT", "", "a whole number"),
    ("REFNOT_PORT", "70000", "65535"),
    ("REFNOT_PORT", "-1", "65535"),
    ("REFNOT_WORKERS", "0", "at least 1"),
    ("REFNOT_THREADS", "-4", "at least 1"),
    ("REFNOT_MAX_BODY_BYTES", "0", "at least 1"),
    ("REFNOT_QUEUE", "-1", "at least 0"),
    ("REFNOT_BODY_SECONDS", "0", "at least 1"),
    ("REFNOT_BODY_RATE", "0", "at least 1"),
    ("REFNOT_HEADER_SECONDS", "0", "at least 1"),
    ("REFNOT_SEND_SECONDS", "0", "at least 1"),
    ("REFNOT_BODIES_BYTES", "1000", "no body of that size"),
    ("REFNOT_MAX_ENTRIES", "0", "at least 1"),
    ("REFNOT_REPLAY", "maybe", "true or false"),
    ("REFNOT_ALLOW_UNPROTECTED", "2", "true or false"),
    ("REFNOT_BASE_PATH", "fhir", "/"),
    ("REFNOT_BASE_PATH", "/", "/"),
    ("REFNOT_BASE_PATH", "/fhir/", "/"),
    ("REFNOT_POTR", "8000", "is not a setting"),
]


@pytest.mark.parametrize(("variable", "text", "words"), WRONG)
def test_a_wrong_value_is_refused_by_the_name_of_its_variable(
    variable: str, text: str, words: str
) -> None:
    with pytest.raises(BadMapping) as raised:
        from_environment({variable: text})
    assert variable in str(raised.value)
    assert words in str(raised.value)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "trial.example.org"])  # noqa: S104
def test_listening_beyond_this_machine_has_to_be_meant(host: str) -> None:
    with pytest.raises(BadMapping, match="REFNOT_ALLOW_UNPROTECTED"):
        from_environment({"REFNOT_HOST": host})
    meant = from_environment({"REFNOT_HOST": host, "REFNOT_ALLOW_UNPROTECTED": "true"})
    assert meant.host == host
    assert not is_loopback(host)


def test_variables_of_the_tests_themselves_are_not_settings() -> None:
    assert from_environment({"REFNOT_TEST_POSTGRES": "x"}) == Settings()
