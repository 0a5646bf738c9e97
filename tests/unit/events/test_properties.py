"""Properties for any input: the border answers or refuses, and every entry is a row."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.errors import RequestError
from collector.events.addresses import alone, count, domain, split
from collector.events.model.event import Entry, MailEvent, Source, Submission
from collector.events.replies.pattern import _PARTS, _name, _replaced_run, response_pattern
from collector.events.replies.status_codes import HEAD
from tests.unit.events.entries import ACCEPTED, NOW, QUEUED, read, row
from tests.unit.events.test_zonemta_rows import FIELDS, check

if TYPE_CHECKING:
    import random

ANY = settings(deadline=None, max_examples=60)
"""No deadline, because a busy machine is no fault."""

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.text(alphabet='\0\ud800\udfff\\"a\u00e9')
)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["subject",
    "Subject"]), inner), max_leaves=10)  # fmt: skip
WORDS = ["QUEUED", "ACCEPTED", "DEFERRED", "REJECTED", "DROP", "NOQUEUE", "DELETED", "QUEUE_BOUNCE", "SPAMCHECK", "X"]
REPLY = st.from_regex(r"[2-5][0-9][0-9][ -][245]\.[0-9]\.[0-9]{1,3} [a-z0-9.:@<>\[\]/#=()-]*( [a-z0-9.:@<>]+)*",
    fullmatch=True)  # fmt: skip
MX = st.sampled_from(
    ["aspmx.l.google.com", "x.mail.protection.outlook.com", "mta5.am0.yahoodns.net", "smtp-in.orange.fr"]
)
FIELD_VALUES = {"action": st.sampled_from(WORDS), "response": REPLY | SCALARS, "mx": MX | SCALARS}
ENTRIES = st.fixed_dictionaries(
    {"action": st.sampled_from(WORDS)},
    optional={key: FIELD_VALUES.get(key, JSON) for key in [*FIELDS, "subject", "other", "created"] if key != "action"},
)
PLAIN_SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False,
    allow_infinity=False) | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))  # fmt: skip
PLAIN = st.recursive(PLAIN_SCALARS,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=10)  # fmt: skip


def keys_of(value: Any) -> set[str]:
    """Return every key of a JSON value, at every depth, in lower case."""
    if isinstance(value, dict):
        return {key.lower() for key in value} | {key for item in value.values() for key in keys_of(item)}
    if isinstance(value, list):
        return {key for item in value for key in keys_of(item)}
    return set()


def texts_of(value: Any) -> list[str]:
    """Return every text of a JSON value, with its keys."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        value = [*value, *value.values()]
    return [text for item in value for text in texts_of(item)] if isinstance(value, list | tuple) else []


def promises(submission: Submission) -> None:
    """Assert what journal and store rely on."""
    packed = msgspec.msgpack.encode(submission)
    assert msgspec.msgpack.decode(packed, type=Submission) == submission
    assert not [text for text in texts_of(msgspec.to_builtins(submission)) if "\0" in text]
    for entry in submission.entries:
        assert "subject" not in keys_of(entry.fields)
        event = row(entry.fields, time=entry.time, cluster=entry.cluster, host=entry.host)
        check(event)
        assert "subject" not in keys_of(json.loads(event.raw or "{}"))
    for rejection in submission.rejections:
        assert len(rejection.raw.encode()) <= 65536


@ANY
@given(st.binary())
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    """Any bytes are read, or refused with one of two errors."""
    with contextlib.suppress(RequestError):
        promises(read(body))


@ANY
@given(JSON)
def test_any_json_is_read_or_refused(value: Any) -> None:
    """Any JSON is read or refused, also NaN, lone surrogates and endless integers."""
    with contextlib.suppress(RequestError):
        promises(read(json.dumps(value).encode()))


@ANY
@given(st.lists(st.one_of(ENTRIES, st.fixed_dictionaries({"entry": ENTRIES},
    optional={"time": st.just(NOW) | SCALARS, "cluster": SCALARS, "host": JSON, "context": JSON}))),
    st.dictionaries(st.sampled_from(["cluster", "host", "plugin"]), JSON))  # fmt: skip
def test_any_events_are_entries_or_rejections(items: list[Any], envelope: dict[str, Any]) -> None:
    """Each item becomes exactly one entry or rejection, with its place."""
    try:
        request = read({**envelope, "events": items})
    except RequestError:
        return
    promises(request)
    places = [entry.index for entry in request.entries] + [rejection.index for rejection in request.rejections]
    assert sorted(places) == list(range(len(items)))


@ANY
@given(st.lists(st.binary() | st.just(json.dumps({"time": NOW, "entry": ACCEPTED}).encode())))
def test_any_lines_are_read_or_refused(lines: list[bytes]) -> None:
    """NDJSON with any lines is read or refused."""
    with contextlib.suppress(RequestError):
        promises(read(b"\n".join(lines)))


@ANY
@given(st.dictionaries(st.sampled_from([*FIELDS, "other"]), PLAIN), st.sampled_from(WORDS))
def test_any_entry_is_a_row(fields: dict[str, Any], word: str) -> None:
    """An entry with arbitrary JSON in every field is a row with the right types."""
    event = row({**fields, "action": word})
    check(event)
    assert event == row({**fields, "action": word})


@ANY
@given(ENTRIES, st.randoms())
def test_the_same_entry_is_the_same_row_whatever_the_order_of_its_keys(
    fields: dict[str, Any], shuffle: random.Random
) -> None:
    """The same entry with its keys in another order is the same row."""
    body = {"time": NOW, "entry": fields}
    keys = list(fields)
    shuffle.shuffle(keys)
    first = read([body]).entries
    second = read([{"time": NOW, "entry": {key: fields[key] for key in keys}}]).entries
    assert [identity(entry) for entry in first] == [identity(entry) for entry in second]


def identity(entry: Entry) -> tuple[str, str, int]:
    event: MailEvent = row(entry.fields, time=entry.time, cluster=entry.cluster)
    return event.cluster, event.event_id, event.time


@ANY
@given(st.text() | REPLY)
def test_a_pattern_is_bounded_and_shows_no_long_number(reply: str) -> None:
    """A pattern is limited in length, and after its head has no run of digits and only single spaces."""
    pattern = response_pattern(reply)
    head = HEAD.match(pattern)
    rest = pattern[head.end() if head else 0 :]
    assert not any(character in "0123456789" for character in rest)
    assert len(pattern) <= 2 * len(reply) + 10
    assert "  " not in pattern
    assert "\n" not in pattern


@ANY
@given(st.text(alphabet="019afgAFZ", min_size=1))
def test_the_short_way_for_runs_is_the_long_way(run: str) -> None:
    """The fast check of runs of letters and digits equals the regular expression."""
    assert _replaced_run(run) == _PARTS.sub(_name, run)


@ANY
@given(st.text(alphabet='a,"\\ @<>.\u00e9'))
def test_addresses_are_counted_and_domains_found_in_anything(text: str) -> None:
    """Any text can be counted for addresses and searched for domains, and commas limit the count."""
    assert 0 <= count(text) <= text.count(",") + 1
    found = domain(text)
    assert found is None or (found == found.lower() and found != "" and "@" not in found)


LOCALS = st.sampled_from(
    ["a", "Jane.Doe", "x+y=z", '"a,b"', '"a (b"', '"<a>@b"', r'"a\"b"', "jürgen", "o'hara", "!#$%&*/?^_`{|}~-"]
)
HOSTS = st.sampled_from([
    ("ex.org", "ex.org"), ("Mail.EX.org.", "mail.ex.org"), ("Bücher.example", "xn--bcher-kva.example"),
    ("[192.0.2.1]", "[192.0.2.1]"), ("[IPv6:2001:DB8::0:1]", "[ipv6:2001:db8::1]"), ("localhost", "localhost"),
    ("a_b.ex.org", "a_b.ex.org"),
])  # fmt: skip
BLANKS = st.sampled_from(
    ["", " ", "\t", "\r\n ", "(a comment)", " (one (in), another) ", r"(\) x@y.example, <z@y.example>)", '(")']
)
AROUND = st.sampled_from([
    "{}", "<{}>", "Jane Doe <{}>", '"Doe, Jane" <{}>', '"x@y.example" <{}>', r'"a \" <x@y.example>" <{}>',
    "<@r.example,@s.example:{}>",
    "@r.example:{}", "Doe, Jane <{}>", "Team: {};", "{},", "{}, , b@other.example", "<{}>, Jane <b@other.example>",
    "{} ;",
])  # fmt: skip


@settings(deadline=None, max_examples=500)
@given(LOCALS, HOSTS, AROUND, st.tuples(BLANKS, BLANKS, BLANKS, BLANKS))
def test_an_address_is_found_in_every_way_to_write_it(
    local: str, host: tuple[str, str], around: str, blanks: tuple[str, str, str, str]
) -> None:
    """An address is found in every form of RFC 5322 and 5321: names, comments, routes, groups, literals, lists."""
    before, left, right, after = blanks
    written = around.replace("{}", f"{before}{local}{left}@{right}{host[0]}{after}")
    assert alone(written) == f"{local}@{host[0]}"
    assert domain(written) == host[1]
    assert alone(alone(written)) == alone(written)
    event = row({**ACCEPTED, "from": written})
    assert (event.sender, event.sender_domain) == (f"{local}@{host[0]}", host[1])


@ANY
@given(st.text(alphabet='aü@. ,;:()<>"\\[]\n'))
def test_no_domain_holds_what_no_domain_may(text: str) -> None:
    """A found domain has no comment, comma, bracket, quote or white space."""
    found = domain(text)
    assert found is None or not set(found) & set(' ,;()<>"\\@\n')


@ANY
@given(st.text(alphabet='a@b. ,:()<>"\\'))
def test_a_list_is_taken_apart_without_loss(text: str) -> None:
    """A split list, joined again, is the original, and each part counts at most once."""
    assert ",".join(split(text)) == text
    assert count(text) == sum(1 for part in split(text) if part.strip())


def test_the_journals_encoding_gives_the_same_row() -> None:
    """The journal's encoding gives the same row as reading at once."""
    request = read([{"time": NOW, "entry": entry} for entry in (ACCEPTED, QUEUED)])
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(request), type=Submission)
    assert again.source is Source.PLUGIN
    assert [row(entry.fields) for entry in again.entries] == [row(entry.fields) for entry in request.entries]
