"""Messages on the wire. A query is put together from prepared bytes;
an answer is matched to its question byte for byte and then read by dnspython. Pure.
"""

from __future__ import annotations

import struct
from random import SystemRandom
from typing import Final

import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.wire

from exporters.dnsbl.verdicts.lookup_result import Answer, Failure, Outcome, Trouble

A: Final = int(dns.rdatatype.A)
AAAA: Final = int(dns.rdatatype.AAAA)
TXT: Final = int(dns.rdatatype.TXT)

EDNS_BYTES: Final = 1232
"""What an answer by UDP may measure (DNS flag day 2020): no fragments."""
MAX_TTL: Final = 3600
"""Seconds that an answer is kept at most, whatever it says."""
MAX_RECORDS: Final = 64
SHORTEST_SOA: Final = 22
"""Bytes of SOA's data: two names and five numbers."""
MAX_CHAIN: Final = 16
"""CNAMEs from the question to its answer."""

_HEADER: Final = struct.Struct("!HHHHHH")
_RECURSION_DESIRED: Final = 0x0100
_QUERY_FLAGS_OF_ANSWER: Final = 0xF800  # QR and opcode
_RESPONSE: Final = 0x8000
_POINTER: Final = 0xC0
_POINTED: Final = 0x3FFF
_TRUNCATED: Final = 0x0200
_OPT: Final = struct.pack("!BHHIH", 0, dns.rdatatype.OPT, EDNS_BYTES, 0, 0)
_LETTERS: Final = bytes(0x20 if chr(byte).isalpha() and byte < 128 else 0 for byte in range(256))
"""Length bytes of labels are below 64 and never letters."""

RANDOM: Final = SystemRandom()


def question(name: bytes, rdtype: int) -> bytes:
    """Return the question section: `name` is whole, on the wire."""
    return name + struct.pack("!HH", rdtype, dns.rdataclass.IN)


def scrambled(name: bytes) -> bytes:
    """Return the name with the case of its letters at random (0x20):
    an answer must repeat it, which a forger has to guess.
    """
    mask = int.from_bytes(name.translate(_LETTERS))
    return (int.from_bytes(name) ^ (mask & RANDOM.getrandbits(8 * len(name)))).to_bytes(len(name))


def query(message_id: int, asked: bytes, *, edns: bool) -> bytes:
    """Return a whole query for a question section."""
    head = _HEADER.pack(message_id, _RECURSION_DESIRED, 1, 0, 0, int(edns))
    return head + asked + (_OPT if edns else b"")


def id_of(wire: bytes) -> int | None:
    """Return the message's id; None for what is too short, is no answer, or does not have one question."""
    if len(wire) < _HEADER.size:
        return None
    message_id, flags, questions, *_ = _HEADER.unpack_from(wire)
    return message_id if flags & _QUERY_FLAGS_OF_ANSWER == _RESPONSE and questions == 1 else None


def repeats(wire: bytes, asked: bytes) -> bool:
    """Return True when the answer's question is ours, byte for byte."""
    return wire.startswith(asked, _HEADER.size)


def repeats_but_case(wire: bytes, asked: bytes) -> bool:
    """Return True when it is ours but for the case of letters: a server that does not keep it."""
    return wire[_HEADER.size : _HEADER.size + len(asked)].lower() == asked.lower()


def is_truncated(wire: bytes) -> bool:
    """Return True when the rest has to be fetched over TCP."""
    return bool(_HEADER.unpack_from(wire)[1] & _TRUNCATED)


def read(wire: bytes, asked: bytes = b"") -> Outcome:
    """Return what an answer says to its question. Whatever the bytes are, there is an outcome. `asked`:
    the question section that it repeats.
    """
    try:
        return (_no_such_name(wire, asked) if asked else None) or read_message(dns.message.from_wire(wire))
    except Exception:  # noqa: BLE001 - anything that dnspython makes of a stranger's bytes
        return Failure(Trouble.MALFORMED)


def _no_such_name(wire: bytes, asked: bytes) -> Answer | None:
    """Return the one answer that nineteen in twenty are: NXDOMAIN, no records, one SOA.
    None for all others, which dnspython reads whole.

    Nothing is listed by this road, and what it needs of the SOA is two numbers:
    dnspython takes ten times as long to build the rest.
    """
    _, flags, _, answers, authorities, additional = _HEADER.unpack_from(wire)
    if flags & 0x000F != dns.rcode.NXDOMAIN or answers or authorities != 1 or additional > 1:
        return None
    start = _HEADER.size + len(asked)
    if wire[start] >= _POINTER and _HEADER.size <= int.from_bytes(wire[start : start + 2]) & _POINTED < start:
        parser = dns.wire.Parser(wire, start + 2)  # whose SOA it is does not matter here
    else:
        parser = dns.wire.Parser(wire, start)
        parser.get_name(decompress=True)
    rdtype, _, ttl, length = parser.get_struct("!HHIH")
    numbers = parser.get_bytes(length)[-4:]
    opt = parser.get_remaining()
    # The upper bits of the rcode are in OPT: only a plain one is passed.
    is_plain = opt.startswith(b"\0\0\x29") and len(opt) >= len(_OPT) and opt[5] == 0 if additional else not opt
    minimum = int.from_bytes(numbers)
    if rdtype != dns.rdatatype.SOA or length < SHORTEST_SOA or not is_plain or max(ttl, minimum) >> 31:
        return None
    return Answer((), min(ttl, minimum, MAX_TTL), no_such_name=True)


_RCODES: Final = {
    dns.rcode.SERVFAIL: Failure(Trouble.SERVFAIL),
    dns.rcode.REFUSED: Failure(Trouble.REFUSED_RCODE),
}


def read_message(message: dns.message.Message) -> Outcome:
    """Return the records of the asked type at the end of the question's CNAMEs, and how long they may be kept.

    dnspython's own `resolve_chaining` looks for SOA at every parent of a name of 34 labels:
    three times the work of all the rest.
    """
    rcode = message.rcode()
    if rcode not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        return _RCODES.get(rcode, Failure(Trouble.OTHER_RCODE))
    if not message.answer:
        return _absence(message, MAX_TTL)
    name, rdtype = message.question[0].name, message.question[0].rdtype
    ttl = MAX_TTL
    for _ in range(MAX_CHAIN):
        # Another class than IN says nothing, and dnspython may not know how its records are to be read.
        found = {
            rrset.rdtype: rrset for rrset in message.answer if rrset.name == name and rrset.rdclass == dns.rdataclass.IN
        }
        if rdtype in found:
            if rcode == dns.rcode.NXDOMAIN:
                return Failure(Trouble.MALFORMED)
            records = tuple(sorted(_text(rdata) for rdata in list(found[rdtype])[:MAX_RECORDS]))
            return Answer(records, min(ttl, found[rdtype].ttl))
        if dns.rdatatype.CNAME not in found:
            return _absence(message, ttl)
        ttl = min(ttl, found[dns.rdatatype.CNAME].ttl)
        name = found[dns.rdatatype.CNAME][0].target
    return Failure(Trouble.MALFORMED)


def _absence(message: dns.message.Message, ttl: int) -> Outcome:
    is_nowhere = message.rcode() == dns.rcode.NXDOMAIN
    for rrset in message.authority:
        if rrset.rdtype == dns.rdatatype.SOA:
            return Answer((), min(ttl, rrset.ttl, rrset[0].minimum), no_such_name=is_nowhere)
    refers = any(rrset.rdtype == dns.rdatatype.NS for rrset in message.authority)
    if refers and message.rcode() == dns.rcode.NOERROR and not message.flags & dns.flags.AA:
        # This server does not serve the zone, and whoever follows the referral finds nothing.
        return Failure(Trouble.LAME)
    return Answer((), 0, no_such_name=is_nowhere)


def _text(rdata: dns.rdata.Rdata) -> str:
    strings = getattr(rdata, "strings", None)
    return b"".join(strings).decode("utf-8", "replace") if strings is not None else rdata.to_text()
