"""Names and ids of resources: what fits, and how they are written (reference 1.1, 4.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from orchestrator.errors import BadInput
from orchestrator.model.arm.shuffle import shuffled, unshuffled
from orchestrator.model.scale_set import ScaleSet

_SET_NAME = re.compile(r"^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9_])?$", re.ASCII)
_GROUP_NAME = re.compile(r"^[A-Za-z0-9_()-](?:[A-Za-z0-9._()-]{0,88}[A-Za-z0-9_()-])?$", re.ASCII)
_EXTENSION_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$", re.ASCII)
_INSTANCE_ID = re.compile(r"^(?:0|[1-9]\d{0,9})$", re.ASCII)
_FLEXIBLE_NAME = re.compile(r"^(?P<set>.+)_(?P<digits>[0-9a-f]{8})$", re.ASCII | re.IGNORECASE)
_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"
_SUFFIX_LENGTH = 6
SCALE_SET_TYPE = "Microsoft.Compute/virtualMachineScaleSets"
INSTANCE_TYPE = "Microsoft.Compute/virtualMachineScaleSets/virtualMachines"
VM_TYPE = "Microsoft.Compute/virtualMachines"
EXTENSION_TYPE = "Microsoft.Compute/virtualMachineScaleSets/extensions"


@dataclass(frozen=True, slots=True)
class ScaleSetId:
    """Where a scale set is: subscription, resource group and name, compared without case."""

    subscription_id: str
    resource_group: str
    name: str

    def __str__(self) -> str:
        return (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/{SCALE_SET_TYPE}/{self.name}"
        )

    @property
    def key(self) -> tuple[str, str, str]:
        """For comparing."""
        return self.subscription_id.lower(), self.resource_group.lower(), self.name.lower()

    def instance(self, instance_id: str) -> str:
        """``instance_id`` as the API writes it (``InstanceNames.id``)."""
        return f"{self}/virtualMachines/{instance_id}"

    def machine(self, name: str) -> str:
        """A VM by itself, as Flexible orchestration shows its instances."""
        group = f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
        return f"{group}/providers/{VM_TYPE}/{name}"

    def extension(self, name: str) -> str:
        return f"{self}/extensions/{name}"


def check_set_name(name: str) -> str:
    """Raises ``BadInput`` for a name that does not fit."""
    if not _SET_NAME.match(name):
        raise BadInput(
            f"'{name}' cannot be a scale set's name: 1 to 64 letters, digits, '_', '-' and '.', beginning with a "
            "letter or digit and not ending in '-' or '.'.",
            target="name",
        )
    return name


def check_group_name(name: str) -> str:
    """Raises ``BadInput`` for a name that does not fit."""
    if not _GROUP_NAME.match(name):
        raise BadInput(
            f"'{name}' cannot be a resource group's name: 1 to 90 letters, digits, '_', '-', '(', ')' and '.', not "
            "ending in '.'.",
            target="resourceGroupName",
        )
    return name


def is_extension_name(name: str) -> bool:
    return bool(_EXTENSION_NAME.match(name))


def parse_instance_id(text: str) -> int | None:
    """The number, or ``None`` for what cannot be one: ``01``, ``-1``, ``+1``, `` 1``."""
    return int(text) if _INSTANCE_ID.match(text) else None


@dataclass(frozen=True, slots=True)
class InstanceNames:
    """What the instances of one set are called (reference 4.1). All of it is a function of set and number.

    Uniform: the id is the number, the name ``{set}_{number}``. Flexible: the id is the name, ``{set}_{8 hex}``;
    the digits are the number, shuffled one to one, so that no two instances of a set ever share a name."""

    set_name: str
    set_uid: str
    is_flexible: bool

    @classmethod
    def of(cls, record: ScaleSet) -> InstanceNames:
        return cls(record.name, record.uid, record.is_flexible)

    def name(self, number: int) -> str:
        return f"{self.set_name}_{self._digits(number) if self.is_flexible else number}"

    def id(self, number: int) -> str:
        """``instanceId`` as the API writes it, in bodies and in paths."""
        return self.name(number) if self.is_flexible else str(number)

    def computer_name(self, prefix: str, number: int) -> str:
        """The guest's host name: the prefix, and what tells the instance from its set's others."""
        return prefix + self._digits(number) if self.is_flexible else computer_name(prefix, number)

    def number(self, text: str) -> int | None:
        """The number that an id stands for, whatever its case; ``None`` for what cannot be an id of this set."""
        if not self.is_flexible:
            return parse_instance_id(text)
        found = _FLEXIBLE_NAME.match(text)
        if not found or found["set"].lower() != self.set_name.lower():
            return None
        return unshuffled(self.set_uid, int(found["digits"], 16))

    def _digits(self, number: int) -> str:
        return f"{shuffled(self.set_uid, number):08x}"


def set_of_machine(name: str) -> str | None:
    """The set that a Flexible instance's name begins with; ``None`` for what is no such name."""
    found = _FLEXIBLE_NAME.match(name)
    return found["set"] if found else None


def computer_name(prefix: str, instance_id: int) -> str:
    """The guest's host name: the prefix and the id in six digits of base 36 (``web00000a``). Host names know
    no case, so the letters are small. Raises ``ValueError`` for an id that six digits cannot hold."""
    if not 0 <= instance_id < 36**_SUFFIX_LENGTH:
        raise ValueError(f"{instance_id} does not fit into {_SUFFIX_LENGTH} digits of base 36")
    digits = ""
    rest = instance_id
    while rest:
        rest, digit = divmod(rest, 36)
        digits = _BASE36[digit] + digits
    return prefix + digits.rjust(_SUFFIX_LENGTH, "0")


def default_computer_name_prefix(set_name: str) -> str:
    """For a model that names none: the set's name as far as a host name can hold it."""
    fitting = "".join(c if c.isalnum() and c.isascii() else "-" for c in set_name).strip("-")
    return fitting[:15].rstrip("-").lower() or "vm"
