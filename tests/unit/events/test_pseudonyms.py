"""Pseudonyms hide people, keep domains for statistics, and are the same for a person everywhere."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from collector.assembly import assembled
from collector.events import addresses
from collector.events.model.batch import JournalEntry, Position
from collector.events.model.event import COLUMNS, MailEvent, Submission
from collector.events.privacy.hiding import Pseudonymiser
from collector.events.privacy.pseudonyms import Pseudonyms
from collector.events.privacy.quoted_people import MAX_SHOWN, is_telling, mailboxes_of, without_names
from collector.journal.codec import encode_submission as journalled
from collector.pipeline.batch import assemble
from collector.store.writing.copy_text import encode_copy
from tests.unit.events.entries import ACCEPTED, NOW, QUEUED, changed, read, recording

SECRET = b"a secret of the tests"
P = Pseudonyms(SECRET)
PERSONAL = {"message_id", "auth_user", "sender", "return_path", "recipient", "response", "raw", "fbl_id"}


def pseudonymised(*entries: dict[str, Any], **border: Any) -> Submission:
    """Return the border's result for entries with pseudonyms on."""
    body = [{"time": NOW + n, "entry": entry} for n, entry in enumerate(entries)]
    return read(body, pseudonyms=P, **border)


def rows(submission: Submission) -> list[MailEvent]:
    return list(assemble([submission], {})[0].events)


def row(**fields: Any) -> MailEvent:
    (found,) = rows(pseudonymised(changed(ACCEPTED, **fields)))
    return found


def test_an_address_keeps_its_domain_and_nothing_else() -> None:
    """An address keeps only its domain, in sender, return path, recipient, user and Message-ID."""
    event = row(user="alice@shop.example")
    assert event.recipient == f"{P.of('ok@corp.example')}@corp.example"
    assert (event.recipient_domain, event.sender_domain) == ("corp.example", "shop.example")
    assert event.auth_user == f"{P.of('alice@shop.example')}@shop.example"
    assert event.message_id == P.of("<1@shop.example>")
    assert (event.queue_id, event.mx_host, event.mx_ip) == (ACCEPTED["id"], ACCEPTED["mx"], ACCEPTED["host"])


@pytest.mark.parametrize(
    "spelling",
    [
        "jane@büro.example",
        "<Jane@BÜRO.example>",
        "jane@xn--bro-hoa.example",
        " JANE@Xn--Bro-Hoa.Example ",
        "jane@büro.example.",
    ],
)
def test_one_person_has_one_pseudonym(spelling: str) -> None:
    """A person has one pseudonym in every spelling of the address."""
    assert P.of(spelling) == P.of("jane@büro.example")
    assert Pseudonymiser(P)._address(spelling) == f"{P.of('jane@büro.example')}@xn--bro-hoa.example"


def test_another_secret_gives_other_pseudonyms() -> None:
    """Another secret gives other pseudonyms, so that addresses cannot be tried without it."""
    assert Pseudonyms(b"another").of("jane@x.example") != P.of("jane@x.example")


@pytest.mark.parametrize("nobody", ["", "<>"])
def test_the_null_sender_stays_what_it_is(nobody: str) -> None:
    """The empty sender stays, because it marks a DSN."""
    event = row(**{"from": nobody, "returnPath": nobody})
    assert (event.direction, event.sender, event.return_path) == ("dsn", None, None)


@pytest.mark.parametrize(
    ("reply", "shown"),
    [
        ("550 5.1.1 <Jane.Doe@X.example>: unknown user", "550 5.1.1 <{0}@x.example>: unknown user"),
        ("550 5.1.1 No mailbox jane.doe here", "550 5.1.1 No mailbox {0} here"),
        ("452 4.2.2 jane.doe+old is over quota", "452 4.2.2 {0}+old is over quota"),
        ("550 see https://x.example/?a=jane.doe%40x.example&b", "550 see https://x.example/?a={0}%40x.example&b"),
        ("550 bounce to v+jane.doe=x.example@shop.example", "550 bounce to {1}@shop.example"),
        ('550 "jane.doe"@x.example', "550 {2}@x.example"),
        ("550 jane.doe@[127.0.0.1] jane.doe@[Secret.Doe]", "550 {3}@[127.0.0.1] {4}"),
        ("550 a@jane.doe@x.example", "550 {5}@x.example"),
    ],
)
def test_replies_are_kept_without_their_people(reply: str, shown: str) -> None:
    """Replies are kept without people: addresses in every form, and the mailbox name alone."""
    quoted = [
        "jane.doe@x.example", "v+jane.doe=x.example@shop.example", '"jane.doe"@x.example', "jane.doe@[127.0.0.1]",
        "jane.doe@[Secret.Doe]", "a@jane.doe@x.example",
    ]  # fmt: skip
    event = row(to="jane.doe@x.example", response=reply)
    assert event.response == shown.format(*map(P.of, quoted))


@pytest.mark.parametrize(
    "person",
    ["rene\u0301@x.example", "राम@डाटामेल.भारत", "ทดสอบ@ตัวอย่าง.ไทย", "jane\u2603@x.example", "\U0001f986@x.example"],
)
def test_people_of_every_script_are_found_in_a_reply(person: str) -> None:
    """People of every script are found in a reply, also those that are not the event's own."""
    event = row(to="jane.doe@x.example", response=f"550 <{person}> and, {person}: none")
    shown = f"{P.of(person)}@{addresses.domain(person)}"
    assert event.response == f"550 <{shown}> and, {shown}: none"


@pytest.mark.parametrize("role", ["user", "spam", "550", "ok", "mailbox"])
def test_a_mailbox_of_a_common_word_does_not_change_what_a_reply_says(role: str) -> None:
    """A mailbox name that is a common word, like `user`, stays in the reply, because it may give the reason."""
    entry = changed(
        ACCEPTED, action="REJECTED", to=f"{role}@x.example", response="550 5.7.1 ok spam mailbox user unknown"
    )
    (plain,) = rows(read([{"time": NOW, "entry": entry}]))
    (hidden,) = rows(pseudonymised(entry))
    assert (hidden.reason, hidden.response, hidden.smtp_code) == (plain.reason, plain.response, 550)


def test_what_no_rule_knows_is_hidden_whole() -> None:
    """An unknown field is hidden whole, unless it is a boolean or null."""
    event = row(note="Jane Doe", phone=4915112345, deep={"name": ["Jane"]}, flag=True, none=None, empty="")
    assert event.raw is not None
    raw = json.loads(event.raw)
    assert raw["note"] == P.of("Jane Doe")
    assert raw["phone"] == [P.of("4915112345")]
    assert raw["deep"] == [P.of('{"name":["Jane"]}')]
    assert (raw["flag"], raw["none"], raw["empty"]) == (True, None, "")
    assert raw["start"] == ACCEPTED["start"]


def test_the_client_is_hidden_and_the_servers_are_not() -> None:
    """The client's address, name and message hash are hidden; names of the mail system's servers stay."""
    fields = changed(QUEUED, originhost="laptop", transhost="janes.example", md5="abc", transtype="ESMTPSA", fbl="jane")
    (event,) = rows(pseudonymised(fields))
    assert event.raw is not None
    raw = json.loads(event.raw)
    assert [raw[key] for key in ("src", "originhost", "transhost", "md5")] == [
        P.of(value) for value in ("192.0.2.1", "laptop", "janes.example", "abc")
    ]
    assert event.fbl_id == P.of("jane")
    assert (event.interface, raw["transtype"], event.recipients) == ("feeder", "ESMTPSA", 2)


def test_every_column_but_the_personal_ones_is_as_without_pseudonyms() -> None:
    """Over the whole recording, all columns without personal data are the same as without pseudonyms."""
    entries = [{"time": one["time_ms"], "entry": one["entry"]} for one in recording()]
    at = max(one["time"] for one in entries)
    plain = rows(read(entries, received_at=at))
    hidden = rows(read(entries, received_at=at, pseudonyms=P))
    assert len(plain) == len(hidden) == 2424
    same = [column for column in COLUMNS if column not in PERSONAL]
    for before, after in zip(plain, hidden, strict=True):
        for column in same:
            assert getattr(before, column) == getattr(after, column), (column, before.response)
    seen = {person.partition("@")[0] for one in plain for person in (one.recipient, one.sender) if person}
    assert len({one.recipient for one in hidden}) == len({one.recipient for one in plain})
    shown = {person.partition("@")[0] for one in hidden for person in (one.recipient, one.sender) if person}
    assert not seen & shown


def test_both_readers_give_the_same_rows() -> None:
    """The fast and the slow reader give the same rows."""
    entries = [{"time": one["time_ms"], "entry": one["entry"]} for one in recording()]
    request = read(entries, received_at=max(one["time"] for one in entries), pseudonyms=P)
    batch = assembled([JournalEntry(Position(1), request.received_at, journalled(request))], {})[0]
    assert batch.copy_text is not None
    one_by_one = encode_copy(assemble([request], {})[0].events)
    assert sorted(batch.copy_text.splitlines()) == sorted(one_by_one.splitlines())


@pytest.mark.parametrize(
    "body",
    [
        (
            b'[{"entry": {"action": "X", "to": "canaryjane@x.example", "note": "canaryjane"}, "x": "canaryjane", '
            b'"host": "canaryjane@x.example"}]'
        ),
        b'[{"entry": "canaryjane"}, {"action": "X"}]',
        b'["canaryjane", {"action": "X", "canaryjane@x.example": "canaryjane"}]',
        b'{"action": "X", "from": "canaryjane@x.example"\n{"action": "X"}\n{}',
        b'[{"action": "QUEUED", "d": ' + b"[" * 40 + b'"canaryjane"' + b"]" * 40 + b"}]",
        b'[{"action": "QUEUED", "to": "' + b"canaryjane@x.example," * 5000 + b'"}]',
    ],
)
def test_rejections_hold_no_people_either(body: bytes) -> None:
    """Rejections hold no people: bad events, lines that are no JSON, cut texts."""
    request = read(body, pseudonyms=P)
    assert request.rejections
    assert b"canary" not in journalled(request)


def test_a_letter_that_is_tried_again_gets_no_second_pseudonym() -> None:
    """A retried dead letter keeps its pseudonyms."""
    (rejection,) = read([{"entry": QUEUED}], pseudonyms=P).rejections
    event = json.loads(rejection.raw)
    again = pseudonymised(event["entry"])
    assert again == msgspec.structs.replace(pseudonymised(QUEUED), request_id=again.request_id)


CANARY = "canaryqx"
DOMAINS = st.sampled_from(["x.example", "X.EXAMPLE.", "[127.0.0.1]", "localhost", "büro.example", "sub.x-y.example"])
PEOPLE = st.builds(
    lambda before, after, domain: f"{before}{CANARY}{after}@{domain}",
    st.sampled_from(["", "a.", "bounce+", "ü", "o'"]),
    st.sampled_from(["", ".b", "+tag", "=x.example", "_1"]),
    DOMAINS,
)
FRAMES = st.sampled_from(
    [
        "{}",
        "<{}>",
        "550 5.1.1 <{}>: no",
        "{},b@x.example",
        "Jane <{}>",
        " {} ",
        "see http://h/{}?x",
        '"{}"',
        "({}),",
        "{}\n{}",
    ]
)
WRITTEN = st.builds(lambda frame, person: frame.replace("{}", person), FRAMES, PEOPLE)
FREE = st.one_of(st.just(CANARY), WRITTEN)
KEYS = [
    *dict.fromkeys(key for one in recording()[:400] for key in one["entry"]),
    "response",
    "responseText",
    "error",
    "user",
]
FREE_KEYS = {
    "from",
    "to",
    "returnPath",
    "recipient",
    "user",
    "message-id",
    "messageId",
    "src",
    "md5",
    "originhost",
    "note",
}
ENTRIES = st.dictionaries(
    st.sampled_from([key for key in KEYS if key != "subject"]),
    st.one_of(
        WRITTEN, WRITTEN.map(lambda text: [text]), WRITTEN.map(lambda text: {text: text}), st.integers(), st.none()
    ),
    max_size=8,
)


@settings(max_examples=300)
@given(ENTRIES, st.dictionaries(st.sampled_from(sorted(FREE_KEYS)), FREE, max_size=4), st.booleans())
@example({}, {"to": "canaryqx@x.example"}, True)
def test_no_person_passes_the_border_whatever_field_it_stands_in(
    entry: dict[str, Any], more: dict[str, Any], has_time: bool
) -> None:
    """No person passes the border into the journal's bytes, whatever the field."""
    whole = {"action": "QUEUED", "id": "1a20bd7ba7a000cd07"} | entry | more
    event = {"entry": whole, "host": "mta1", "context": "sender", "extra": "canaryqx"} | (
        {"time": NOW} if has_time else {}
    )
    request = read([event, "canaryqx"], pseudonyms=P)
    assert CANARY.encode() not in journalled(request).lower()
    assert CANARY not in encode_copy(rows(request)).decode().lower()


@settings(max_examples=200)
@given(ENTRIES)
def test_what_is_hidden_is_not_hidden_again(entry: dict[str, Any]) -> None:
    """A second reading at the border changes no pseudonym."""
    once = Pseudonymiser(P)._fields(entry)
    assert Pseudonymiser(P)._fields(once) == once


@given(st.text(max_size=60))
@example('"a,b"@x.example, <c@y.example>,,"open, c@z.example')
def test_a_list_has_as_many_addresses_as_before(written: str) -> None:
    """A list keeps its number of addresses."""
    made = Pseudonymiser(P)._addresses(written)
    assert len(addresses.split(written)) == len(made.split(","))
    assert addresses.count(written) == sum(1 for part in addresses.split(written) if part.strip())


MANY = st.builds(
    lambda people, separator: separator.join(people),
    st.lists(
        st.one_of(
            PEOPLE, PEOPLE.filter(lambda person: "=" not in person).map(lambda person: person.replace("@", "%40"))
        ),
        max_size=9,
    ),
    st.sampled_from([" ", ", ", "\n", ">;<", " and canaryqx "]),
)


@settings(max_examples=100)
@given(MANY, st.sampled_from(["response", "error", "mx", "zone"]))
def test_a_reply_full_of_people_shows_the_first_and_hides_the_rest_whole(written: str, key: str) -> None:
    """A reply with many people shows the first as pseudonyms, and hides the rest of its text."""
    fields = {"action": "X", "to": "canaryqx@x.example", key: written}
    if key in {"mx", "zone"}:
        fields[key] = written = written.replace("and canaryqx", "and")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("collector.events.privacy.quoted_people.MAX_SHOWN", 3)
        once = Pseudonymiser(P)._fields(fields)
        assert CANARY not in once[key].lower()
        assert Pseudonymiser(P)._fields(once) == once
    assert once[key].count("p-") <= 3 * 3 + 1


@given(
    st.lists(st.sampled_from(["jane", "jane.doe", "o'hara", "doe", "'jane", "straße", "a+b", "jan"]), max_size=5),
    st.lists(st.sampled_from(["jane", "JANE.Doe", "O'Hara", "doe", "'jane", "STRASSE", "straße", "a+b", "xjane", " ",
        ".", "<"]), max_size=20),
)  # fmt: skip
def test_mailboxes_are_found_as_words_of_their_own(names: list[str], words: list[str]) -> None:
    """After pseudonymising, no mailbox name is left as a word of its own."""
    reply = "".join(words)
    made = without_names(reply, mailboxes_of(f"{name}@x.example" for name in names), lambda _: "_", lambda _: "_")
    for name in names:  # a pseudonym is a word too, so word borders stay the same
        if is_telling(name):
            assert not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", made, re.IGNORECASE), (reply, made)


class CountingPseudonyms(Pseudonyms):
    """Counts its hashes."""

    hashed = 0

    def _hash(self, name: str) -> str:
        self.hashed += 1
        return super()._hash(name)


@pytest.mark.parametrize(
    "piece", ["u{0}@d{0}.example ", "u{0}%40d{0}.example ", '"u{0}"@b ', "a@ü{0} ", "name{1} ", "a@[{0}] "]
)
def test_a_reply_costs_a_bounded_number_of_pseudonyms(piece: str) -> None:
    """A reply costs a limited number of pseudonyms, however many people it quotes."""
    counted = CountingPseudonyms(SECRET)
    to = ",".join(f"name{n}@x.example" for n in range(100))
    text = "".join(piece.format(n, n % 100) for n in range(50_000))
    fields = Pseudonymiser(counted)._fields({"action": "X", "response": text, "to": to})
    assert counted.hashed <= 3 * (MAX_SHOWN + 1) + 100
    assert len(fields["response"]) < 3000


def test_a_request_costs_a_bounded_number_of_pseudonyms(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request costs a limited number of pseudonyms; beyond it addresses are hidden with their domains."""
    monkeypatch.setattr("collector.events.privacy.hiding.MAX_PEOPLE", 50)
    counted = CountingPseudonyms(SECRET)
    people = ",".join(f"u{n}@x.example" for n in range(100))
    hidden = Pseudonymiser(counted)._fields(
        {"to": people, "from": "", "error": "u7@x.example", "note": "u8", "mx": "x.example"}
    )
    assert counted.hashed <= 53
    assert addresses.count(hidden["to"]) == 100
    assert len(set(hidden["to"].split(","))) == 51
    assert (hidden["from"], hidden["mx"]) == ("", "x.example")
    assert hidden["error"] == hidden["note"] == hidden["to"].split(",")[-1]


def test_a_request_spells_a_bounded_number_of_domains(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request converts a limited number of domains by IDNA, which is slow; beyond it new ones are hidden."""
    monkeypatch.setattr("collector.events.privacy.hiding.MAX_SPELT", 2)
    people = "a@ä.example,a@ö.example,a@ü.example,a@x.example,b@ä.example"
    shown = Pseudonymiser(P)._addresses(people).split(",")
    assert [one.partition("@")[2] for one in shown] == [
        "xn--4ca.example", "xn--nda.example", "", "x.example", "xn--4ca.example",
    ]  # fmt: skip
    assert shown[0].startswith(P.of("a@xn--4ca.example"))


@pytest.mark.parametrize(
    "hostile",
    [*("a@b ", "a%40b ", '"a"@b ', "a@ü ", "a@[", "a@[x] ", "<>", "> ", "a@.b@"), *(["name1 name2 "])],
    ids=repr,
)
def test_a_megabyte_takes_no_long_time(hostile: str) -> None:
    """A megabyte in each kind of field is read within the suite's time limit."""
    for key in ("response", "to", "note", "mx"):
        fields = {
            "returnPath": "name1@x.example",
            "from": "name2@x.example",
            key: hostile * (1_000_000 // len(hostile)),
        }
        Pseudonymiser(P)._fields(fields)


@pytest.mark.parametrize(
    "hostile", ['\\"' * 50_000, '"' * 100_000, "a@" * 50_000, "a" * 100_000 + "@", "%40" * 30_000, "<" * 100_000]
)
def test_hostile_text_takes_no_long_time(hostile: str) -> None:
    """Hostile text is read within the suite's time limit."""
    for key in ("response", "to", "note"):
        pseudonymised(changed(ACCEPTED, **{key: hostile}))
