"""What a narrative may hold, and what is refused although some browser would show it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refnot_fhir.fhir.definitions import schema
from refnot_fhir.fhir.gate.narrative import MOST_ELEMENTS, Rules, fault
from refnot_fhir.fhir.versions import Version

LISTED = schema(Version.R4)["x-xhtml"]
RULES = Rules(frozenset(LISTED["elements"]), frozenset(LISTED["attributes"]))
OPEN = '<div xmlns="http://www.w3.org/1999/xhtml">'


def within(inner: str) -> str:
    return f"{OPEN}{inner}</div>"


@pytest.mark.parametrize(
    "inner",
    [
        "Creatinine 88 µmol/L",
        "a &lt; b &amp; c &#160; &quot;x&apos;",
        '<p class="x" id="y" style="color: red; background: rgb(1, 2, 3)">x</p>',
        '<h1 lang="ru" xml:lang="ru">x</h1>',
        '<table border="1"><thead><tr><th colspan="2">x</th></tr></thead></table>',
        '<a href="https://ehr.example.org/Patient/p1">x</a><a name="n">x</a>',
        '<a href="Patient/p1">x</a><a href="#x">x</a><a href="mailto:a@example.org">x</a>',
        '<a href="?a=b:c">x</a><a href="x/y:z">x</a>',
        '<img src="#pic" alt=""/>',
        '<img src="data:image/png;base64,AAAA"/>',
        '<p style="background-image: url(tbl_bck1.png)">x</p>',
        "x<!-- a remark -->",
        "x<br/><hr/>",
    ],
)
def test_formatted_text_is_accepted(inner: str) -> None:
    assert fault(within(inner), RULES) is None


ACTIVE = [
    "<script>alert(1)</script>",
    "<SCRIPT>alert(1)</SCRIPT>",
    '<x:script xmlns:x="http://www.w3.org/1999/xhtml">alert(1)</x:script>',
    '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
    '<math xmlns="http://www.w3.org/1998/Math/MathML"/>',
    "<iframe/>",
    "<object/>",
    "<embed/>",
    "<form/>",
    "<style>p { color: red }</style>",
    '<link href="x"/>',
    "<base/>",
    "<body/>",
    '<img src="x" onerror="alert(1)"/>',
    '<p ONCLICK="alert(1)">x</p>',
    '<p xmlns:l="http://www.w3.org/1999/xlink" l:href="javascript:x">x</p>',
    '<a href="javascript:alert(1)">x</a>',
    '<a href=" JavaScript:alert(1)">x</a>',
    '<a href="java&#10;script:alert(1)">x</a>',
    '<a href="java&#9;script:alert(1)">x</a>',
    '<a href="&#106;avascript:alert(1)">x</a>',
    '<a href="vbscript:x">x</a>',
    '<a href="data:text/html,x">x</a>',
    '<a href="data:image/png;base64,AAAA">x</a>',
    '<a href="file:///etc/passwd">x</a>',
    '<img src="data:image/svg+xml;base64,AAAA"/>',
    '<img src="data:text/html,x"/>',
    '<img longdesc="javascript:x" src="x"/>',
    '<q cite="javascript:x">x</q>',
    '<p style="width: expression(alert(1))">x</p>',
    '<p style="width: exp/**/ression(alert(1))">x</p>',
    r'<p style="width: e\xpression(alert(1))">x</p>',
    '<p style="background: url(javascript:alert(1))">x</p>',
    "<p style=\"background: URL( 'javascript:alert(1)' )\">x</p>",
    '<p style="behavior: url(x.htc)">x</p>',
    '<p style="-moz-binding: url(x)">x</p>',
    '<p style="@import url(x)">x</p>',
    "<u>x</u>",
    "<banana>x</banana>",
    '<p banana="1">x</p>',
]


@pytest.mark.parametrize("inner", ACTIVE)
def test_what_acts_or_is_not_listed_is_refused_and_not_repeated(inner: str) -> None:
    found = fault(within(f"x{inner}"), RULES)
    assert found is not None
    assert "alert" not in found.message
    assert "banana" not in found.message


@pytest.mark.parametrize(
    ("div", "words"),
    [
        ("text", "must begin with <div"),
        ("<p>x</p>", "must begin with <div"),
        ("<divider/>", "must begin with <div"),
        ('<?xml version="1.0"?><div/>', "must begin with <div"),
        ("<!DOCTYPE div><div/>", "must begin with <div"),
        ("<div>x</div>", "not in the namespace of XHTML"),
        (within('<p xmlns="">x</p>'), "not in the namespace of XHTML"),
        (within("<p>x"), "not well-formed"),
        (within("<p>x</b>"), "not well-formed"),
        (within("x") + "<p/>", "not well-formed"),
        (within("a & b"), "not well-formed"),
        (within("x\x00"), "not well-formed"),
        (within("\ud800"), "not well-formed"),
        (within("a&nbsp;b"), "entity of HTML"),
        (within("<![CDATA[><img src=x onerror=alert(1)>]]>"), "CDATA"),
        (within("<?x ><img src=x onerror=alert(1)> ?>"), "processing instructions"),
        (within("<!--><img src=x onerror=alert(1)> -->"), "a comment may not begin"),
        (within("<!---><img src=x onerror=alert(1)> -->"), "a comment may not begin"),
        (within(""), "some text or an image"),
        (within(" \n<p/>"), "some text or an image"),
        (within("<img/>"), "some text or an image"),
        (within("<br/>" * MOST_ELEMENTS), "elements"),
    ],
)
def test_what_is_no_narrative_is_refused_saying_why(div: str, words: str) -> None:
    found = fault(div, RULES)
    assert found is not None
    assert words in found.message


@pytest.mark.parametrize(
    "inner",
    [
        "<b>" * 100_000,
        f'<p style="{"a(" * 500_000}">x</p>',
        f'<p style="{"behavior " * 100_000}">x</p>',
        f'<a href="{" x" * 500_000}">x</a>',
        "<p " + " ".join(f'a{n}="1"' for n in range(100_000)) + "/>",
    ],
    ids=["deep", "style", "words", "address", "attributes"],
)
def test_a_hostile_narrative_gets_an_answer(inner: str) -> None:
    assert fault(within(inner), RULES) is None or fault(within(inner), RULES) is not None


@settings(deadline=None)
@given(st.text(alphabet="<>/!-[]&;?=\"' abdiv:", max_size=80))
def test_whatever_is_accepted_has_no_element_that_is_not_listed(inner: str) -> None:
    if fault(within(inner), RULES) is None:
        assert "<!-->" not in inner
        assert "<![" not in inner


def test_every_version_lists_what_its_rule_names() -> None:
    for version in Version:
        assert schema(version)["x-xhtml"] == LISTED
    assert {"script", "iframe", "style", "form", "svg"}.isdisjoint(RULES.elements)
    assert not [name for name in RULES.attributes if name.startswith("on")]
