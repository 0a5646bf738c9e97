"""Pseudonyms in place of people: what `privacy.pseudonymise` does to a request at the border (docs/privacy.md). Pure.

A pseudonym is `p-` and 20 hex digits of a keyed hash, the same wherever its person stands, and never made anew from itself. Fields
that ZoneMTA writes have a rule each; what no rule knows is hidden whole.
"""

from __future__ import annotations

import hmac
import re
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final

import msgspec

from collector.events import address
from collector.events.model import ROW_HEAD, Group
from collector.events.reason import TEXT_RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from collector.events.model import Rejection, Request

PREFIX: Final = "p-"
DIGITS: Final = 20
"""80 bits: a million addresses share a pseudonym with a chance of one in 10¹²."""

_CONTEXT: Final = b"duckwatch pseudonyms 1"
"""Sets this use of the secret apart from the hash of subjects."""

ADDRESSES: Final = frozenset({"from", "returnPath", "to", "recipient", "headerFrom", "suppressed address", "user"})
"""Addresses, or a list of some: the domain stays."""

TEXTS: Final = frozenset({
    "response", "responseText", "error", "description", "reason", "tlsAuthorizationError", "httpUrl", "httpResponse", "tests",
})  # fmt: skip
"""Words of a server, which may quote an address."""

NUMBERS: Final = frozenset(
    {
        "created",
        "body",
        "size",
        "timer",
        "start",
        "defcount",
        "nextattempt",
        "score",
        "secure",
        "tls",
        "tlsAuthorized",
        "time",
    }
)
KEPT: Final = frozenset({
    "id", "seq", "action", "zone", "interface", "category", "mx", "host", "ip", "protocol", "tlsVersion", "tlsCipher",
    "transtype", "bounceType", "bounceId", "queued", "result", "suppressed domain", "cluster", "context",
})  # fmt: skip
"""Words of the mail system itself, kept as they are but for an address in them."""

MAX_NAMES: Final = 100
"""So many mailboxes of one entry are looked for by name in its replies."""

_LOCAL = r"[\w.!\#$%&'*+/=?^`{|}~-]"
_DOMAIN = r"(?: \[ [^\s\]]{0,64} \] | [\w-]++ (?:\.[\w-]++)*+ )"
_QUOTED_CHARACTERS = 64
"""RFC 5321, 4.5.3.1.1: no local part is longer."""

# Each alternative starts at the border of a run and gives nothing back: linear in the text, by at most 64 (what is in quotes).
_IN_TEXT: Final = re.compile(
    rf"""(?P<local> (?: " (?:[^"\\]|\\.){{0,{_QUOTED_CHARACTERS}}}+ " | (?<!{_LOCAL}) {_LOCAL}++ ) (?: @ {_LOCAL}++ (?=@) ){{0,8}}+ )
         (?P<at>@) (?P<domain>{_DOMAIN})""",
    re.VERBOSE | re.DOTALL,
)
_IN_LINK: Final = re.compile(
    r"(?P<local> (?<![\w.!\#$'*+^`{|}~-]) [\w.!\#$'*+^`{|}~-]++ ) (?P<at>%40) (?P<domain> [\w-]++ (?:\.[\w-]++)*+ )",
    re.VERBOSE,
)
_SHOWN_DOMAIN: Final = re.compile(r"[\w.-]{1,255}|\[(?:ipv6:)?[0-9a-f:.]{1,45}\]")
_DISPLAYED: Final = re.compile(r"<([^<>]*)>\s*\Z")
_PSEUDONYM: Final = re.compile(rf"{PREFIX}[0-9a-f]{{{DIGITS}}}")
_NUMERIC: Final = re.compile(r"[0-9TZeE:.+ -]{0,40}", re.ASCII)

_RULE_WORDS: Final = frozenset(
    word for rule in TEXT_RULES for word in re.findall("[a-z]{2,}", re.sub(r"\\.", " ", rule.pattern.pattern.lower()))
)
"""The words by which a reply's reason is told: a mailbox of such a name (`user@`, `spam@`) is no person, and its name stays in texts."""

_ROLES: Final = frozenset({
    "abuse", "admin", "bounce", "bounces", "contact", "hostmaster", "info", "mail", "mailer-daemon", "marketing", "news",
    "newsletter", "no-reply", "noc", "noreply", "office", "postmaster", "root", "sales", "security", "support", "webmaster",
})  # fmt: skip
"""Mailboxes of a task (RFC 2142, and the usual ones of senders): words of replies as well."""


class Pseudonyms:
    """The pseudonyms of one secret."""

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, _CONTEXT, "sha256")

    def of(self, person: str) -> str:
        """The pseudonym of an address or of any other name, as it stands alone: the same for each spelling of an address (case, `<>`,
        IDN). A pseudonym, also as the local part of an address, stays.
        """
        name = address.bare(person.strip()).lower()
        local, at, _ = name.rpartition("@")
        if _PSEUDONYM.fullmatch(local if at else name):
            return local if at else name
        if at:
            name = f"{local}@{address.domain(name) or ''}"
        return PREFIX + hmac.digest(self._key, name.encode("utf-8", "replace"), "sha256").hex()[:DIGITS]

    def of_address(self, written: str) -> str:
        """An address with a pseudonym as its local part. What is no address becomes the pseudonym alone; nothing, and the null
        sender, stay.
        """
        inner = address.bare(written.strip())
        if shown := _DISPLAYED.search(inner):
            inner = shown[1]
        if not inner:
            return written.strip()
        domain = address.domain(inner)
        if domain is None or not _SHOWN_DOMAIN.fullmatch(domain):
            return self.of(inner)
        return f"{self.of(inner)}@{domain}"

    def in_text(self, text: str) -> str:
        """The text with each address as its pseudonym."""
        if "@" in text:
            text = _IN_TEXT.sub(self._replace, text)
        return _IN_LINK.sub(self._replace, text) if "%40" in text else text

    def request(self, request: Request) -> Request:
        """The request as it may be kept. Never raises."""
        report = request.report
        if report is not None:
            report = msgspec.structs.replace(
                report, cluster=self.in_text(report.cluster), host=self.in_text(report.host)
            )
        return msgspec.structs.replace(
            request,
            groups=[self._group(group) for group in request.groups],
            rejections=[self._rejection(rejection) for rejection in request.rejections],
            report=report,
        )

    def _group(self, group: Group) -> Group:
        # What becomes of a value depends on its key and its type alone: a group stays one.
        rules = [self._rule(key) for key in group.keys]
        named = [place for place, key in enumerate(group.keys) if key in ADDRESSES]
        texts = [place for place, key in enumerate(group.keys) if key in TEXTS]
        rows = []
        for row in group.rows:
            values = row[ROW_HEAD:]
            mailboxes = self._mailboxes([values[place] for place in named]) if texts else ()
            made = [rule(value) for rule, value in zip(rules, values, strict=True)]
            for place in texts:
                if type(made[place]) is str:
                    made[place] = _without_names(made[place], mailboxes)
            rows.append([*row[:ROW_HEAD], *made])
        label = self._label
        return Group(
            self.in_text(group.cluster),
            label(group.host),
            label(group.context),
            tuple(map(self.in_text, group.keys)),
            rows,
        )

    def _rejection(self, rejection: Rejection) -> Rejection:
        try:
            item = msgspec.json.decode(rejection.raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            item = rejection.raw  # cut within its JSON
        if isinstance(item, dict):
            kept: Any = self._event(item)
        else:
            kept = self._hidden(item)
        return msgspec.structs.replace(
            rejection, cluster=self.in_text(rejection.cluster), raw=msgspec.json.encode(kept).decode()
        )

    def _event(self, event: dict[str, Any]) -> dict[str, Any]:
        """An event of the plugin, or a bare entry: as it came, not yet known to be anything."""
        fields = event.get("entry")
        if not isinstance(fields, dict):
            return self._fields(event)
        return self._fields({key: value for key, value in event.items() if key != "entry"}) | {
            "entry": self._fields(fields)
        }

    def _fields(self, fields: dict[str, Any]) -> dict[str, Any]:
        group = self._group(Group("", None, None, tuple(fields), [[0, 0, None, *fields.values()]]))
        return dict(zip(group.keys, group.rows[0][ROW_HEAD:], strict=True))

    def _label(self, label: str | None) -> str | None:
        return None if label is None else self.in_text(label)

    def _rule(self, key: str) -> Callable[[Any], Any]:
        if key in ADDRESSES:
            return partial(self._typed, self._addresses)
        if key in TEXTS or key in KEPT:
            return partial(self._typed, self.in_text, keeps_numbers=key in KEPT)
        if key in NUMBERS:
            return partial(self._typed, self._number, keeps_numbers=True)
        return self._hidden

    def _typed(self, rule: Callable[[str], str], value: Any, *, keeps_numbers: bool = False) -> Any:  # noqa: ANN401 - any JSON value
        if type(value) is str:
            return rule(value)
        if value is None or type(value) is bool or (keeps_numbers and isinstance(value, (int, float))):
            return value
        return self._boxed(value)

    def _addresses(self, written: str) -> str:
        return ",".join(map(self.of_address, address.split(written)))

    def _number(self, written: str) -> str:
        return written if _NUMERIC.fullmatch(written) else self.of(written)

    def _hidden(self, value: Any) -> Any:  # noqa: ANN401 - any JSON value
        if value is None or type(value) is bool or value == "":
            return value
        return self.of(value) if type(value) is str else self._boxed(value)

    def _boxed(self, value: object) -> list[str]:
        """The pseudonym of what is no text, in a list: it stays another type than text."""
        if isinstance(value, list) and len(value) == 1 and type(value[0]) is str and _PSEUDONYM.fullmatch(value[0]):
            return value
        return [self.of(msgspec.json.encode(value, order="sorted").decode())]

    def _mailboxes(self, written: list[Any]) -> list[tuple[str, str]]:
        """Local parts that a reply may name without their domain, the longest first, each with its pseudonym."""
        found: dict[str, str] = {}
        for one in written:
            for person in address.split(one)[:MAX_NAMES] if type(one) is str else ():
                bare = address.bare(person.strip())
                if shown := _DISPLAYED.search(bare):
                    bare = shown[1]
                local = (bare.rpartition("@")[0] or bare).lower().strip('"')
                for name in (local, local.partition("+")[0]):
                    if is_telling(name):
                        found.setdefault(name, self.of(bare))
        return sorted(found.items(), key=lambda item: -len(item[0]))[:MAX_NAMES]

    def _replace(self, found: re.Match[str]) -> str:
        person = f"{found['local']}@{found['domain']}"
        domain = address.domain(person)
        if domain is None or not _SHOWN_DOMAIN.fullmatch(domain):
            return self.of(person)
        return f"{self.of(person)}{found['at']}{domain}"


def _without_names(text: str, mailboxes: Sequence[tuple[str, str]]) -> str:
    """The text with each mailbox (local part, pseudonym) that is named in it without its domain."""
    lower = text.lower() if mailboxes else ""
    for local, pseudonym in mailboxes:
        if local in lower:
            text = _alone(local).sub(pseudonym, text)
    return text


def is_telling(name: str) -> bool:
    """False for what a reply says anyway: two letters, a reply's code, its usual words, and what is a pseudonym already."""
    return (
        len(name) > 2
        and not (name.isdigit() and len(name) < 5)
        and name not in _RULE_WORDS
        and name not in _ROLES
        and not _PSEUDONYM.fullmatch(name)
    )


@lru_cache(maxsize=256)
def _alone(local: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(local)}(?!\w)", re.IGNORECASE)
