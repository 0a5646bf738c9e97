"""DNS messages: any bytes give an outcome and a verdict, and never a listing that they do not hold."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from hypothesis import example, given
from hypothesis import strategies as st

from exporters.dnsbl.asking import wire
from exporters.dnsbl.lists import DnsList
from exporters.dnsbl.lists.catalogue import catalogue
from exporters.dnsbl.lists.names import target
from exporters.dnsbl.verdicts.lookup_result import Answer
from exporters.dnsbl.verdicts.verdict import VerdictKind, judge

BL = DnsList("bl.example")
NAME = target("192.0.2.1").wire + BL.wire
LISTS = [BL, *(entry.dns_list for entry in catalogue().values())]


def answer(*codes: str, rcode: dns.rcode.Rcode = dns.rcode.NOERROR, owner: str = "", soa: bool = False) -> bytes:
    """Return an answer to the A query for NAME."""
    query = dns.message.from_wire(wire.query(1, wire.question(NAME, wire.A), edns=True))
    made = dns.message.make_response(query)
    made.set_rcode(rcode)
    if codes:
        name = dns.name.from_text(owner) if owner else query.question[0].name
        made.answer.append(dns.rrset.from_text(name, 60, "IN", "A", *codes))
    if soa:
        made.authority.append(dns.rrset.from_text("bl.example.", 60, "IN", "SOA", "ns.example. h.example. 1 2 3 4 5"))
    return made.to_wire()


def test_a_query_is_what_dnspython_would_send() -> None:
    """A query equals dnspython's, but for id and case."""
    ours = dns.message.from_wire(wire.query(7, wire.question(NAME, wire.A), edns=True))
    theirs = dns.message.make_query("1.2.0.192.bl.example.", "A", id=7, use_edns=0, payload=1232)
    assert ours == theirs
    assert ours.to_wire() == theirs.to_wire()
    assert dns.message.from_wire(wire.query(7, wire.question(NAME, wire.TXT), edns=False)).edns == -1


def test_scrambling_changes_nothing_but_case() -> None:
    """Scrambling changes only the case of letters, and each letter occurs in both cases."""
    names = {wire.scrambled(NAME) for _ in range(200)}
    assert {name.lower() for name in names} == {NAME.lower()}
    assert len(names) > 100


@given(st.binary(max_size=600))
@example(b"")
def test_any_datagram_has_an_outcome(datagram: bytes) -> None:
    """Any datagram gives an outcome, and no listing without one in its bytes."""
    wire.id_of(datagram)
    verdict = judge(wire.read_answer(datagram), BL)
    assert verdict.kind in set(VerdictKind)


@given(st.data())
def test_a_damaged_answer_never_lists_by_mistake(data: st.DataObject) -> None:
    """A damaged clean answer lists only if dnspython reads a listing in it too."""
    whole = bytearray(
        answer(rcode=dns.rcode.NXDOMAIN, soa=True) if data.draw(st.booleans()) else answer("198.51.100.7")
    )
    asked = wire.question(NAME, wire.A)
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at] = data.draw(st.integers(0, 255))
    damaged = bytes(whole[: data.draw(st.integers(0, len(whole)))]) + data.draw(st.binary(max_size=8))
    if not wire.id_of(damaged) or not wire.repeats(damaged, asked):
        return
    outcome = wire.read_answer(damaged, asked)
    for dns_list in LISTS:
        verdict = judge(outcome, dns_list)
        if verdict.kind is VerdictKind.LISTED:
            _assert_really_lists(damaged)


@given(st.data())
def test_the_short_road_reads_what_dnspython_reads(data: st.DataObject) -> None:
    """The fast reader of NXDOMAIN with one SOA gives dnspython's result, and never a record."""
    whole = bytearray(answer(rcode=dns.rcode.NXDOMAIN, soa=True))
    asked = wire.question(NAME, wire.A)
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(12 + len(asked), len(whole) - 1))
        whole[at] = data.draw(st.integers(0, 255))
    damaged = bytes(whole)
    short, long = wire.read_answer(damaged, asked), wire.read_answer(damaged)
    if isinstance(short, Answer):
        assert short.records == ()
    if isinstance(long, Answer):
        assert short == long


Record = tuple[str, int, int, str]
"""Owner, class, type, and target or content."""
OWNERS = ["1.2.0.192.bl.example", "alias.example", "other.example"]
IN, HESIOD = dns.rdataclass.IN, dns.rdataclass.HS
RECORDS = st.tuples(
    st.sampled_from(OWNERS),
    st.sampled_from([IN, IN, IN, HESIOD, dns.rdataclass.CH, dns.rdataclass.ANY]),
    st.sampled_from([dns.rdatatype.A, dns.rdatatype.A, dns.rdatatype.CNAME, dns.rdatatype.TXT, dns.rdatatype.NS]),
    st.sampled_from([*OWNERS, "127.0.0.2", "127.0.0.4", "127.255.255.254", "198.51.100.7"]),
)


def _record(owner: str, rdclass: int, rdtype: int, what: str) -> bytes:
    data = _name(what) if what in OWNERS or rdtype != dns.rdatatype.A else IPv4Address(what).packed
    return _name(owner) + struct.pack("!HHIH", rdtype, rdclass, 60, len(data)) + data


def _name(text: str) -> bytes:
    return dns.name.from_text(text).to_wire() or b""


def _lists(records: list[Record]) -> bool:
    """Return True when the question's name or its alias has addresses that are all listings."""
    name = OWNERS[0]
    for _ in range(len(records) + 1):
        found = [
            what for owner, rdclass, rdtype, what in records if (owner, rdclass, rdtype) == (name, IN, dns.rdatatype.A)
        ]
        if found:
            return all(what.startswith("127.0.0.") for what in found)
        names = [what for owner, rdclass, rdtype, what in records if (owner, rdclass, rdtype) == (name, IN, 5)]
        name = names[0] if names else ""
    return False


@given(
    st.lists(RECORDS, max_size=5),
    st.lists(RECORDS, max_size=2),
    st.sampled_from([dns.rcode.NOERROR, dns.rcode.NOERROR, dns.rcode.NXDOMAIN, dns.rcode.SERVFAIL]),
)
@example([(OWNERS[0], HESIOD, dns.rdatatype.A, "127.0.0.2")], [], dns.rcode.NOERROR)
def test_only_addresses_that_the_question_leads_to_list(
    answers: list[Record], beside: list[Record], rcode: dns.rcode.Rcode
) -> None:
    """A well-formed message of any records lists only by IN addresses that the question's name leads to."""
    head = struct.pack("!HHHHHH", 1, 0x8180 | rcode, 1, len(answers), len(beside), 0)
    asked = wire.question(NAME, wire.A)
    datagram = head + asked + b"".join(_record(*one) for one in [*answers, *beside])
    verdict = judge(wire.read_answer(datagram, asked), BL)
    if verdict.kind is VerdictKind.LISTED:
        assert rcode == dns.rcode.NOERROR
        assert _lists(answers)


def _assert_really_lists(datagram: bytes) -> None:
    message = dns.message.from_wire(datagram)
    assert message.rcode() == dns.rcode.NOERROR
    records = [str(rdata) for rrset in message.answer if rrset.rdtype == dns.rdatatype.A for rdata in rrset]
    assert records
    assert all(record.startswith("127.") for record in records)


@given(st.lists(st.ip_addresses(v=4).map(str), max_size=20, unique=True), st.sampled_from(LISTS))
def test_any_addresses_have_one_verdict(records: list[str], dns_list: DnsList) -> None:
    """Any addresses give one verdict: listed only if all are in 127.0.0.0/8 and none is a refusal."""
    verdict = judge(Answer(tuple(records), 60), dns_list)
    if any(not record.startswith("127.") for record in records):
        assert verdict.kind is VerdictKind.REFUSED
    if any(record.startswith("127.255.255.") for record in records):
        assert verdict.kind is VerdictKind.REFUSED
    assert (verdict.kind is VerdictKind.LISTED) == bool(verdict.codes) == (verdict.severity is not None)


def test_records_of_another_name_list_nobody() -> None:
    """An A record of another name, to which no CNAME leads, is no answer."""
    assert judge(wire.read_answer(answer("127.0.0.2", owner="other.example.")), BL).kind is not VerdictKind.LISTED


def test_records_beside_nxdomain_are_no_listing() -> None:
    """An answer with NXDOMAIN and records is malformed."""
    assert judge(wire.read_answer(answer("127.0.0.2", rcode=dns.rcode.NXDOMAIN)), BL).detail == "malformed"


def test_a_query_is_no_answer() -> None:
    """A reflected query, which has the right id and question, is no answer."""
    assert wire.id_of(wire.query(1, wire.question(NAME, wire.A), edns=True)) is None
