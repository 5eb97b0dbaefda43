"""The documentation keeps up: all that exists is in it, links lead somewhere, commands run."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import click
import pytest

from refnot_fhir import compose
from refnot_fhir.cli import main
from refnot_fhir.core.dosing.results import DeviationCode
from refnot_fhir.core.vocabulary import Unusable
from refnot_fhir.errors import BadMapping, RefnotError
from refnot_fhir.export.records import KINDS
from refnot_fhir.export.rows import schema
from refnot_fhir.export.writers import FORMS
from refnot_fhir.fhir.search.parameters import TYPES, includes, parameters
from refnot_fhir.fhir.versions import Version
from refnot_fhir.settings import PREFIX, Settings
from refnot_fhir.store import migrate
from refnot_fhir.trial.receive.request import Failure
from refnot_fhir.web.app import create_app
from tests.real_input import BUNDLES

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "mappings" / "README.md",
    ROOT / "examples" / "README.md", *sorted(DOCS.glob("*.md")),
]  # fmt: skip
WITH_COMMANDS = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
THE_MORNING = datetime(2026, 6, 1, 9, 30, tzinfo=UTC)
"""When the README asks."""
BUNDLE = next((one for one in BUNDLES if one.name.startswith("ad0b4b7a")), None)


def name_of(page: Path) -> str:
    """A page as it is called in the checkout."""
    return str(page.relative_to(ROOT))


def page(name: str) -> str:
    """The text of a page of `docs/`."""
    return (DOCS / name).read_text("utf-8")


# All that exists is documented


def test_every_setting_has_its_default_and_its_meaning() -> None:
    text = page("settings.md")
    for one in fields(Settings):
        shown = str(one.default).lower() if isinstance(one.default, bool) else one.default
        cell = f"`{shown}`" if shown != "" else "empty"
        assert f"| `{PREFIX}{one.name.upper()}` | {cell} | {one.metadata['doc']} |" in text


def test_no_setting_is_documented_that_does_not_exist() -> None:
    known = {PREFIX + one.name.upper() for one in fields(Settings)}
    for path in PAGES:
        named = set(re.findall(r"REFNOT_[A-Z0-9_]*[A-Z0-9]", path.read_text("utf-8")))
        assert named <= known | {
            "REFNOT_TEST_POSTGRES",
            "REFNOT_TEST_INPUT",
            "REFNOT_HL7_PACKAGES",
        }, name_of(path)


COMMANDS = {
    f"{name} {inner}".strip(): one
    for name, command in main.commands.items()
    for inner, one in (getattr(command, "commands", None) or {"": command}).items()
}


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_option_of_a_command_is_documented(command: str) -> None:
    section = page("cli.md").partition(f"\n## {command}\n")[2].partition("\n## ")[0]

    assert section
    for option in COMMANDS[command].params:
        if isinstance(option, click.Option):
            for name in option.opts:
                assert re.search(rf"^\| `{name}[ `]", section, re.MULTILINE), name
    documented = set(re.findall(r"^\| `(--[a-z-]+)", section, re.MULTILINE))
    known = {name for option in COMMANDS[command].params for name in option.opts}
    assert documented <= known


def test_every_route_is_documented(app: Any) -> None:
    text = page("http.md")
    methods = set(re.findall(r"^\| ([A-Z, ]+) \| ", text, re.MULTILINE))
    for rule in app.url_map.iter_rules():
        if rule.endpoint == "static":
            continue
        path = _as_documented(rule.rule)
        assert f"`{path}`" in text, f"{rule.methods} {rule.rule}"
        for method in rule.methods - {"HEAD", "OPTIONS"}:
            assert any(method in one for one in methods), method


def _as_documented(rule: str) -> str:
    """A route of Flask as the page writes it: one base, one name for what stands for a type."""
    path = re.sub(r"^(/<site>)?/fhir", "[base]", rule)
    path = re.sub(r"<any\((\w+)[^)]*\):type_>", r"\1", path)
    path = path.replace("<type_>", "<type>").replace("<id_>", "<id>")
    path = re.sub(
        r"Research(Study|Subject)/(<id>(/_history/<version>)?|_search)$", r"<type>/\2", path
    )
    return path if path == "/" else path.rstrip("/")


@pytest.mark.parametrize("type_", TYPES)
def test_every_search_parameter_and_include_is_documented(type_: str) -> None:
    text = page("conformance.md")
    row = next(line for line in text.splitlines() if line.startswith(f"| {type_} | `"))
    for version in Version:
        for name in parameters(type_, version):
            assert f"`{name}`" in (text if name.startswith("_") else row), (version, name)
        for name in includes(type_, version):
            assert f"`{name}`" in row, (version, name)


def test_every_field_of_the_records_is_documented() -> None:
    for record in KINDS.values():
        described = schema(record)
        text = page("records.md").partition(f"\n## {described['title']}\n")[2].partition("\n## ")[0]
        for name, said in _fields(described, described.get("$defs", {})):
            row = re.search(rf"^\| `{re.escape(name)}` \| (.+) \| (.+) \|$", text, re.MULTILINE)
            assert row, name
            assert row[2] == said


def test_every_form_of_the_records_is_documented() -> None:
    for form in FORMS:
        assert f"`_format={form}`" in page("records.md")
        assert f"`{form}`" in page("cli.md")


def _fields(schema: Any, defined: Any, above: str = "") -> Iterator[tuple[str, str]]:
    for name, own in schema["properties"].items():
        whole = defined[own["$ref"].rpartition("/")[2]] if "$ref" in own else own
        yield above + name, own["description"]
        if "properties" in whole:
            yield from _fields(whole, defined, f"{above}{name}.")
        elif "properties" in whole.get("items", {}):
            yield from _fields(whole["items"], defined, f"{above}{name}[].")


def test_every_code_of_a_deviation_and_of_an_unusable_value_is_documented() -> None:
    text = page("records.md")

    assert [code for code in (*Unusable, *DeviationCode) if f"`{code}`" not in text] == []


def test_every_status_that_is_answered_is_documented() -> None:
    text = page("http.md")
    sources = "".join(p.read_text("utf-8") for p in (ROOT / "refnot_fhir" / "web").rglob("*.py"))
    answered = set(re.findall(r"(?:\(|, |: )([45]\d\d)\b", sources))

    assert {"400", "404", "503"} <= answered
    # Of the server in front, of SMART to come, and the port of https.
    foreign = {"401", "408", "411", "429", "443"}
    for status in answered - foreign:
        assert f"| {status} |" in text or f"`{status}" in text, status


def test_every_kind_of_error_has_its_status_in_the_table() -> None:
    from refnot_fhir.web.errors import REFUSALS

    text = page("http.md")
    # Mapping files are read before there is anybody to answer.
    answered = set(_errors(RefnotError)) - {BadMapping}
    assert answered <= set(REFUSALS)
    # What was undone is told by the failure that undid it.
    for kind in (*answered, *set(Failure) - {Failure.UNDONE}):
        assert f"\n| {REFUSALS[kind].status} | " in text


def _errors(kind: type) -> Iterator[type]:
    for one in kind.__subclasses__():
        yield one
        yield from _errors(one)


def test_every_direct_dependency_has_its_reason() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    locked = (ROOT / "requirements.lock").read_text("utf-8").lower()
    text = page("dependencies.md")
    for wanted in project["project"]["dependencies"]:
        name = re.match(r"[\w.-]+", wanted)[0]  # type: ignore[index]
        row = re.search(rf"^\| {re.escape(name)}(?: \(\w+\))? \| ([\d.]+) \|", text, re.MULTILINE)
        assert row, name
        pinned = rf"^{name.replace('.', '[.-]')}(\[\w+\])?=={re.escape(row[1])}\s"
        assert re.search(pinned, locked, re.MULTILINE), name
    for wanted in project["dependency-groups"]["dev"]:
        assert re.match(r"[\w-]+", wanted)[0] in text  # type: ignore[index]


# Links lead somewhere, and files are where they are said to be


def test_the_rooms_and_files_of_the_architecture_are_there() -> None:
    named = re.findall(r"`([\w./]+(?:/|\.py|\.toml))`", page("architecture.md"))

    assert len(named) > 60
    rooms = [ROOT, ROOT / "refnot_fhir", *(ROOT / "refnot_fhir").iterdir(), ROOT / "mappings"]
    lost = [name for name in named if not any((room / name).exists() for room in rooms)]
    assert [name for name in lost if name not in _OF_EVERY_PROTOCOL] == []
    modules = {path.name for path in (ROOT / "refnot_fhir").iterdir()} - {"__pycache__"}
    rows = set(re.findall(r"^\| `([\w.]+)/?` \|", page("architecture.md"), re.MULTILINE))
    assert {name for name in modules if not name.startswith("__") and "typed" not in name} <= rows


_OF_EVERY_PROTOCOL = ("eligibility.toml", "cases.toml")


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_links_between_pages_resolve(path: Path) -> None:
    text = re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://")):
            continue
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        assert there.exists(), target
        if anchor:
            assert anchor in _anchors(there), target


def _anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}


# Commands are commands, and answer what is shown


@dataclass(frozen=True)
class Shown:
    """A command of a page, and the output that the page shows for it."""

    page: str
    command: str
    output: str


def shown(path: Path) -> Iterator[Shown]:
    """Every command of the fenced blocks of a page."""
    text = path.read_text("utf-8")
    for kind, block in re.findall(r"^```(sh|console)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        if kind == "sh":
            for line in filter(str.strip, block.splitlines()):
                yield Shown(name_of(path), line.partition("  #")[0].strip(), "")
        else:
            for one in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                command, _, output = one.partition("\n")
                yield Shown(name_of(path), command, output)


ALL_SHOWN = [one for path in WITH_COMMANDS for one in shown(path)]


def test_there_are_commands_to_try() -> None:
    assert len(ALL_SHOWN) > 12


@pytest.mark.parametrize("one", ALL_SHOWN, ids=lambda one: f"{one.page}: {one.command[:40]}")
def test_a_command_that_is_shown_exists(one: Shown, app: Any) -> None:
    words = shlex.split(one.command)
    program = Path(words[0]).name
    if program == "refnot-fhir":
        command = COMMANDS.get(" ".join(words[1:3])) or COMMANDS[words[1]]
        known = {name for option in command.params for name in option.opts}
        assert {word for word in words[2:] if word.startswith("--")} <= known
    elif program == "make":
        targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
        assert words[1] in targets
    elif program == "curl":
        url = re.search(r"http://127\.0\.0\.1:8000[^\s'\"]*", one.command)[0]  # type: ignore[index]
        method = words[words.index("-X") + 1] if "-X" in words else "GET"
        posted = any(word.startswith("--data") for word in words) and method == "GET"
        path = url.removeprefix("http://127.0.0.1:8000").partition("?")[0]
        adapter = app.url_map.bind("127.0.0.1")
        adapter.match(path.replace("\\", ""), method="POST" if posted else method)
    else:
        assert program in ("export", "pip", "python", "python3", "sqlite3"), one.command


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The application, over a database of its own."""
    url = f"sqlite:///{tmp_path_factory.mktemp('docs') / 'x.sqlite3'}"
    return create_app(compose.prepare(Settings(database_url=url, mappings=str(ROOT / "mappings"))))


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _tours() -> Iterator[Any]:
    for path in WITH_COMMANDS:
        commands = [one.command for one in shown(path) if one.output]
        marks = [pytest.mark.real_input] if any("$BUNDLE" in one for one in commands) else []
        if commands:
            yield pytest.param(path, marks=marks, id=name_of(path))


@pytest.mark.parametrize("path", list(_tours()))
def test_the_output_that_is_shown_is_what_comes_out(path: Path, tmp_path: Path) -> None:
    commands = [one for one in shown(path) if one.output and not one.command.startswith("export")]
    settings = Settings(
        database_url=f"sqlite:///{tmp_path / 'x.sqlite3'}", mappings=str(ROOT / "mappings"),
        replay=path.name == "tour.md",
    )  # fmt: skip
    migrate(settings.database_url)
    service = compose.open_service(settings)
    if path.name == "README.md":
        service = replace(service, clock=lambda: THE_MORNING)
    with make_server("127.0.0.1", 0, create_app(service), handler_class=_Quiet) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        try:
            for one in commands:
                out = _run(one.command, httpd.server_port, settings, tmp_path)
                assert _pattern(one.output, httpd.server_port).fullmatch(_squeezed(out)), (
                    f"{one.command}\n--- came out:\n{out[:2000]}"
                )
        finally:
            httpd.shutdown()
            thread.join()
            service.store.close()


def _run(command: str, port: int, settings: Settings, folder: Path) -> str:
    own = f"{shlex.quote(sys.executable)} -c 'from refnot_fhir.cli import main; main()'"
    command = re.sub(r"^(\.venv/bin/)?refnot-fhir\b", own, command)
    command = command.replace("http://127.0.0.1:8000", f"http://127.0.0.1:{port}")
    command = command.replace("@examples/", f"@{ROOT}/examples/")
    environment = {name: text for name, text in os.environ.items() if PREFIX not in name} | {
        "REFNOT_DATABASE_URL": settings.database_url,
        "REFNOT_MAPPINGS": settings.mappings,
        "REFNOT_REPLAY": str(settings.replay).lower(),
        "PYTHONPATH": str(ROOT),
        "BUNDLE": str(BUNDLE),
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }
    found = subprocess.run(
        ["bash", "-c", command], env=environment, cwd=folder,
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert found.returncode == 0, f"{command}\n{found.stderr}"
    return found.stdout


def _squeezed(text: str) -> str:
    """Tabs and line ends do not matter, and neither do the versions of the test's own server."""
    return re.sub(r"\s+", " ", text.replace("HTTP/1.0", "HTTP/1.1")).strip()


def _pattern(output: str, port: int) -> re.Pattern[str]:
    """What an output that is shown stands for: … is anything, and an id is any id."""
    text = _squeezed(output.replace("http://127.0.0.1:8000", f"http://127.0.0.1:{port}"))
    text = re.sub(_ID, "…id…", text)
    parts = re.split(r"(…id…)|\s?(…)\s?", text)
    shown_as = {"…id…": _ID, "…": ".*"}
    return re.compile(
        "".join(shown_as.get(part) or re.escape(part) for part in parts if part),
        re.DOTALL | re.IGNORECASE,
    )


_ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def test_json_that_is_shown_is_json() -> None:
    for path in WITH_COMMANDS:
        for block in re.findall(r"^```json\n(.*?)^```", path.read_text("utf-8"), re.M | re.S):
            json.loads(re.sub(r",\s*…", "", block))
