"""Which names an installation's zone has."""

from __future__ import annotations

from orchestrator.model.network.names import Name
from orchestrator.plan.names import LabelledAddress, NamedInstance, label, names


def an_instance(number: int = 0, **changes: object) -> NamedInstance:
    values: dict[str, object] = {
        "computer_name": f"web00000{number}",
        "set_name": "web",
        "resource_group": "rg",
        "number": number,
        "address": f"10.90.1.{number}",
        "is_serving": True,
    }
    return NamedInstance(**{**values, **changes})  # type: ignore[arg-type]


def all_names(*instances: NamedInstance, labelled: tuple[LabelledAddress, ...] = ()) -> list[tuple[str, str]]:
    return [(each.name, each.address) for each in names("vmss.internal", "local", instances, labelled)]


def test_an_instance_is_found_by_its_host_name_and_a_set_by_all_that_serve() -> None:
    assert all_names(an_instance(0), an_instance(1), an_instance(2, is_serving=False)) == [
        ("web.rg.vmss.internal", "10.90.1.0"),
        ("web.rg.vmss.internal", "10.90.1.1"),
        ("web000000.internal.vmss.internal", "10.90.1.0"),
        ("web000001.internal.vmss.internal", "10.90.1.1"),
        ("web000002.internal.vmss.internal", "10.90.1.2"),
    ]


def test_a_label_makes_a_name_for_each_public_address() -> None:
    one = an_instance(3, public_address="10.91.0.9", public_label="site")
    found = all_names(one, labelled=(LabelledAddress("front", "fd91::1"),))
    assert ("vm3.site.local.vmss.internal", "10.91.0.9") in found
    assert ("front.local.vmss.internal", "fd91::1") in found


def test_without_an_address_a_label_makes_none() -> None:
    assert not [name for name, _ in all_names(an_instance(public_label="site")) if "site" in name]


def test_what_no_host_name_holds_is_a_hyphen() -> None:
    found = names("z", "local", [an_instance(set_name="My_Web.1", resource_group="(rg) x")], ())
    assert Name("my-web-1.rg-x.z", "10.90.1.0") in found
    assert label("___") == ""
    assert len(label("a" * 90)) == 63
