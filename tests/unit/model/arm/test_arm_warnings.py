"""What has no effect is said in a view, and in a header that any client can read."""

from __future__ import annotations

from orchestrator.model.arm.warnings import Notice, messages, warning_headers, with_warnings


def test_a_view_without_notices_stays_as_it_is() -> None:
    view = {"properties": {"a": 1}}
    assert with_warnings(view, []) is view
    assert warning_headers(view) == {}


def test_the_header_holds_each_sentence_quoted_and_in_plain_letters() -> None:
    view = with_warnings({"properties": {}}, [Notice("A", 'say "no" \\', "x"), Notice("B", "über\r\nevil: 1", "y")])
    assert messages(view) == ['say "no" \\', "über\r\nevil: 1"]
    assert warning_headers(view)["Warning"] == '299 vmss "say \\"no\\" \\\\", 299 vmss "?ber??evil: 1"'


def test_a_header_stays_within_what_clients_take() -> None:
    view = with_warnings({}, [Notice("A", "words", "x")] * 30)
    assert warning_headers(view)["Warning"].count("299") == 10
