"""The XML that we write: headers and footers that every reader can parse, whatever a device put into them."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from rtemo.xdf.chunks import CONTINUES, MAX_XML_BYTES, StreamHeader, XdfError, parse_stream_header, parse_xml

MAX_DEPTH = 64
ROOT = "info"
REPLACEMENT = "\ufffd"
# XML 1.0, section 2.2: no other characters may stand in a document, not even as references.
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_REFERENCE = re.compile(rb"&#(?:x([0-9a-fA-F]{1,16})|([0-9]{1,16}));")
_UNWRITABLE_BYTES = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]|\xef\xbf[\xbe\xbf]")


def serialised(root: ElementTree.Element) -> bytes:
    """The XML of an element, with characters that XML cannot hold replaced.

    Raises
    ------
    XdfError
        It is larger or deeper nested than readers take.
    """
    level, depth = [root], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise XdfError(f"XML nested deeper than {MAX_DEPTH} elements")
        for element in level:
            element.text = _writable(element.text)
            element.tail = _writable(element.tail)
            for key, value in element.attrib.items():
                element.attrib[key] = _writable(value) or ""
        level = [child for element in level for child in element]
    body: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=False)
    data = b'<?xml version="1.0"?>' + body
    if len(data) > MAX_XML_BYTES:
        raise XdfError(f"XML of {len(data)} bytes, over the limit of {MAX_XML_BYTES}")
    return data


def facts_xml(**facts: str) -> bytes:
    """The XML of a file header or a stream footer: one element a fact."""
    root = ElementTree.Element(ROOT)
    for key, value in facts.items():
        ElementTree.SubElement(root, key).text = value
    return serialised(root)


def footer_facts(samples: int, first_stamp_s: float | None, last_stamp_s: float | None) -> dict[str, str]:
    """What a stream footer says; stamps are None where no sample carries one."""
    if first_stamp_s is None or last_stamp_s is None:
        return {"sample_count": str(samples)}
    return {
        "first_timestamp": repr(first_stamp_s),
        "last_timestamp": repr(last_stamp_s),
        "sample_count": str(samples),
    }


def footer_xml(samples: int, first_stamp_s: float | None, last_stamp_s: float | None) -> bytes:
    """The XML of a stream footer."""
    return facts_xml(**footer_facts(samples, first_stamp_s, last_stamp_s))


def recordable_header(stream_id: int, xml: bytes, *, continues: int | None = None) -> tuple[StreamHeader, bytes]:
    """A stream header that came from elsewhere, such as the network, as it can be written into a file.

    What pyxdf and this package need to know of a stream stands in it once and plainly; everything else is kept.

    Parameters
    ----------
    stream_id : int
    xml : bytes
        An ``<info>`` element.
    continues : int, optional
        Number of the stream that this one goes on from. What the XML itself says of that is left out: numbers are
        those of one file.

    Returns
    -------
    header : StreamHeader
        What readers will find.
    xml : bytes

    Raises
    ------
    XdfError
        It is too large, too deep, no XML, defines entities, or does not say what samples look like.
    """
    if len(xml) > MAX_XML_BYTES:
        raise XdfError(f"XML of {len(xml)} bytes, over the limit of {MAX_XML_BYTES}")
    root = parse_xml(_parsable(xml))
    if root.tag != ROOT:
        raise XdfError(f"XML of <{str(root.tag)[:40]}>, <{ROOT}> expected")
    for old in root.findall(CONTINUES):
        root.remove(old)
    if continues is not None:
        ElementTree.SubElement(root, CONTINUES).text = str(continues)
    said = parse_stream_header(stream_id, serialised(root))
    plain = {
        # pyxdf cannot read a stream whose name is empty; spaces around it are no part of it.
        "name": said.name or " ",
        "type": said.type,
        "channel_count": str(said.channel_count),
        "nominal_srate": repr(said.nominal_rate_hz),
        "channel_format": said.channel_format,
    }
    for at, (key, value) in enumerate(plain.items()):
        for old in root.findall(key):
            root.remove(old)
        element = ElementTree.Element(key)
        element.text = value
        root.insert(at, element)
    return said, serialised(root)


def strict_xml(data: bytes) -> bytes:
    """XML of a file header or a footer as strict parsers take it: the same bytes, where they do.

    Raises
    ------
    XdfError
        It is no XML at all.
    """
    root = parse_xml(data)
    try:
        # Definitions were refused by parse_xml, so nothing can expand.
        strict = ElementTree.fromstring(data).tag == ROOT  # noqa: S314
    except (ElementTree.ParseError, ValueError, LookupError):
        strict = False
    if strict:
        return data
    root.tag = ROOT
    return serialised(root)


def strict_header(stream_id: int, data: bytes) -> bytes:
    """XML of a stream header as strict readers take it: the same bytes, where they do.

    Raises
    ------
    XdfError
        It does not say what samples look like.
    """
    header = parse_stream_header(stream_id, data)
    xml = strict_xml(data)
    root = parse_xml(xml)
    known = {key: _plain_text(root, key) for key in ("name", "channel_format", "channel_count", "nominal_srate")}
    formatted = known["channel_format"] == header.channel_format
    if xml is data and all(known.values()) and formatted and known["channel_count"].isdecimal():
        return data
    return recordable_header(stream_id, xml, continues=header.continues)[1]


def _plain_text(root: ElementTree.Element, key: str) -> str:
    """Text of an element; empty where there is none, or other elements in it."""
    element = root.find(key)
    return "" if element is None or len(element) else element.text or ""


def _writable(text: str | None) -> str | None:
    return _UNWRITABLE.sub(REPLACEMENT, text) if text else text


def _parsable(xml: bytes) -> bytes:
    """XML without the characters and references that no parser takes; liblsl writes them as they come."""

    def checked(found: re.Match[bytes]) -> bytes:
        code = int(found[1], 16) if found[1] else int(found[2])
        valid = code <= 0x10FFFF and not _UNWRITABLE.match(chr(code))
        return found[0] if valid else REPLACEMENT.encode()

    return _REFERENCE.sub(checked, _UNWRITABLE_BYTES.sub(REPLACEMENT.encode(), xml.rstrip(b"\x00")))


__all__ = [
    "facts_xml",
    "footer_facts",
    "footer_xml",
    "recordable_header",
    "serialised",
    "strict_header",
    "strict_xml",
]
