"""A reply's pattern does not depend on ids, addresses, hosts and times, and differs between kinds of replies."""

from __future__ import annotations

import itertools
import json
import random
import re
import string
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.events.replies.pattern import PATTERN_CHARACTERS, response_pattern

REPLIES: Final = [
    json.loads(line)["reply"]
    for line in (Path(__file__).parents[2] / "fixtures" / "replies" / "labelled.jsonl").read_text().splitlines()
]
MUTATIONS: Final = 200

TOKEN = re.compile(
    r"(?P<url>https?://[^\s<>\"]+)"
    r"|(?P<addr>[\w.+-]+@[\w.-]+\w)"
    r"|(?P<ip>\b\d{1,3}(?:\.\d{1,3}){3}\b)"
    r"|(?P<code>\b[245]\.\d\.\d{1,3}\b|\bIB\d+|\b(?:RESOLVER|STOREDRV)[.:\w]+|MCSpamSignature\S*)"
    r"|(?P<host>\b[a-z0-9-]+(?:\.[a-z0-9-]+)+\b)"
    r"|(?P<id>\b(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9_-]{9,})"
)
NAMES = ("alpha", "mail", "mx", "smtp", "out", "eu", "prod", "node", "web", "shop", "john", "mueller")


def name(rng: random.Random) -> str:
    """Return a label of a host or the name of a person."""
    return rng.choice(NAMES) + rng.choice(["", "1", "23", "-4", "x"])


def host(rng: random.Random, labels: int) -> str:
    """Return a host of `labels` labels."""
    return ".".join([*(name(rng) for _ in range(labels - 1)), rng.choice(["com", "net", "de", "example"])])


def identifier(rng: random.Random, sample: str) -> str:
    """Return a random id with the same kinds of characters as the sample."""
    pool = string.digits
    pool += string.ascii_lowercase if any(map(str.islower, sample)) else ""
    pool += string.ascii_uppercase if any(map(str.isupper, sample)) else ""
    return "".join(rng.choice(pool) if char.isalnum() else char for char in sample)


def mutated(reply: str, rng: random.Random) -> str:
    """Return the reply with its addresses, hosts and ids replaced by others."""

    def other(part: re.Match[str]) -> str:
        match part.lastgroup:
            case "addr":
                return f"{name(rng)}.{name(rng)}@{host(rng, rng.randint(2, 3))}"
            case "ip":
                return ".".join(str(rng.randint(1, 254)) for _ in range(4))
            case "host":
                return host(rng, part[0].count(".") + 1)
            case "id":
                return identifier(rng, part[0])
        return part[0]

    head = re.match(r"\d{3}[ -]+(?:#?[245]\.\d+\.\d+)?", reply)
    end = head.end() if head else 0
    return reply[:end] + TOKEN.sub(other, reply[end:])


def test_a_reply_keeps_its_pattern_whatever_its_variable_parts_are() -> None:
    """At least 95 % of the labelled replies have one pattern for 200 mutations."""
    rng = random.Random(14)
    changing = [
        reply
        for reply in REPLIES
        if len({response_pattern(mutated(reply, rng))[:PATTERN_CHARACTERS] for _ in range(MUTATIONS)}) > 1
    ]
    assert len(changing) <= 0.05 * len(REPLIES), changing


TEMPLATES = [
    "550 Mail content denied [{base64} IP: 192.0.2.1]. http://service.mail.qq.com/cgi-bin/help",
    "550 Connection frequency limited [{base64}]",
    "451 MI:SFQ 163 mx30,{base64url}--.4588S3 1234, please see http://mail.163.com/help",
    "554 5.7.1 [1] Message rejected under suspicion of SPAM; https://ya.cc/1IrBc 1712345678-{mixed}",
    "250 Ok {ses}",
    "451 4.7.0 session {mixed}",
    "421 {day}, 28 {month} 2026 12:13:14 +0000 try again",
    "550 JunkMail rejected - ({name}) [192.0.2.1]:1234 is in an RBL",
    '550 unknown user "{name}"',
    "550 {name}: Recipient name does not exist here",
    "554 dd this account is not here [-{digit}] - mta1234.mail.example.com",
]


def filled(template: str, rng: random.Random) -> str:
    """Return the template with its placeholders replaced by ids, names and dates."""
    letters = string.ascii_letters + string.digits

    def some(alphabet: str, count: int) -> str:
        return "".join(rng.choice(alphabet) for _ in range(count))

    return template.format(
        base64=some(letters + "+/", 39) + "=",
        base64url=some(letters + "-_", 24) + "7",
        mixed=some(letters, 12),
        ses=f"0100{some('0123456789abcdef', 12)}-{some('0123456789abcdef', 8)}-"
        + "-".join(some("0123456789abcdef", 4) for _ in range(3))
        + f"-{some('0123456789abcdef', 12)}-000000",
        day=rng.choice(["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]),
        month=rng.choice(["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]),
        name=name(rng) + rng.choice(["", "." + name(rng)]),
        digit=rng.randint(0, 9),
    )


@pytest.mark.parametrize("template", TEMPLATES, ids=itertools.count())
def test_ids_names_and_dates_of_every_kind_are_replaced(template: str) -> None:
    """Ids, names and dates of every kind are replaced: nearly all of 200 draws give one pattern."""
    rng = random.Random(7)
    patterns = [response_pattern(filled(template, rng)) for _ in range(MUTATIONS)]
    most = max(patterns.count(pattern) for pattern in set(patterns))
    assert most >= 0.98 * MUTATIONS, set(patterns)


APART = [
    ("421 4.7.0 [TSS04] Messages deferred", "421 4.7.0 [TSS05] Messages deferred"),
    ("553 5.7.1 [BL21] Connections", "553 5.7.1 [BL23] Connections"),
    ("550 5.7.1 block list (S3140)", "550 5.7.1 block list (S3150)"),
    ("550 5.7.1 RESOLVER.RST.AuthRequired; no", "550 5.7.1 RESOLVER.ADR.RecipNotFound; no"),
    ("550 ERROR_CODE :5.1.1", "550 ERROR_CODE :5.2.1"),
    ("554 rejected - MCSpamSignature.sa.2.2", "554 rejected - mail.sa.example"),
    ("554 see https://postmaster.gmx.net/en/case?c=hi&i=ip", "554 see https://postmaster.gmx.net/en/case?c=r0201&i=ip"),
    (
        "550 x https://support.google.com/mail/?p=NoSuchUser y",
        "550 x https://support.google.com/mail/?p=DisabledUser y",
    ),
    ("550 5.2.0 Mail rejete. OFR004_506 [506]", "550 5.2.0 Mail rejete. OFR004_102 [102]"),
]


@pytest.mark.parametrize(("one", "other"), APART, ids=itertools.count())
def test_kinds_that_a_server_tells_apart_stay_apart(one: str, other: str) -> None:
    """Provider codes, Exchange's words and enhanced codes in the text are kept in the pattern."""
    assert response_pattern(one) != response_pattern(other)
    assert response_pattern(response_pattern(one)) == response_pattern(one)


@given(lines=st.lists(st.sampled_from(["first words here", "more of the text", "and the end"]), min_size=1, max_size=4))
def test_several_lines_and_one_line_of_a_text_are_one_pattern(lines: list[str]) -> None:
    """A text in several lines, each with the code (RFC 5321, 4.2.1), has the same pattern as in one line."""
    one = "550 5.7.1 " + " ".join(lines)
    short = "\r\n".join([f"550-{line}" for line in ["5.7.1 " + lines[0], *lines[1:]]])
    repeated = "\n".join([f"550-5.7.1 {line}" for line in lines])
    assert response_pattern(one) == response_pattern(short) == response_pattern(repeated)


@given(
    reply=st.sampled_from(REPLIES),
    person=st.from_regex(r"\A[a-z]{3,8}\.[a-z]{3,8}@[a-z]{4,10}\.(?:com|example)\Z"),
    server=st.from_regex(r"\A[a-z]{2,6}[0-9]{0,2}\.[a-z]{4,10}\.(?:net|example)\Z"),
    ip=st.ip_addresses(v=4).map(str),
)
def test_no_address_and_no_host_remains(reply: str, person: str, server: str, ip: str) -> None:
    """No address and no host remains in a pattern."""
    words = reply.split(" ")
    middle = max(1, len(words) // 2)
    text = " ".join([*words[:middle], f"<{person}>", server, f"[{ip}]", *words[middle:]])
    pattern = response_pattern(text)
    assert person not in pattern
    assert server not in pattern
    assert ip not in pattern
