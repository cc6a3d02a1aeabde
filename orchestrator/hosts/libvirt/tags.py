"""The owner's tag inside a domain's definition: one element of our own namespace in its metadata."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import libvirt

from orchestrator.hosts.libvirt.errors import is_code
from orchestrator.model.guest import Owner

NAMESPACE = "urn:vmss:instance:1"
_PREFIX = "vmss"
_ELEMENT = f"{{{NAMESPACE}}}instance"
# A foreign domain's definition is not ours to trust: nothing of this size is worth parsing.
_MAX_XML_BYTES = 1_048_576

ET.register_namespace(_PREFIX, NAMESPACE)


def tag_element(owner: Owner) -> ET.Element:
    """The element to put under ``<metadata>``."""
    return ET.Element(
        _ELEMENT,
        installation=owner.installation,
        set_uid=owner.set_uid,
        instance_id=str(owner.instance_id),
        generation=str(owner.generation),
    )


def owner_in(definition: ET.Element) -> Owner | None:
    """The owner named in a ``<domain>`` element; ``None`` without a well-formed tag."""
    return _owner_of(definition.find(f"metadata/{_ELEMENT}"))


def owner_of_domain(domain: libvirt.virDomain) -> Owner | None:
    """Ask libvirt whose ``domain`` is: one round trip."""
    try:
        text = domain.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, NAMESPACE)
    except libvirt.libvirtError as error:
        if is_code(error, libvirt.VIR_ERR_NO_DOMAIN_METADATA):
            return None
        raise
    return _owner_of(parse(text))


def parse(text: str) -> ET.Element:
    """Parse XML that libvirt gave us, within a size limit; document types are refused."""
    if len(text) > _MAX_XML_BYTES or "<!DOCTYPE" in text:
        raise ValueError("XML from libvirt is too large or carries a document type")
    return ET.fromstring(text)  # noqa: S314  # size-capped, without entities


def _owner_of(element: ET.Element | None) -> Owner | None:
    if element is None:
        return None
    try:
        return Owner(
            installation=element.attrib["installation"],
            set_uid=element.attrib["set_uid"],
            instance_id=int(element.attrib["instance_id"]),
            generation=int(element.attrib["generation"]),
        )
    except (KeyError, ValueError):
        return None
