"""DNS messages in wire format. Pure.

A query is put together from prepared bytes. An answer is compared with its question byte for byte, then read by
dnspython.
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
"""Largest UDP answer that is asked for, so that it is not fragmented (DNS flag day 2020)."""
MAX_TTL: Final = 3600
"""Most seconds that an answer is kept, whatever its TTL."""
MAX_RECORDS: Final = 64
SHORTEST_SOA: Final = 22
"""Least bytes of an SOA record's data: two names and five numbers."""
MAX_CHAIN: Final = 16
"""Most CNAMEs from the question to its answer."""

_HEADER: Final = struct.Struct("!HHHHHH")
_RECURSION_DESIRED: Final = 0x0100
_QUERY_FLAGS_OF_ANSWER: Final = 0xF800  # QR and opcode
_RESPONSE: Final = 0x8000
_POINTER: Final = 0xC0
_POINTED: Final = 0x3FFF
_TRUNCATED: Final = 0x0200
_OPT: Final = struct.pack("!BHHIH", 0, dns.rdatatype.OPT, EDNS_BYTES, 0, 0)
_LETTERS: Final = bytes(0x20 if chr(byte).isalpha() and byte < 128 else 0 for byte in range(256))
"""The case bit of each byte that is a letter. A label's length byte is below 64, so it is never a letter."""

RANDOM: Final = SystemRandom()


def question(name: bytes, rdtype: int) -> bytes:
    """Return the question section. `name` is a whole name in wire format."""
    return name + struct.pack("!HH", rdtype, dns.rdataclass.IN)


def scrambled(name: bytes) -> bytes:
    """Return the name with a random case of each letter (0x20). An answer must repeat it, so a
    forger has to guess it.
    """
    mask = int.from_bytes(name.translate(_LETTERS))
    return (int.from_bytes(name) ^ (mask & RANDOM.getrandbits(8 * len(name)))).to_bytes(len(name))


def query(message_id: int, asked: bytes, *, edns: bool) -> bytes:
    """Return a whole query for a question section."""
    head = _HEADER.pack(message_id, _RECURSION_DESIRED, 1, 0, 0, int(edns))
    return head + asked + (_OPT if edns else b"")


def id_of(wire: bytes) -> int | None:
    """Return the message's id; None if it is too short, is not an answer, or does not have exactly one question."""
    if len(wire) < _HEADER.size:
        return None
    message_id, flags, questions, *_ = _HEADER.unpack_from(wire)
    return message_id if flags & _QUERY_FLAGS_OF_ANSWER == _RESPONSE and questions == 1 else None


def repeats(wire: bytes, asked: bytes) -> bool:
    """Return True when the answer's question equals the one asked, byte for byte."""
    return wire.startswith(asked, _HEADER.size)


def repeats_but_case(wire: bytes, asked: bytes) -> bool:
    """Return True when the questions differ at most in the case of letters: some servers do not keep it."""
    return wire[_HEADER.size : _HEADER.size + len(asked)].lower() == asked.lower()


def is_truncated(wire: bytes) -> bool:
    """Return True when the answer is cut and has to be asked for again over TCP."""
    return bool(_HEADER.unpack_from(wire)[1] & _TRUNCATED)


def read_answer(wire: bytes, asked: bytes = b"") -> Outcome:
    """Return the outcome of an answer; `Trouble.MALFORMED` for unreadable bytes. `asked` is its question section."""
    try:
        return (_no_such_name(wire, asked) if asked else None) or read_message(dns.message.from_wire(wire))
    except Exception:  # noqa: BLE001 - anything that dnspython makes of a stranger's bytes
        return Failure(Trouble.MALFORMED)


def _no_such_name(wire: bytes, asked: bytes) -> Answer | None:
    """Read the most frequent answer, nineteen in twenty: NXDOMAIN with one SOA. Return None for any other.

    Only two numbers of the SOA are needed. dnspython, which reads the other answers, takes ten times as long to build
    the whole message.
    """
    _, flags, _, answers, authorities, additional = _HEADER.unpack_from(wire)
    if flags & 0x000F != dns.rcode.NXDOMAIN or answers or authorities != 1 or additional > 1:
        return None
    start = _HEADER.size + len(asked)
    if wire[start] >= _POINTER and _HEADER.size <= int.from_bytes(wire[start : start + 2]) & _POINTED < start:
        parser = dns.wire.Parser(wire, start + 2)  # skip the SOA's owner name
    else:
        parser = dns.wire.Parser(wire, start)
        parser.get_name(decompress=True)
    rdtype, _, ttl, length = parser.get_struct("!HHIH")
    numbers = parser.get_bytes(length)[-4:]
    opt = parser.get_remaining()
    # OPT holds the upper bits of the rcode (RFC 6891, 6.1.3): they must be zero.
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

    dnspython's `resolve_chaining` is not used: it looks for an SOA at every parent of a name of 34 labels, which takes
    three times as long as all the rest.
    """
    rcode = message.rcode()
    if rcode not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        return _RCODES.get(rcode, Failure(Trouble.OTHER_RCODE))
    if not message.answer:
        return _absence(message, MAX_TTL)
    name, rdtype = message.question[0].name, message.question[0].rdtype
    ttl = MAX_TTL
    for _ in range(MAX_CHAIN):
        # Records of another class than IN do not count, and dnspython may not be able to read them.
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
        # A referral instead of an answer: the server does not serve the zone.
        return Failure(Trouble.LAME)
    return Answer((), 0, no_such_name=is_nowhere)


def _text(rdata: dns.rdata.Rdata) -> str:
    strings = getattr(rdata, "strings", None)
    return b"".join(strings).decode("utf-8", "replace") if strings is not None else rdata.to_text()
