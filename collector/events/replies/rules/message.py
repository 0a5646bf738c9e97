"""Rules for replies that blame the message: its links, form, size and content (see `rule.py`)."""

from __future__ import annotations

from typing import Final

from collector.events.model.event import Reason
from collector.events.replies.rules.rule import BOUNCES, GMAIL, GMX, QQ, rule

LISTED_LINK: Final = rule(
    Reason.CONTENT,
    f"{BOUNCES}: a link in the message",
    "550 REJECTED - Blacklisted URL in message. See http://lookup.uribl.com.",
    r"\b(?:uribl|surbl)\b|\b(?:black ?listed|spam|spammy|malicious|phishing|bad|listed|blocked) (?:url|uri|link"
    r"|domain in (?:body|message))s?\b",
    r"\b(?:url|uri|link|domain)s? (?:\(\S+\) )?in (?:this|your|the) (?:e-?)?(?:mail|message|body)|(?:body|message"
    r"|mail) contains (?:an? )?(?:\w+ )?(?:url|uri|link)",
)

VERDICT: Final = rule(
    Reason.CONTENT,
    f"{BOUNCES}: a verdict on the message, with advice on DNS and block lists behind it",
    "550 Your message was classified as SPAM. Make sure that your server has SPF and is on no black list",
    r"^(?:5\.\d+\.\d+ )?(?:your |the |this )?(?:e-?)?(?:mail|message) (?:was|has been|is) (?:classified|identified"
    r"|detected|flagged) as (?:\w+ )?(?:spam|junk|bulk)",
    r"failed (?:\w+ ){0,2}anti-?spam checks|black ?listed (?:\w+ ){0,3}(?:file|attachment|extension)",
)

FORM: Final = rule(
    Reason.CONTENT,
    f"{GMAIL}; {GMX}; RFC 5322: the form of the message",
    "554 Transaction failed: Duplicate header 'DKIM-Signature'.",
    r"(?:duplicate|missing|invalid|bad|malformed|multiple) (?:\w+[: ]){0,2}'?headers?\b|headers? (?:error|are not"
    r"|based\))|too many (?:\w+ ){0,2}(?:x-)?headers|no [\w-]{1,30} field given"
    r"|\b(?:rfc[ -]?#|<id>)[- ](?:complian|standard|specification)|(?:conform|comply|adhere)\w{0,4} (?:to"
    r"|with) (?:the )?(?:rfc|<id>)|missing a valid address in from",
    r"(?:invalid|bad|malformed|wrong|no valid) (?:[\w-]+ ){1,5}in (?:the )?(?:[\w-]+:? )?headers?\b"
    r"|invalid message[- ]id"
    r"|invalid mime|no from: header|(?:multiple|two|several|more than one) from:? |(?:missing|has no|no"
    r"|without an?) (?:date|message-id)\b|not rfc compliant|rfcmessagenoncompliant|mcspamsignature"
    r"|mime/reject|invalid structure"
    r"|(?:mime|header|message) (?:structure|syntax|format) (?:is )?(?:error|invalid|bad)|bare (?:lf|cr|newline"
    r"|line ?feed)|base64 encoding|mime complexity",
)

SIZE: Final = rule(
    Reason.SIZE,
    f"{GMAIL} (5.3.4); RFC 1870",
    "552 5.2.3 Recipient address rejected: Message length exceeds administrative limit.",
    r"message (?:\w+ ){0,3}(?:too (?:large|big|long)|size)|size (?:[\w#()]+ ){0,6}(?:exceed|limit|too)|too (?:large"
    r"|big)\b",
    r"exceeds? (?:\w+ ){0,4}size|exceeded mailsize|(?:message|line|header) (?:length|limit) (?:\w+ )?exceed"
    r"|line limit exceeded|message length",
    r"larger than|(?:max(?:imum)?|allowed) (?:message |mail |e-?mail )?size|too much mail data"
    r"|слишком больш\w+ (?:размер|письмо|сообщ)|размер (?:\w+ )?превыша|(?:邮件|郵件|附件)(?:太大|过大|過大)"
    r"|taille (?:limite )?du message|zu gro[sß]|trop (?:gros|grand|volumineux|lourd)|troppo grande|demasiado grande"
    r"|muito grande|za du[zż]|te groot|大きすぎ|attachment (?:is )?too long|mail (?:is )?too long",
    r"ta(?:ma[nñ]o|manho)\b.{0,30}(?:exced|m[aá]xim|limit)|dimensione\b.{0,30}(?:supera|massim|limit)"
    r"|gr[oö](?:ss|ß)e .{0,30}[uü]berschr|excede .{0,12}ta(?:ma[nñ]o|manho)|supera .{0,12}dimensione"
    r"|exceeds? (?:\w+ ){0,3}(?:#|<id>) ?(?:[kmg]i?b|bytes)\b|at most (?:#|<id>) ?(?:[kmg]i?b|bytes)\b"
    r"|maximum (?:of |is )?(?:#|<id>) ?(?:[kmg]i?b|bytes)\b",
)

CONTENT: Final = rule(
    Reason.CONTENT,
    f"{BOUNCES}; {GMAIL}; {QQ}",
    "550 5.7.1 Our system has detected that this message is likely unsolicited mail.",
    r"\bspam(?:ming|assassin|profiler|my)?\b|antispam|unsolicited|\bvirus\b|malware|phish|infected|trojan"
    r"|mail content|banned content",
    r"\bcontent (?:\w+ )?(?:denied|rejected|blocked|violat|presents|filter)|(?:illegal|prohibited|blocked|banned"
    r"|dangerous|forbidden) (?:attachment|file|extension)",
    r"\bspam(?:verdacht|filter|mail)|reject, id=\S+ - (?:banned|infected|spam|bad[-_ ]?header)"
    r"|banned (?:attachment|file)"
    r"|ind[eé]sirable|pourriel|(?:correo|mensaje) no deseado|indesiderat|unerw[uü]nschte",
    r"\bспам|нежелательн|вирус|垃圾邮件|垃圾郵件|病毒|迷惑メール|スパム|ウイルス|스팸|바이러스",
    r"suspicious|junk|message (?:was |has been |is )?(?:classified|identified|detected|filtered)|security issue"
    r"|bulk (?:e-?)?mail|bulk\.advertising"
    r"|mass mail|(?:blocked|rejected) by (?:our|the) (?:\w+ )?filter|(?<!<)\burl\b(?!>).{0,20}\bfilter"
    r"|high[- ]probability|recurrent pattern",
)
