"""The rooms stay rooms: who may import what, how large a module may be, what must not be said."""

from __future__ import annotations

import ast
import io
import json
import pickle
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from refnot_fhir.core.rules import Rulebook

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "refnot_fhir"
MODULES = sorted(PACKAGE.rglob("*.py"))
LONGEST_MODULE, LONGEST_FUNCTION = 400, 40
_WRITTEN = (".py", ".md", ".toml", ".sh", ".html", ".cfg", ".mako")


def name_of(path: Path) -> str:
    """A file as it is called in the checkout."""
    return str(path.relative_to(ROOT))


def asked(code: str) -> str:
    """What a new Python process prints after running `code`."""
    found = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return found.stdout


def test_the_contracts_between_rooms_are_kept() -> None:
    found = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as lint; lint()",
         "--no-cache"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert found.returncode == 0, found.stdout + found.stderr
    assert "0 broken" in found.stdout


def test_the_core_needs_nothing_but_the_standard_library() -> None:
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted((PACKAGE / "core").rglob("*.py"))
    ]
    imports = "\n".join(f"import {name}" for name in names)

    loaded = json.loads(asked(f"{imports}\nimport json\nprint(json.dumps(list(sys.modules)))"))

    roots = {name.partition(".")[0] for name in loaded} - {"__main__", "__mp_main__"}
    strangers = {
        root
        for root in roots - set(sys.stdlib_module_names) - {"refnot_fhir"}
        if not root.startswith(("_", "sitecustomize"))
    }
    assert strangers == set()
    rooms = {name.split(".")[1] for name in loaded if name.startswith("refnot_fhir.")}
    assert rooms == {"core"}


def test_a_json_bundle_is_received_without_loading_fhir_resources_and_a_study_is_built_by_it(
    tmp_path: Path,
) -> None:
    database = f"sqlite:///{tmp_path / 'x.sqlite3'}"
    sent = ROOT / "examples" / "one-patient" / "r4" / "1-morning-results.json"
    code = f"""
from dataclasses import replace
from refnot_fhir import compose
from refnot_fhir.settings import Settings
from refnot_fhir.web.app import create_app
settings = Settings(database_url={database!r}, mappings={str(ROOT / "mappings")!r})
client = create_app(compose.prepare(settings)).test_client()
body = open({str(sent)!r}, "rb").read()
assert client.post("/fhir", data=body).status_code == 200
assert client.get("/fhir/ResearchSubject").status_code == 200
loaded = lambda: [name for name in sys.modules if name.startswith(("fhir.resources", "pydantic"))]
print(loaded())
assert client.get("/fhir/ResearchStudy").status_code == 200
print("fhir.resources" in loaded())
"""
    assert asked(code).splitlines() == ["[]", "True"]


def test_the_rulebook_can_be_sent_to_other_processes(production: Rulebook) -> None:
    there = pickle.loads(pickle.dumps(production))  # noqa: S301  # our own bytes

    assert there == production


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_stays_small_enough_to_be_read_at_once(path: Path) -> None:
    assert len(_lines_of_code(path.read_text("utf-8"))) < LONGEST_MODULE


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_functions_stay_short(path: Path) -> None:
    text = path.read_text("utf-8")
    counted = _lines_of_code(text)
    long = {
        node.name: size
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef)
        for size in [sum(node.lineno <= line <= (node.end_lineno or 0) for line in counted)]
        if size > LONGEST_FUNCTION
    }
    assert long == {}


def _lines_of_code(text: str) -> set[int]:
    """Numbers of the lines that are neither blank nor comments nor documentation."""
    said = {
        line
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    skipped = {
        tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
        tokenize.ENDMARKER,
    }  # fmt: skip
    found = {
        line
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type not in skipped
        for line in range(token.start[0], token.end[0] + 1)
    }
    return found - said


WORDLESS = [
    path
    for path in MODULES
    if path.is_relative_to(PACKAGE / "core") and path != PACKAGE / "core" / "translate" / "dose.py"
]
_WORDS = re.compile(r"[^\W\d_]{2,}[,:;]? [^\W\d_]{2,}")


@pytest.mark.parametrize("path", WORDLESS, ids=name_of)
def test_what_decides_holds_no_prose(path: Path) -> None:
    """Two words in a row outside documentation, and outside what only developers are told."""
    tree = ast.parse(path.read_text("utf-8"))
    told = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise | ast.Expr)
        for part in ast.walk(node)
        if isinstance(node, ast.Raise) or isinstance(node.value, ast.Constant)
    }
    assert [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in told
        and _WORDS.search(node.value)
    ] == []


def written() -> Iterator[Path]:
    """Everything that people wrote and that is published."""
    for top in (
        "refnot_fhir",
        "tests",
        "mappings",
        "docs",
        "examples",
        "benchmarks",
        "tools",
        ".ci",
    ):
        for path in sorted((ROOT / top).rglob("*")):
            if path.suffix in _WRITTEN and path != Path(__file__):
                yield path
    for name in ("README.md", "CHANGELOG.md", "Makefile", "pyproject.toml", "server.py"):
        yield ROOT / name


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        (r"(?<![\w.])/(?:root|work|home/\w+|Users/\w+)/", "a path of one machine"),
        (r"\b(?:TODO|FIXME|XXX|HACK)\b", "work that is not done"),
        (r"\bprint\(.*# *debug", "a trace of debugging"),
        (r"<{7} |>{7} ", "a conflict of a merge"),
    ],
)
def test_nothing_is_published_that_should_not_be(pattern: str, why: str) -> None:
    found = [
        f"{name_of(path)}:{number}: {line.strip()[:80]}"
        for path in written()
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        if re.search(pattern, line)
    ]
    assert found == [], why


@pytest.mark.parametrize("word", ["utils", "helpers", "manager", "handler", "common", "misc"])
def test_modules_are_named_after_what_they_are_about(word: str) -> None:
    assert [name_of(path) for path in MODULES if word in path.stem] == []
