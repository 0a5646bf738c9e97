"""Replaces the people in a submission by pseudonyms when `privacy.pseudonymise` is on (docs/privacy.md). Pure.

Each field that ZoneMTA writes has a rule. The value of any other field is hidden whole.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec

from collector.events import addresses
from collector.events.model.event import ROW_HEAD, Group, Source
from collector.events.privacy.pseudonyms import PSEUDONYM, PublicForm, without_display
from collector.events.privacy.quoted_people import in_text, mailboxes_of, may_quote, without_names

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.events.model.event import Rejection, Submission
    from collector.events.privacy.pseudonyms import Pseudonyms

ADDRESSES: Final = frozenset({"from", "returnPath", "to", "recipient", "headerFrom", "suppressed address", "user"})
"""Fields with one or more addresses. Their domains stay."""

TEXTS: Final = frozenset({
    "response", "responseText", "error", "description", "reason", "tlsAuthorizationError", "httpUrl", "httpResponse",
    "tests",
})  # fmt: skip
"""Fields with the text of a server, which may quote an address."""

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
        "count",
        "events",
    }
)
KEPT: Final = frozenset({
    "id", "seq", "action", "zone", "interface", "category", "mx", "host", "ip", "protocol", "tlsVersion", "tlsCipher",
    "transtype", "bounceType", "bounceId", "queued", "result", "suppressed domain", "cluster", "context",
})  # fmt: skip
"""Fields of the mail system itself. They are kept, except addresses in them."""

RESULTS: Final = frozenset({
    "target", "kind", "name", "list", "verdict", "detail", "codes", "meanings", "severity", "previous", "standing",
    "standing_since",
})  # fmt: skip
"""Fields of the DNSBL exporter: the operator's own addresses and domains, and what a list says about them."""

WEBHOOK_ADDRESSES: Final = frozenset({"address", "username", "value", "target"})
"""Fields of WildDuck's webhooks with an address, or with the name of a user, an id, or the host of a link."""

WORDS: Final = {
    Source.DNSBL: RESULTS,
    Source.WILDDUCK: frozenset({"domain", "alias", "selector", "servername", "type"}),
    Source.ARF: frozenset({"userAgent", "reportedDomain", "arrivalDate", "version", "incidents", "reporter"}),
}
"""Fields of one source that are kept, except addresses in them, beside `KEPT`."""

MAX_SPELT: Final = 4096
"""The most non-ASCII domains that are turned into A-labels in one submission: each costs as much as twenty addresses.

Beyond it, an address is hidden together with its domain.
"""

MAX_PEOPLE: Final = 200_000
"""The most people and other names of one submission that get their own pseudonym: ten for each event that a body may
hold. The rest share one.
"""

_NUMERIC: Final = re.compile(r"[0-9TZeE:.+ -]{0,40}", re.ASCII)


def hide(submission: Submission, pseudonyms: Pseudonyms) -> Submission:
    """Return the submission with pseudonyms in place of people. Never raises."""
    return Pseudonymiser(pseudonyms).request(submission)


class Pseudonymiser:
    """Hides the people of one submission."""

    def __init__(self, pseudonyms: Pseudonyms) -> None:
        self._pseudonyms = pseudonyms
        self._spelt: set[str] = set()
        self._left = MAX_PEOPLE
        self._words: frozenset[str] = frozenset()
        self._is_webhook = False
        self._rest = PublicForm(pseudonyms.of_whole("the rest of a request"), None)

    def request(self, submission: Submission) -> Submission:
        """See `hide`."""
        self._words = WORDS.get(submission.source, frozenset())
        self._is_webhook = submission.source is Source.WILDDUCK
        heartbeat = submission.heartbeat
        if heartbeat is not None:
            heartbeat = msgspec.structs.replace(
                heartbeat, cluster=self._text(heartbeat.cluster), host=self._text(heartbeat.host)
            )
        return msgspec.structs.replace(
            submission,
            groups=[self._group(group) for group in submission.groups],
            rejections=[self._rejection(rejection) for rejection in submission.rejections],
            heartbeat=heartbeat,
        )

    def _group(self, group: Group) -> Group:
        # The result for a value depends only on its key and type, so that a group stays one group.
        rules = [self._rule(key) for key in group.keys]
        named = [place for place, key in enumerate(group.keys) if key in ADDRESSES]
        texts = [place for place, key in enumerate(group.keys) if key in TEXTS]
        rows = []
        for row in group.rows:
            values = row[ROW_HEAD:]
            made = [rule(value) for rule, value in zip(rules, values, strict=True)]
            if texts:
                mailboxes = mailboxes_of(values[place] for place in named if type(values[place]) is str)
                for place in texts:
                    if type(made[place]) is str:
                        made[place] = without_names(made[place], mailboxes, self._of, self._pseudonyms.of_whole)
            rows.append([*row[:ROW_HEAD], *made])
        label = self._label
        return Group(
            self._text(group.cluster),
            label(group.host),
            label(group.context),
            tuple(map(self._text, group.keys)),
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
            rejection, cluster=self._text(rejection.cluster), raw=msgspec.json.encode(kept).decode()
        )

    def _event(self, event: dict[str, Any]) -> dict[str, Any]:
        """Return the event, a plugin's event or a bare entry, with its people hidden. It is not checked yet."""
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
        return None if label is None else self._text(label)

    def _rule(self, key: str) -> Callable[[Any], Any]:
        if key in self._words:
            return self._word
        if key in ADDRESSES or (self._is_webhook and key in WEBHOOK_ADDRESSES):
            return partial(self._typed, self._addresses)
        if self._is_webhook and key in TEXTS:  # a user's own words
            return self._hidden
        if key in TEXTS or key in KEPT:
            return partial(self._typed, self._text, keeps_numbers=key in KEPT)
        if key in NUMBERS:
            return partial(self._typed, self._number, keeps_numbers=True)
        return self._hidden

    def _typed(self, rule: Callable[[str], str], value: Any, *, keeps_numbers: bool = False) -> Any:  # noqa: ANN401 - any JSON value
        if type(value) is str:
            return rule(value)
        if value is None or type(value) is bool or (keeps_numbers and isinstance(value, (int, float))):
            return value
        return self._boxed(value)

    def _word(self, value: Any) -> Any:  # noqa: ANN401 - any JSON value
        """Return a value that is kept, except addresses in it. A list keeps each of its texts."""
        if isinstance(value, list) and all(type(one) is str for one in value):
            return [self._text(one) for one in value]
        return self._typed(self._text, value, keeps_numbers=True)

    def _addresses(self, written: str) -> str:
        return ",".join(map(self._address, addresses.split(written)))

    def _address(self, written: str) -> str:
        """Return an address with a pseudonym as its local part. A text that is not an address becomes a pseudonym.
        An empty text and the null sender stay.
        """
        person = without_display(written)
        return _written(self._shown(person)) if person else written.strip()

    def _text(self, text: str) -> str:
        if self._left <= 0 and may_quote(text):
            return self._rest.pseudonym
        return in_text(text, self._quoted, self._pseudonyms.of_whole)

    def _quoted(self, person: str, at: str) -> str:
        return _written(self._shown(person), at)

    def _number(self, written: str) -> str:
        return written if _NUMERIC.fullmatch(written) else self._of(written)

    def _hidden(self, value: Any) -> Any:  # noqa: ANN401 - any JSON value
        if value is None or type(value) is bool or value == "":
            return value
        return self._of(value) if type(value) is str else self._boxed(value)

    def _boxed(self, value: object) -> list[str]:
        """Return the pseudonym of a value that is not text, in a list, so that the result is not text either."""
        if isinstance(value, list) and len(value) == 1 and type(value[0]) is str and PSEUDONYM.fullmatch(value[0]):
            return value
        return [self._of(msgspec.json.encode(value, order="sorted").decode())]

    def _of(self, person: str) -> str:
        return self._shown(person).pseudonym

    def _shown(self, person: str) -> PublicForm:
        if self._left <= 0:
            return self._rest
        self._left -= 1
        if person.isascii() or "@" not in person or self._may_spell(person.rpartition("@")[2]):
            return self._pseudonyms.shown(person)
        return PublicForm(self._pseudonyms.of_whole(person), None)

    def _may_spell(self, domain: str) -> bool:
        if domain.isascii() or domain in self._spelt:
            return True
        if len(self._spelt) >= MAX_SPELT:
            return False
        self._spelt.add(domain)
        return True


def _written(shown: PublicForm, at: str = "@") -> str:
    return shown.pseudonym if shown.domain is None else f"{shown.pseudonym}{at}{shown.domain}"
