"""XML: hostile documents are refused, broken ones are mended where that needs no guess."""

import pytest

from chartune.errors import SchemaError
from chartune.sources.annotated.xml import DEEPEST, Malformed, mended, parse

BOMB = """<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;">]><x>&d;</x>"""


@pytest.mark.parametrize(
    "content",
    [
        BOMB,
        '<!DOCTYPE x SYSTEM "http://example.org/x.dtd"><x/>',
        '<!DOCTYPE x PUBLIC "-//X//X//EN" "file:///etc/passwd"><x/>',
        '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>',
        '<!DOCTYPE x [<!ENTITY % p SYSTEM "http://example.org/p"> %p;]><x/>',
        "<!DOCTYPE x><x/>",
    ],
    ids=["bomb", "external DTD", "public DTD", "external entity", "parameter entity", "bare"],
)
def test_a_document_type_is_refused_whatever_it_holds(content: str) -> None:
    for version in (content, mended(content)):
        with pytest.raises(SchemaError, match=r"0001\.xml does") as error:
            parse(version, "0001.xml")
        assert "lol" not in str(error.value)
        assert "passwd" not in str(error.value)


def test_endless_nesting_is_refused() -> None:
    deep = DEEPEST + 1
    with pytest.raises(SchemaError, match="nest"):
        parse("<x>" * deep + "</x>" * deep, "0001.xml")


def test_elements_keep_attributes_children_and_text() -> None:
    root = parse('<r>\r\n<TEXT><![CDATA[\na & b\r\n]]></TEXT><TAGS><T id="1" text="a &lt;&#10;b"/></TAGS></r>', "x")
    text, tags = root.first("TEXT"), root.first("TAGS")
    assert text is not None
    assert tags is not None
    assert text.text == "\na & b\n"
    assert [(child.name, child.attributes) for child in tags.children] == [("T", {"id": "1", "text": "a <\nb"})]
    assert root.first("NONE") is None


@pytest.mark.parametrize("content", ["", "<x>", "<x></y>", "<x>&nothing;</x>", '<x a="A&P"/>', "<x/><x/>", "text"])
def test_what_is_not_well_formed_says_so_without_words(content: str) -> None:
    with pytest.raises(Malformed) as error:
        parse(content, "x")
    assert str(error.value) == ""


def test_mending_leaves_the_length_of_cdata_as_it_is() -> None:
    content = '<r><TEXT><![CDATA[A&P <b \x0c]]></TEXT><T a="A&P" b="x < 3 &amp; &#65;"/></r>'
    root = parse(mended(content), "x")
    text = root.first("TEXT")
    tag = root.first("T")
    assert text is not None
    assert tag is not None
    assert text.text == "A&P <b  "
    assert tag.attributes == {"a": "A&P", "b": "x < 3 & A"}
