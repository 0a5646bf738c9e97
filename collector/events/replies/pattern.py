"""`response_pattern`: a reply with its variable parts replaced, so that a new kind of rejection shows as a new pattern."""

from __future__ import annotations

import re
from functools import lru_cache

from collector.events.addresses import IN_DOMAIN, IN_LOCAL, QUOTED_LOCAL
from collector.events.replies.status_codes import HEAD

PATTERN_CHARACTERS = 200
READ_CHARACTERS = 2000
"""No more of a reply is looked at: work is bounded however long it is."""

_CACHED_CHARACTERS = 64
_CACHED_PHRASE_CHARACTERS = 256
_HEX = "[0-9A-Fa-f]{1,4}"
_LOCAL = rf"[{IN_LOCAL}.!\#$%&'*+/=?^`{{|}}~-]"
_CAMEL = "[A-Z][A-Za-z]{3,40}"

# Words of a server that stay, because they tell one kind of reply from another. Closed sets, in the case in which they are written.
_KEPT = rf"""
    (?-i: (?=[ACHMPRSTQBOI<]) (?:
        (?<![\w.]) (?:RESOLVER\.[A-Z]{{3}}|STOREDRV|SMTPSEND|TRANSPORT(?:\.RULES)?|ROUTING|APPROVAL|QUEUE|CAT|ORAR)
            (?:\.{_CAMEL}){{1,4}}+ (?!\.?\w)
      | (?<=Exception:) (?:[A-Z][A-Za-z]{{2,60}}Exception[A-Za-z]{{0,60}})(?:\.MapiException[A-Za-z]{{1,60}})?+ (?![\w.])
      | (?<![\w.]) MCSpamSignature (?=[.\w])
      | (?<=[\[(]) (?:TSS?|BL|PH|AU|CS|HM|IPTS)[0-9]{{2}} (?=[\])]) | (?<=\[) HME[0-9] (?=\])
      | (?<=\() (?:S[0-9]{{3,4}}|AS[0-9]{{3,9}}) (?=\)) | \bIPTS[0-9]{{2}}\b
      | <url\?[cp]=[A-Za-z0-9]{{1,40}}>
    ) )
  | \b OFR[0-9]{{0,3}}_[0-9]{{3}} \b
  | (?<![0-9.]) [245]\.[0-7]\.[0-9]{{1,3}} (?![0-9]|\.[0-9])
"""

_SIGN_OF_KEPT = re.compile(r"[\[(][A-Z]|[245]\.[0-7]\.|_[0-9]|[A-Z]\.[A-Z]|[A-Z]{4}|<url|tion:|MCSpam", re.ASCII)
"""Every word with something in it that `_KEPT` finds has such a place; few others have."""

# One pass over a word, each part tried in this order at each place. Every alternative starts at the border of a run (the
# look-behinds) and gives nothing back (`++`), so that the time is linear in the word.
_VARIABLE = rf"""
    (?P<url>  (?<![A-Za-z0-9]) (?:https?|ftp):// [^\s<>"]* [^\s<>".,;:!?)\]}}'] )
  | (?P<addr> (?<!{_LOCAL}) {_LOCAL}++ @ (?: \[ [^\s\]]* \] | [{IN_DOMAIN}-]++ (?:\.[{IN_DOMAIN}-]++)*+ ) )
  | (?P<ip>   (?<![\w.]) (?:[0-9]{{1,3}}\.){{3}} [0-9]{{1,3}} (?!\w|\.\w)
            | (?<![\w:.]) (?: (?:{_HEX}:){{7}} {_HEX}
                            | {_HEX} (?::{_HEX}){{0,6}} :: (?: {_HEX} (?::{_HEX}){{0,6}} )?
                            | :: {_HEX} (?::{_HEX}){{0,6}} ) (?:\.[0-9]{{1,3}}){{0,3}} (?![\w:]) )
  | (?P<host> (?<![{IN_DOMAIN}.-]) (?=[0-9._-]*+[^\W0-9_]) [{IN_DOMAIN}-]++ (?:\.[{IN_DOMAIN}-]++)++ )
  | (?P<id>   (?<=\bid=) [^\s<>;,()\[\]]++ )
  | (?P<run>  (?<![A-Za-z0-9+/=_-]) (?![A-Za-z]{{1,12}}=) [A-Za-z0-9+/] [A-Za-z0-9+/=_-]{{3,}}+ )
  | (?P<digits> (?: (?<=\[)-? (?=[0-9]) )? [0-9]++ )
"""
_PARTS = re.compile(_VARIABLE, re.VERBOSE | re.IGNORECASE)
_PARTS_AND_KEPT = re.compile(f"(?P<kept> {_KEPT} ) | {_VARIABLE}", re.VERBOSE | re.IGNORECASE)

_NAMES = {"url": "<url>", "addr": "<addr>", "ip": "<ip>", "host": "<host>", "id": "<id>", "digits": "#"}

_CODE_IN_URL = re.compile(r"[?&](?:(c)=([a-z0-9]{1,16})|(p)=([A-Za-z]{3,40}))(?![A-Za-z0-9])")
_CODED_URLS = ("postmaster.gmx.", "postmaster.web.de", "postmaster.mail.com", "support.google.com", "support.gmail.com")

_QUEUED_AS = re.compile(r"\bqueued as (?!<(?:url|addr|ip|host)>)[^\s;,()\[\]]*[^\s;,()\[\].]", re.IGNORECASE)

# What a server says of itself or of a person without a domain, and when. Looked for only where a sign of it is there.
_HELO = re.compile(r"\((?:helo=)?(?:<\w+>|[^()<>\s]{1,255})\) (?=\[?<ip>)", re.IGNORECASE)
_QUOTED_NAME = re.compile(
    r"\b(user|recipient|mailbox|account|login|address|alias)( name)?:? ([\"'])(?:<(?:host|id)>|[^\"'<>]{1,64})\3",
    re.IGNORECASE,
)
_NAME_FIRST = re.compile(
    r"\A[ -]?(?:<(?:host|id|name)>|[^\s:<>]{1,64}): (?=(?:recipient|user|mailbox|account|no such|unknown)\b)",
    re.IGNORECASE,
)
_DAY = re.compile(r"\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)(?:day|sday|nesday|rsday|urday)?(?=,? [#\w])")
_SIGN_OF_MONTH = re.compile(r"Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec")
_MONTH = re.compile(
    r"(?<=# )(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}\b"
    r"|\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}(?= #)"
)

_QUOTED = re.compile(f"{QUOTED_LOCAL}@")
_DIGITS = re.compile(r"[0-9]+")
_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")
_SEGMENTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")


def response_pattern(reply: str) -> str:
    """Return the pattern of a reply (docs/events.md, section 4), as long as the reply needs: its column takes 200 characters."""
    text = reply[:READ_CHARACTERS]
    if "\n" in text:
        # A server repeats the code on each line (RFC 5321, 4.2.1).
        text = text.replace(f"\n{text[:3]}-", "\n").replace(f"\n{text[:3]} ", "\n")
    text = " ".join(text.split())
    if '"@' in text:
        # There may be spaces in it: it is made one word before the words are looked at.
        text = _QUOTED.sub("q@", text)
    head = HEAD.match(text)
    start = ""
    if head is not None:
        start, text = text[: head.end()], text[head.end() :]
        if start[3:4] != " " or head[1] in text or "#" in start or (head[2] is not None and head[2] in text):
            start, text = _one_line(head, text)
    # Replies of one server differ in their last word, if at all: what stands before it is known.
    phrase, space, last = text.rpartition(" ")
    known = _phrase(phrase) if len(phrase) <= _CACHED_PHRASE_CHARACTERS else _words(phrase)
    pattern = known + space + _replaced_or_known(last)
    if "ueued as " in pattern:
        # The one place that many replies have; most have nothing else behind it.
        return start + (pattern if pattern.endswith("queued as <id>") else _QUEUED_AS.sub("queued as <id>", pattern))
    if start[:1] != "2":
        pattern = _without_names(pattern)
    if ("#:#" in pattern or " 20" in text) and _SIGN_OF_MONTH.search(pattern):
        pattern = _MONTH.sub("<month>", _DAY.sub("<day>", pattern))
    return start + pattern


def _one_line(head: re.Match[str], text: str) -> tuple[str, str]:
    """Return the head and the text as one line has them: a server repeats the code, often the enhanced code, on each line."""
    code, enhanced = head[1], head[2]
    text = text[1:] if text[:1] == "-" else text
    text = text.replace(f" {code}-", " ")
    if enhanced is not None:
        text = text.replace(f" {code} {enhanced} ", " ").replace(f" {enhanced} ", " ")
    text = text if text[:1] in ("", " ") else f" {text}"
    return (code if enhanced is None else f"{code} {enhanced}"), text


def _words(text: str) -> str:
    return " ".join([_replaced_or_known(word) for word in text.split(" ")])


def _replaced_or_known(word: str) -> str:
    if len(word) < 8 and word.isalpha():
        return word
    return _word(word) if len(word) <= _CACHED_CHARACTERS else _replaced(word)


def _replaced(word: str) -> str:
    if word.isalnum() and word.isascii():
        return _replaced_run(word)
    return (_PARTS_AND_KEPT if _may_keep(word) else _PARTS).sub(_name, word)


def _may_keep(word: str) -> bool:
    """Return whether `_KEPT` may find something. Most ids, addresses and hosts are told by their case and dots alone."""
    if word.islower() and word.count(".") < 2 and "_" not in word and "?" not in word:
        return False
    return _SIGN_OF_KEPT.search(word) is not None


def _replaced_run(run: str) -> str:
    """Return what stands for letters and digits alone, without `_PARTS`: ids are most of the words that are new."""
    if _is_id(run):
        return "<id>"
    return _DIGITS.sub("#", run)


def _is_id(run: str) -> bool:
    """Return whether letters and digits are an id: both mixed, 8 hex digits, or letters in a case that no word has."""
    if run.isalpha():
        return len(run) >= 8 and (_HEX_DIGITS.issuperset(run) or _has_odd_case(run))
    return (len(run) >= 5 and not run.isdigit()) or (len(run) >= 8)


def _has_odd_case(run: str) -> bool:
    """Return whether upper and lower case change as in base64: a word, also one of several words, has three letters a change."""
    return not (run.islower() or run.isupper() or run.istitle()) and len(_SEGMENTS.findall(run)) * 3 >= len(run)


# Replies share most of their words. Bounded, and closed to long words: no sender can fill it.
_word = lru_cache(maxsize=4096)(_replaced)
_phrase = lru_cache(maxsize=1024)(_words)


def _name(part: re.Match[str]) -> str:
    kind = part.lastgroup or ""
    if kind == "kept":
        # Orange writes the number of its server into the code.
        return f"OFR{part[0][-4:]}" if part[0][:3].upper() == "OFR" else part[0]
    if kind == "url":
        return _url(part[0])
    return _run(part[0]) if kind == "run" else _NAMES[kind]


def _url(url: str) -> str:
    """Return `<url>`, with the provider's code for the case where the link has it."""
    if "?" in url and any(host in url for host in _CODED_URLS) and (code := _CODE_IN_URL.search(url)):
        return f"<url?{code[1] or code[3]}={code[2] or code[4]}>"
    return "<url>"


def _run(run: str) -> str:
    """Return what stands for letters, digits and the signs of base64: one id, or its parts one by one."""
    pieces = re.split(r"[-_=/+]", run)
    if len(pieces) > 1 and len(run) >= 12 and any(map(_is_id, pieces)):
        is_base64 = "+" in run or run[-1] == "="
        if is_base64 or not any(map(_is_word, pieces)):
            return "<id>"
    return "".join(_replaced_run(piece) if piece.isalnum() else piece for piece in re.split(r"([-_=/+]+)", run))


def _is_word(piece: str) -> bool:
    if _HEX_DIGITS.issuperset(piece):
        return False
    return piece.isalpha() and len(piece) > 2 and not _is_id(piece) and (piece.islower() or piece.istitle())


def _without_names(pattern: str) -> str:
    """Replace what only its place tells to be a name: a HELO name before an address, a person without a domain."""
    if "<ip>" in pattern and "(" in pattern:
        pattern = _HELO.sub("(<host>) ", pattern)
    if '"' in pattern or "'" in pattern:
        pattern = _QUOTED_NAME.sub(r"\1\2 \3<name>\3", pattern)
    if ": " in pattern[:80]:
        pattern = _NAME_FIRST.sub(" <name>: ", pattern)
    return pattern
