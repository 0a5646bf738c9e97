"""Makes `response_pattern`: a reply with its variable parts replaced, so that a new kind of reply is a new pattern."""

from __future__ import annotations

import re
from functools import lru_cache

from collector.events.addresses import IN_DOMAIN, IN_LOCAL, QUOTED_LOCAL
from collector.events.replies.status_codes import HEAD

PATTERN_CHARACTERS = 200
READ_CHARACTERS = 2000
"""Only these first characters of a reply are read, so that the work is limited."""

_CACHED_CHARACTERS = 64
_CACHED_PHRASE_CHARACTERS = 256
_OF_HEAD = frozenset(" -")
"""The characters between a code and an enhanced code."""

_HEX = "[0-9A-Fa-f]{1,4}"
_COLONS_OF_IPV6 = 7
_LETTERS = "A-Za-z0-9_"
"""The ASCII characters of `IN_LOCAL` and `IN_DOMAIN`."""

_CAMEL = "[A-Z][A-Za-z]{3,40}"

# Words of a server that stay in the pattern, because they distinguish kinds of replies. Closed sets, case-sensitive.
_KEPT = rf"""
    (?-i: (?=[ACHMPRSTQBOI<]) (?:
        (?<![\w.]) (?:RESOLVER\.[A-Z]{{3}}|STOREDRV|SMTPSEND|TRANSPORT(?:\.RULES)?|ROUTING|APPROVAL|QUEUE|CAT|ORAR)
            (?:\.{_CAMEL}){{1,4}}+ (?!\.?\w)
      | (?<=Exception:) (?:[A-Z][A-Za-z]{{2,60}}Exception[A-Za-z]{{0,60}})
        (?:\.MapiException[A-Za-z]{{1,60}})?+ (?![\w.])
      | (?<![\w.]) MCSpamSignature (?=[.\w])
      | (?<=[\[(]) (?:TSS?|BL|PH|AU|CS|HM|IPTS)[0-9]{{2}} (?=[\])]) | (?<=\[) HME[0-9] (?=\])
      | (?<=\() (?:S[0-9]{{3,4}}|AS[0-9]{{3,9}}) (?=\)) | \bIPTS[0-9]{{2}}\b
      | <url\?[cp]=[A-Za-z0-9]{{1,40}}>
    ) )
  | \b (?: (?i:OFR)[0-9]{{0,3}} | LPN[0-9A]{{0,3}} )_[0-9]{{3}} \b | \b XGEMAIL_[0-9]{{4}} \b
  | (?<![0-9.]) [245]\.[0-7]\.[0-9]{{1,3}} (?![0-9]|\.[0-9])
"""

# Every word that matches `_KEPT` has one of these signs, and few other words have.
_DOTTED_SIGN = re.compile(r"[245A-Z]\.(?:(?<=[A-Z]\.)[A-Z]|(?<=[245]\.)(?<![0-9.]..)[0-7]\.[0-9])", re.ASCII)
_BRACKETED_SIGN = re.compile(r"[\[(][A-Z]{1,4}[0-9]{1,9}[\])]", re.ASCII)


def _address(*, is_ascii: bool) -> str:
    """Return the pattern of an address."""
    local, domain = (_LETTERS, _LETTERS) if is_ascii else (IN_LOCAL, IN_DOMAIN)
    local = rf"[{local}.!\#$%&'*+/=?^`{{|}}~-]"
    return rf"(?<!{local}) {local}++ @ (?: \[ [^\s\]]* \] | [{domain}-]++ (?:\.[{domain}-]++)*+ )"


def _compiled(*left_out: str, is_ascii: bool = True) -> re.Pattern[str]:
    """Return the pattern of the parts of a word. At each position they are tried in this order.

    Every part starts at the border of a run (the look-behinds) and does not backtrack (`++`), so that the time is
    linear in the word.
    """
    domain = _LETTERS if is_ascii else IN_DOMAIN
    parts = {
        "kept": _KEPT,
        "url": r"""(?<![A-Za-z0-9]) (?i:https?|ftp):// [^\s<>"]* [^\s<>".,;:!?)\]}']""",
        "addr": _address(is_ascii=is_ascii),
        "ip": r"(?<![\w.]) (?:[0-9]{1,3}\.){3} [0-9]{1,3} (?!\w|\.\w)",
        "ipv6": rf"""(?<![\w:.]) (?: (?:{_HEX}:){{7}} {_HEX}
                                  | {_HEX} (?::{_HEX}){{0,6}} :: (?: {_HEX} (?::{_HEX}){{0,6}} )?
                                  | :: {_HEX} (?::{_HEX}){{0,6}} ) (?:\.[0-9]{{1,3}}){{0,3}} (?![\w:])""",
        "host": rf"(?<![{domain}.-]) (?=[0-9._-]*+[^\W0-9_]) [{domain}-]++ (?:\.[{domain}-]++)++",
        "id": r"(?<=\b(?i:id)=) [^\s<>;,()\[\]]++",
        "run": r"(?<![A-Za-z0-9+/=_-]) (?![A-Za-z]{1,12}=) [A-Za-z0-9+/] [A-Za-z0-9+/=_-]{3,}+",
        "digits": r"(?: (?<=\[)-? (?=[0-9]) )? [0-9]++",
    }
    text = " | ".join(f"(?P<{name}> {part} )" for name, part in parts.items() if name not in left_out)
    return re.compile(text, re.VERBOSE if is_ascii else re.VERBOSE | re.IGNORECASE)


_PARTS = _compiled("kept", is_ascii=False)
_PARTS_AND_KEPT = _compiled(is_ascii=False)
# Most words are ASCII, and lack the signs that most parts need. A search for fewer parts among fewer characters takes a
# fraction of the time.
_ASCII_PARTS = _compiled("kept")
_ASCII_PARTS_AND_KEPT = _compiled()
_PARTS_WITH_DOTS = _compiled("kept", "url", "addr", "ipv6")
_PARTS_WITHOUT_DOTS = _compiled("kept", "url", "addr", "ip", "ipv6", "host")
_ONE_ADDRESS = re.compile(f"<? ( {_address(is_ascii=True)} ) >? [:;,.]*", re.VERBOSE)

_NAMES = {"addr": "<addr>", "ip": "<ip>", "ipv6": "<ip>", "host": "<host>", "id": "<id>", "digits": "#"}

_CODE_IN_URL = re.compile(r"[?&](?:(c)=([a-z0-9]{1,16})|(p)=([A-Za-z]{3,40}))(?![A-Za-z0-9])")
_CODED_URLS = ("postmaster.gmx.", "postmaster.web.de", "postmaster.mail.com", "support.google.com", "support.gmail.com")

_QUEUED_AS = re.compile(r"\bqueued as (?!<(?:url|addr|ip|host)>)[^\s;,()\[\]]*[^\s;,()\[\].]", re.IGNORECASE)

# Names of servers and of people without a domain, and dates. They are looked for only if the text has a sign of them.
_HELO = re.compile(r"\((?:helo=)?(?:<\w+>|[^()<>\s]{1,255})\) (?=\[?<ip>)", re.IGNORECASE)
_QUOTED_NAME = re.compile(
    r"\b(user|recipient|mailbox|account|login|address|alias)( name)?:? ([\"'])(?:<(?:host|id)>|[^\"'<>]{1,64})\3",
    re.IGNORECASE,
)
_NAME_FIRST = re.compile(
    r"[ -]?(?:<(?:host|id|name)>|[^\s:<>]{1,64}): (?=(?:recipient|user|mailbox|account|no such|unknown)\b)",
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
_SIGNS = re.compile(r"[-_=/+]")
_BETWEEN_SIGNS = re.compile(r"[^-_=/+]+")
_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")
_SEGMENTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")


def response_pattern(reply: str) -> str:
    """Return the pattern of a reply (docs/events.md, section 4). It is not cut yet: the column takes 200 characters."""
    text = reply[:READ_CHARACTERS]
    if "\n" in text:
        # A server repeats the code on each line (RFC 5321, 4.2.1).
        text = text.replace(f"\n{text[:3]}-", "\n").replace(f"\n{text[:3]} ", "\n")
    text = " ".join(text.split())
    if "@" in text and '"@' in text:
        # A local part in quotes may hold spaces, so it becomes one word before the text is split into words.
        text = _QUOTED.sub("q@", text)
    # Replies of one server usually differ only in their last word, so the text before it is often in the cache.
    phrase, _, last = text.rpartition(" ")
    if len(phrase) <= _CACHED_PHRASE_CHARACTERS and last[3:4] != "-" and not _OF_HEAD.issuperset(phrase[3:]):
        ending = _replaced_or_known(last)
        is_year = ending == "#" and last[:2] == "20"
        return (_known if len(ending) <= _CACHED_CHARACTERS else _pattern)(phrase, ending, is_year)
    start, text = _one_line(text)
    phrase, space, last = text.rpartition(" ")
    return start + _finished(start, _replaced_words(phrase) + space + _replaced_or_known(last), text)


def _pattern(phrase: str, ending: str, is_year: bool) -> str:  # noqa: FBT001  # a part of a cache's key
    """Return the pattern of a phrase that has the whole head, and of one more word, which is replaced already."""
    start, text = _one_line(f"{phrase} ")
    text = text[:-1]
    return start + _finished(start, f"{_replaced_words(text)} {ending}", f"{text} 20" if is_year else text)


def _one_line(text: str) -> tuple[str, str]:
    """Return the head and the rest of a reply as one line. A server repeats the code, and often the enhanced code, on
    each line.
    """
    head = HEAD.match(text)
    if head is None:
        return "", text
    code, enhanced = head.groups()
    text = text[head.end() :]
    if text[:1] == "-":
        text = text[1:] if text[1:2] in ("", " ") else f" {text[1:]}"
    if code in text:
        text = text.replace(f" {code}-", " ")
    if enhanced is None:
        return code, text
    if enhanced in text:
        text = text.replace(f" {code} {enhanced} ", " ").replace(f" {enhanced} ", " ")
    return f"{code} {enhanced}", text


def _finished(start: str, pattern: str, text: str) -> str:
    """Replace the variable parts that only several words together show. `text` is the text of the pattern."""
    if "ueued as " in pattern:
        return _QUEUED_AS.sub("queued as <id>", pattern)
    if start[:1] != "2":
        pattern = _without_names(pattern)
    if ("#:#" in pattern or " 20" in text) and _SIGN_OF_MONTH.search(pattern):
        pattern = _MONTH.sub("<month>", _DAY.sub("<day>", pattern))
    return pattern


def _replaced_words(text: str) -> str:
    return " ".join([_replaced_or_known(word) for word in text.split(" ")])


def _replaced_or_known(word: str) -> str:
    size = len(word)
    if word.isalpha():
        if size < 8:
            return word
    elif size > 4 and word.isalnum() and word.isascii() and _is_id(word):
        # An id comes once, so it is not cached.
        return "<id>"
    return _word(word) if size <= _CACHED_CHARACTERS else _replaced(word)


def _replaced(word: str) -> str:
    if not word.isascii():
        return (_PARTS_AND_KEPT if _may_keep(word) else _PARTS).sub(_name, word)
    if word.isalnum():
        return _replaced_run(word)
    if _may_keep(word):
        return _ASCII_PARTS_AND_KEPT.sub(_name, word)
    if "@" in word:
        address = _ONE_ADDRESS.fullmatch(word)
        if address is not None:
            return f"{word[: address.start(1)]}<addr>{word[address.end(1) :]}"
    elif ":" not in word or ("::" not in word and "://" not in word and word.count(":") < _COLONS_OF_IPV6):
        return (_PARTS_WITH_DOTS if "." in word else _PARTS_WITHOUT_DOTS).sub(_name, word)
    return _ASCII_PARTS.sub(_name, word)


def _may_keep(word: str) -> bool:
    """Return True if `_KEPT` may match. False for most ids, addresses and hosts."""
    if word.islower():
        return "_" in word or "<url" in word or (word.count(".") > 1 and _DOTTED_SIGN.search(word) is not None)
    if "." in word and _DOTTED_SIGN.search(word):
        return True
    if ("(" in word or "[" in word) and _BRACKETED_SIGN.search(word):
        return True
    return "_" in word or "<url" in word or "IPTS" in word or "tion:" in word or "MCSpam" in word


def _replaced_run(run: str) -> str:
    """Return the replacement of a word of letters and digits, without `_PARTS`. Most new words are ids."""
    if _is_id(run):
        return "<id>"
    return _DIGITS.sub("#", run)


def _is_id(run: str) -> bool:
    """Return True if letters and digits are an id: both mixed, 8 hex digits, or letters in a case that no word has."""
    if run.isalpha():
        return len(run) >= 8 and (_HEX_DIGITS.issuperset(run) or _has_odd_case(run))
    return (len(run) >= 5 and not run.isdigit()) or (len(run) >= 8)


def _has_odd_case(run: str) -> bool:
    """Return True if upper and lower case change as in base64. Words, also joined ones, have at least three letters
    between changes.
    """
    return not (run.islower() or run.isupper() or run.istitle()) and len(_SEGMENTS.findall(run)) * 3 >= len(run)


# Replies share most of their words. The caches are bounded and take no long words, so that no sender can fill them.
_word = lru_cache(maxsize=4096)(_replaced)
_known = lru_cache(maxsize=1024)(_pattern)


def _name(part: re.Match[str]) -> str:
    kind = part.lastgroup or ""
    if kind in _NAMES:
        return _NAMES[kind]
    if kind == "run":
        return _run(part[0])
    if kind == "url":
        return _url(part[0])
    # Orange and La Poste write the number of their server into the code.
    name = part[0][:3].upper()
    return f"{name}{part[0][-4:]}" if name in {"OFR", "LPN"} else part[0]


def _url(url: str) -> str:
    """Return `<url>`, with the provider's code if the link has one."""
    if "?" in url and any(host in url for host in _CODED_URLS) and (code := _CODE_IN_URL.search(url)):
        return f"<url?{code[1] or code[3]}={code[2] or code[4]}>"
    return "<url>"


def _run(run: str) -> str:
    """Return the replacement of letters, digits and the signs of base64: one id, or its parts one by one."""
    if run.isalnum():
        return _replaced_run(run)
    pieces = _SIGNS.split(run)
    if len(pieces) > 1 and len(run) >= 12 and any(map(_is_id, pieces)):
        is_base64 = "+" in run or run[-1] == "="
        if is_base64 or not any(map(_is_word, pieces)):
            return "<id>"
    return _BETWEEN_SIGNS.sub(_piece, run)


def _piece(piece: re.Match[str]) -> str:
    return _replaced_run(piece[0])


def _is_word(piece: str) -> bool:
    if _HEX_DIGITS.issuperset(piece):
        return False
    return piece.isalpha() and len(piece) > 2 and not _is_id(piece) and (piece.islower() or piece.istitle())


def _without_names(pattern: str) -> str:
    """Replace names that only their position shows: a HELO name before an address, a person without a domain."""
    if "<ip>" in pattern and "(" in pattern:
        pattern = _HELO.sub("(<host>) ", pattern)
    if ' "' in pattern or " '" in pattern:
        pattern = _QUOTED_NAME.sub(r"\1\2 \3<name>\3", pattern)
    if ": " in pattern[:80] and (first := _NAME_FIRST.match(pattern)):
        pattern = f" <name>: {pattern[first.end() :]}"
    return pattern
