"""``$filter`` on resources and groups."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import BadInput
from orchestrator.model.resource_filter import Facts, parse_filter

FIELDS = ("resourceType", "name", "location", "tagName", "tagValue")
WEB = Facts(
    {"resourcetype": "Microsoft.Compute/virtualMachineScaleSets", "name": "web", "location": "local"},
    {"Team": "Blue", "env": "test"},
)


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        (None, True),
        ("  ", True),
        ("name eq 'web'", True),
        ("NAME EQ 'WEB'", True),
        ("name eq 'we'", False),
        ("name ne 'web'", False),
        ("name ne 'db' and location eq 'local'", True),
        ("name eq 'db' or location eq 'local'", True),
        ("name eq 'web' or name eq 'x' and location eq 'y'", True),  # and binds closer
        ("(name eq 'web' or name eq 'x') and location eq 'y'", False),
        ("resourceType eq 'microsoft.compute/virtualmachinescalesets'", True),
        ("substringof('eb', name)", True),
        ("substringof('zz',name)", False),
        ("name eq 'it''s'", False),
        ("tagName eq 'team'", True),
        ("tagname eq 'team' and tagvalue eq 'blue'", True),
        ("tagValue eq 'blue' and tagName eq 'team'", True),
        ("tagName eq 'team' and tagValue eq 'test'", False),  # of another tag
        ("tagName eq 'env' and tagValue eq 'test' and name eq 'web'", True),
        ("startswith(tagname, 'te')", True),
        ("startswith(tagname, 'xx')", False),
    ],
)
def test_a_filter_picks_what_it_says(text: str | None, fits: bool) -> None:
    assert parse_filter(text, FIELDS).matches(WEB) is fits


def test_a_doubled_quote_is_a_quote() -> None:
    assert parse_filter("name eq 'it''s'", FIELDS).matches(Facts({"name": "it's"}, {}))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("colour eq 'red'", "'colour'"),
        ("name gt 'a'", "'gt'"),
        ("endswith(name, 'b')", "'endswith'"),
        ("startswith(name, 'b')", "tagName alone"),
        ("substringof('x', tagName)", "not for tags"),
        ("tagName ne 'x'", "eq alone"),
        ("tagValue eq 'x'", "one tagName"),
        ("tagName eq 'a' and tagName eq 'b' and tagValue eq 'x'", "one tagName"),
        ("tagName eq 'a' or tagValue eq 'x'", "one tagName"),
        ("name eq web", "single quotes"),
        ("name eq", "single quotes"),
        ("name", "eq or ne"),
        ("eq 'x'", "eq or ne"),
        ("(name eq 'x'", "')' is expected"),
        ("name eq 'x')", "not expected there"),
        ("name eq 'x' name eq 'y'", "not expected there"),
        ("name eq 'x' and", "a field"),
        ("not name eq 'x'", "the operator 'name'"),
        ("name eq 'x", "cannot be read"),
        ("name eq 5", "cannot be read"),
        ("(" * 30 + "name eq 'x'" + ")" * 30, "nested too deeply"),
        ("name eq '" + "x" * 5000 + "'", "longer than"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(text: str, word: str) -> None:
    with pytest.raises(BadInput, match="not understood") as refused:
        parse_filter(text, FIELDS)
    assert word in refused.value.message
    assert refused.value.code == "InvalidFilterInQueryString"


PIECES = st.sampled_from(
    ["name", "eq", "ne", "'x'", "and", "or", "(", ")", ",", "substringof", "tagName", "tagValue"]
)


@given(st.lists(PIECES, max_size=12).map(" ".join) | st.text(max_size=60))
def test_any_text_is_a_filter_or_is_refused(text: str) -> None:
    try:
        parse_filter(text, FIELDS).matches(WEB)
    except BadInput as refused:
        assert refused.target == "$filter"
