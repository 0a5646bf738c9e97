"""Rules for replies that blame the sender: address, HELO, relaying, reputation, rates, authentication."""

from __future__ import annotations

from typing import Final

from collector.events.model.event import Reason
from collector.events.replies.rules.rule import (
    BOUNCES,
    COMCAST,
    EXCHANGE,
    EXIM,
    GMAIL,
    GMX,
    MIMECAST,
    NEAR,
    POSTFIX,
    QQ,
    SENDMAIL,
    TONLINE,
    TREND,
    rule,
)

_SENDER: Final = (
    r"(?:send(?:er|ing)s?(?:'s)?\b(?! list|,)|mail ?from\b|(?:return|reverse|bounce)[- ]?(?:path|address)\b"
    r"|reply(?:-to| address)\b(?! header)|author\b|envelope[- ](?:from|sender)\b"
    r"|from:? <"
    r"|from: |originat(?:or|ing (?:address|domain))\b|from (?:address|header|domain)\b"
    r"|your (?:own )?(?:ip (?:or|and) )?(?:\w+ )?(?:account|domain"
    r"|address|mail ?box|host(?: ?name)?)\b|(?:connecting|remote) (?:client|host(?: ?name| has))\b|[eé]metteur\b"
    r"|exp[eé]diteur\b|absender\w{0,8}\b|mittente\b|remitente\b"
    r"|remetente\b"
    r"|nadawc[ay]\b|afzender\w{0,5}\b|отправител|avs[aä]ndar\w{0,4}\b|afsender\w{0,3}\b|avsender\w{0,3}\b"
    r"|l[aä]hett[aä]j|odes[ií]latel|felad[oó]|g[oö]nderen|expeditor|αποστολ|发件人|發件人|寄件人|送信者|送信元|差出人"
    r"|발신자|보낸|client host\b|you are\b(?! (?:trying|attempting)\b)"
    r"|votre (?:\w+ )?(?:compte|domaine|adresse|serveur|h[oô]te|ip)\b"
    r"|ihre?[rsnm]? (?:[\w-]+ )?(?:e-?mail-?)?(?:adresse"
    r"|konto|domain|server|host ?name|ip)\b"
    r"|(?:su|tu|vuestr[oa]) (?:\w+ )?(?:cuenta|dominio|direcci[oó]n|servidor|ip)\b|(?:sua|seu"
    r"|vossa?) (?:\w+ )?(?:conta"
    r"|dom[ií]nio|endere[cç]o|servidor|ip)\b"
    r"|(?:vostr[oa]|tu[oa]|su[oa]) (?:\w+ )?(?:account|dominio|indirizzo|server|ip)\b"
    r"|uw (?:[\w-]+ )?(?:account|domein"
    r"|e-?mail-?adres|adres|server|ip)\b"
    r"|(?:tw[oó]j[ae]?|pa[nń]stwa) (?:\w+ )?(?:konto|domena|adres|serwer|ip)\b"
    r"|ваш\w{0,3} (?:\w+ )?(?:аккаунт|домен|адрес"
    r"|сервер|ящик|почтов))"
)
"""Words for the sender of a message, in the languages of the rules, for a place behind no letter. Each begins with its
letters, because a search passes those faster than a `\\b`.
"""

_IS_AT_FAULT: Final = (
    r"(?:reject|refus|not an? (?:valid|known|registered|authori[sz]ed|local)|den(?:ied|y)|invalid|unknown"
    r"|blocked|banned|disabled|suspended|locked|forged|missing|required"
    r"|empty|fail"
    r"|not (?:exist|found|valid|allowed|verified|authori[sz]ed|permitted|accepted|local|listed|registered|known"
    r"|recogni[sz]ed|owned|pre-approved)"
    r"|does(?: not|n't)|resolv|verif|unrout|undeliver|null mx|no (?:valid )?(?:mx|a record|dns)|fully-qualified"
    r"|must (?:exist|be valid|have)|no longer|not (?:one|any) of|closed|expired|non-?exist|no such|compromis"
    r"|in prisi?on|has (?:no|neither) (?:valid )?(?:an? )?(?:a"
    r"|aaaa|mx)\b"
    r"|has sent|exceeded"
    r"|inconnu|n'existe|invalide|unbekannt|existiert nicht|ung[uü]ltig|abgelehnt|sconosciut|inesistente"
    r"|non (?:esiste|valid)"
    r"|desconoc|inexistente|no existe|inv[aá]lid|desconhec|n[aã]o existe|rejeitad|rechazad|rejet|rifiutat|odrzucon"
    r"|gesperrt|deaktiviert|nicht (?:gefunden|bekannt|erlaubt|g[uü]ltig)|d[eé]sactiv|bloqu|introuvable"
    r"|disab?ilitat|disattivat"
    r"|non trovat|desactivad|desativad|no encontrad|n[aã]o encontrad|geblokkeerd|niet gevonden|zablokowan|nieaktywn"
    r"|заблокирован|отключ[её]н|ok[aä]nd|ukendt|ukjent|finns inte|findes ikke|finnes ikke|tuntematon|ei (?:ole"
    r"|l[oö]ydy)"
    r"|nezn[aá]m|neexistuj|ismeretlen|nem l[eé]tezik|bulunamad|bilinm|ge[cç]ersiz|necunoscut|nu exist|άγνωστ"
    r"|δεν υπάρχει"
    r"|不存在|无效|無效|存在しま|無効|不明|拒绝|拒否|존재하지"
    r"|nieznan|nie istnieje|onbekend|bestaat niet|geweigerd|не (?:найден|существует)|неизвест|отклон)"
)

_BLAMED: Final = (
    r"(?:unrout|invalid|bad|unknown|unverified|unauthori[sz]ed|undeliver|unresolv|forged|fake|bogus|domain of"
    r"|verify the|for your|required for|needed for|missing for|without a valid"
    r"|inconnue?|unbekannte|ung[uü]ltige|nieznany|неизвестн|неверн|nezn[aá]m|ukendt|ukjent|ok[aä]nd"
    r"|registered as|not a valid"
    r"|permissions? to send as|tuntematon|ismeretlen|άγνωστος) ?\w{0,6} (?:\S++ )?"
)
"""Words before one for the sender, which blame it."""

_NO_DOMAIN: Final = r"(?:no (?:valid )?mx|domain not found|domain does not exist|unresolvable|unknown host)"

CALLED_BACK: Final = rule(
    Reason.POLICY,
    f"{EXIM}: the sender's address is called back",
    "550-Verification failed for <a@b.example>\r\n550 Sender verify failed",
    r"verification failed for|sender verif(?:y|ication) (?:failed|error)|sender callout"
    r"|callback (?:verification )?(?:failed|setup)",
    r"(?:could ?n[o']t|cannot|can't|unable to) (?:deliver mail to|verify) (?:the )?(?:<addr>|sender|envelope from)",
)

SENDER: Final = rule(
    Reason.POLICY,
    f"{SENDMAIL}; {POSTFIX}; {EXIM}: the sender's address or HELO, not the recipient's",
    "553 5.1.8 <a@b.example>... Domain of sender address a@b.example does not exist",
    # From the start of a word only, so that most positions cost one look-behind.
    rf"(?<![a-z])(?:{_SENDER}{NEAR}{_IS_AT_FAULT}|{_BLAMED}{_SENDER}"
    rf"|{_NO_DOMAIN}[^.;]{{0,24}}\b(?:for|in|of|from) (?:the )?(?:{_SENDER}|greeting|origin))",
    r"(?<!\()\b(?:helo|ehlo)\b|sendasdenied|\bin (?:the )?mail (?:from|command)\b|legitimate bounces"
    r"|multi-recipient bounce|invalid dns mx|mx records? (?:for|of) \S{1,80} violat"
    r"|does not meet .{0,30}sender|email address is not verified"
    r"|invalid domain name\b",
    r"^(?:5\.1\.0 )?\S+ <host> does not exist (?:<id>|e#)|^<?<host>>? (?:does(?: not|n't) exist|is invalid or dns)"
    r"|^(?!5\.(?:1\.[236]|4\.4) )(?:5\.\d+\.\d+ )?(?:<id> )?(?:dominio non valido / )?invalid domain\b"
    r"(?! (?:in|of|for) (?:the )?(?:rec|rcpt|dest))"
    r"|domain may not exist or dns check|\boutgoing e?-?mail (?:\w+ )?(?:disabled|suspen|blocked)|batv|backscatter"
    r"|unsigned dsn|mail from not owned"
    r"|\bdsns?\b .{0,20}not accepted|\b(?:dsns?|bounces?) (?:to|for)\b .{0,40}(?:not accepted|refused|rejected)",
    r"\be-?mail from (?:this|your) (?:\w+ ){0,2}(?:is )?(?:not|denied|refused|rejected|blocked)",
)

RELAYING: Final = rule(
    Reason.POLICY,
    f"{SENDMAIL}; {EXCHANGE}; {EXIM}: relaying, or a closed group",
    "550 5.7.1 Relaying denied",
    r"relay(?:ing)?(?: access)?,? (?:(?!recipient)\S+ ){0,4}(?:denied|not|disallowed|prohibited|rejected|refused"
    r"|forbidden|disabled)\b",
    r"(?:not|n't|no|unable|refus\w{2,4}|denied) (?:\w+ ){0,3}(?:to|for) relay|to relay through|as a relay"
    r"|open relay|third[- ]party relay"
    r"|(?:do|does|will|can)(?: not|n't|not) relay(?! *\.? *$)|\bwe do(?: not|n't) relay"
    r"|^(?:5\.\d+\.\d+ )?(?:no relay|relaying\b)",
    r"rcpthosts|resolver\.rst|senderno?t?authenticated|delivery restriction|smtp authentication (?:turned|in your"
    r"|required)",
    r"authentication (?:is )?required(?:; delivery| for relay)?|(?:must|please|need to) (?:first )?(?:authenticate"
    r"|log ?in|check your mail)"
    r"|turn on smtp auth|before (?:sending|smtp)|pop before smtp|client was not authenticated"
    r"|requires (?:smtp )?authentication|only (?:from|by) authenticated|restricted to (?:internal|local)|to be relayed"
    r"|(?:check|use) your smtp server",
    r"transport\.rules|allowed-senders|please use the smtp server|not (?:a |local |hosted )?(?:gateway"
    r"|domain here)\b|don't handle mail for",
    r"(?:members?|subscribers?)[- ]only|non-?members?|(?:not|must be) (?:a )?(?:subscribed|member)"
    r"|only (?:\w+ )?(?:members|subscribers)\b|non-subscriber|list is closed|group is closed"
    r"|private (?:mailing )?list|closed (?:mailing )?list"
    r"|not allowed to (?:post|send)",
)

REPUTATION: Final = rule(
    Reason.REPUTATION,
    f"{BOUNCES}; {GMAIL}",
    "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org",
    r"reputation|black ?-?list|block ?-?list|deny ?-?list|\b(?:dns|rhs)?r?[rb]ls?\b|aup#\w{0,4}bl\b|dnsbl"
    r"|user complaints|banned send"
    r"|spammer|open proxy",
    r"blocked (?:using|by) (?:<host>|<id>|spamhaus|trend|ivm|cloudmark|\w+(?:rbl|bl|sip))"
    r"|(?<!not )\blisted (?:at|in|on|by"
    r"|due)\b|(?<!not )\blisted as\b|due to listing|found in <host>",
    r"originating from your (?:ip|netblock)(?=.{0,200}block)|blocked for (?:spam|abuse)|too much spam"
    r"|too many (?:unwanted"
    r"|spams?\b)|currently sending spam",
    r"permanently deferred|too many (?:invalid|unknown|bad|non-?exist[ae]nt"
    r"|unrecogni[sz]ed) (?:rcpt to )?(?:recipients|users|addresses)"
    r"|abus d[eé]tect|sent from a compromised"
    r"|directory harvest|dictionary attack",
    r"sperrliste|schwarze[rn]? liste|listes? noires?|listas? negras?|lista nera|zwarte lijst|czarn\w+ li[sś]\w+"
    r"|ч[её]рн\w+ списк|黑名单|黑名單|ブラックリスト|블랙리스트",
)

_IP_NOUN: Final = (
    r"(?:\bip[- ](?:address|adresse|adres|адрес\w{0,3})|\b(?:adresse|direcci[oó]n|indirizzo|endere[cç]o|adres) ip)\b"
)
"""The sender's IP address, in the languages that have "address" among the nouns for a recipient."""

BAD_ADDRESS: Final = rule(
    Reason.REPUTATION,
    f"{COMCAST}; {QQ}; {TONLINE}",
    "550 extreme bad ip profile",
    r"\bblock for spam|bad ip profile|spam ips?\b|(?:dynamic|zombied?|residential"
    r"|dial-?up)[-/ ]{1,3}(?:\w+[-/ ]{1,3}){0,2}ips?\b|dynamic(?:-| ip)",
    r"\bspam (?:ip|sender|source|network)s?\b|spam-emitting|dynamically assigned|\bip in prisi?on|(?:<ip>"
    r"|\[<ip>\]) (?:is |was |has been )?blocked\b"
    r"|not (?:\w+ )?accept(?:ing)? (?:e?-?mail|connections|messages) from (?:your"
    r"|this) (?:ip|server|host|network)",
    r"(?:your|this|sender|sending|source) (?:ip|server|host|network)(?: address)?:? (?:\(?\[?<ip>\]?\)? )?(?:(?:is"
    r"|has|have|was|been|temporarily"
    r"|permanently|currently) ){0,4}(?:block|ban(?:ned|ni)|denied|rejected|refused|blocked|listed|suspicious)",
    r"(?:access|connection) (?:\w+ ){0,2}(?:denied|forbidden|refused|rejected) (?:\w+ ){0,2}(?:from|by|for) (?:your"
    r"|this) (?:ip|network)|server access forbidden by your ip",
    r"bloqu[eé]e? pour incident de spam|ip=<ip> - a problem occurred|ask your postmaster for help or to contact"
    r"|no access from mail server",
    r"\bip (?:address )?(?:<ip> )?(?:is |has been )?(?:block(?:ed)?|banned|banni)"
    r"|(?<!from )\bip ?(?:\(<ip>\) )?is (?:rejected|forbidden|filtered|hang-?up)\b"
    rf"|{_IP_NOUN} (?:\S++ ){{0,5}}(?:\w{{0,2}}(?:block|blokk|blok[eo]|bloqu|blocc)|gesperrt|bann|lock|suspend|заблок"
    r"|запрещ)|\bip[^.;,，。]{0,12}(?:封|禁止|拒)|(?:you are|source of"
    r"|sources of) (?:sending |known )?spam",
)

AUTHENTICATION: Final = rule(
    Reason.AUTHENTICATION,
    f"{GMAIL}; RFC 7372; RFC 1912 (2.1)",
    "421 4.7.0 The IP address sending this message does not have a PTR record",
    r"\b(?:dmarc|spf|dkim)\b|domainkeys?\b|sender policy framework|unauthenticated (?:e?mail|message|sender)"
    r"|is unauthenticated|required authentication level",
    r"reverse[- ]?(?:dns|hostname|host name|lookup|mapping|name|entry|resolution|record)|\br-?dns\b|\bptr\b"
    r"|cannot find your (?:reverse )?(?:host|name)",
    r"ip name lookup failed|forward(?:ed)? (?:dns|confirmed|reverse)|unverifi?y?able sending|unverifiable sending"
    r"|invalid ip for sending",
    r"mismatch(?:es)? client ip|(?:domain|address) .{0,40}mismatches client|purported responsible"
    r"|no matches to nameserver query"
    r"|unresolvable relay host|client host rejected: may not be|\bip (?:address )?(?:must|does not|doesn't) resolve"
    r"|<ip> is not allowed to send (?:e?-?mail )?from|possibly forged|forged (?:host|name|dns)"
    r"|align(?:ed|ment)\b|\bip (?:address )?does(?: not|n't) match (?:its|the) name",
)

RATE_LIMITED: Final = rule(
    Reason.RATE_LIMITED,
    f"{BOUNCES}; {GMAIL}; {POSTFIX}; smtp-field-manual",
    "450 4.7.1 Error: too much mail from 192.0.2.1",
    r"too many (?:\w+ ){0,3}(?:connections|sessions|mails|emails|login|concurrent|recipients this|messages (?:from"
    r"|in|per|to|for|sent)|smtp)",
    r"too many (?:recent|outgoing|sent) |too many requests|connections # exceed|[cç]ok fazla"
    r"|(?<!has )too many messages(?= *$|[,;])|too (?:quickly|fast|frequent)"
    r"|too much (?:e?-?mail|traffic)(?! data)",
    r"too many (?:recipients|messages|errors) from|(?:sent|sending|send) (?:\w+ ){0,2}too (?:many|much)"
    r"|at a rate that|unusual rate",
    r"rate ?-?limit|rate (?:exceeded|control)|throttl|slow(?:ing)? down|(?:again|try) slower|flood",
    r"(?:connection|session|send|sending|relay|hourly|daily|thread|receive|message rate)s? (?:\w+ )?(?:limit|quota)"
    r"|\be?-?mails? (?:send(?:ing)? )?limit\b",
    r"max(?:imum)? (?:allowed )?(?:number of )?(?:\w+ ){0,2}(?:connections?|sessions|messages? per|emails per"
    r"|mails per|concurrent)|organization queue quota",
    r"excessive (?:volume|number of connections)|unexpected volume|(?:frequency|connections?) limited|(?:exceeded"
    r"|over|exceeds?) (?:the |their |its |your )?(?:rate|sending|messaging|max(?:imum)? emails)",
    r"(?:incoming|outgoing|inbound|outbound|daily|hourly) (?:(?!size)\w+ ){0,2}(?:limit|cap)\b"
    r"|limit of # (?:\w+ )?(?:e?-?mails|messages|recipients|connections)",
    r"limit for the number of messages|(?:messages|emails|mails|recipients) (?:\w+ )?(?:per|this|an"
    r"|in the last) (?:hour|day|minute|connection)",
    r"trop de connexions|zu viele (?:verbindungen|nachrichten|mails)|troppe connessioni|demasiad[oa]s (?:conexiones"
    r"|mensajes)|muitas conex",
    r"mailbox unavailable or access denied|(?:tenant|account|domain) has exceeded (?:its |the )?(?:\w+ )?threshold",
    r"频率|頻率|过于频繁|過於頻繁|发送过多|слишком (?:много|часто)|превышен\w{0,3} (?:лимит|количеств|числ)|zbyt wiele"
    r"|troppi messaggi|trop de messages|te veel berichten|muitas mensagens",
)

NAMED_POLICY: Final = rule(
    Reason.POLICY,
    f"{MIMECAST}; {TREND}; {GMX}",
    "550-Requested action not taken: mailbox unavailable Reject due to policy restrictions.",
    r"anti-?spoofing|spoof(?:ed|ing)|policy (?:\w+ )?(?:reasons?|restrictions?|violation|error|rejection)|policy: "
    r"|mailpolicy|restricted by policy",
    r"delivery failure policy|no-domain\b|rejected by (?:the )?(?:recipient|destination)"
    r"|administrative prohibition(?!:)"
    r"|recipient address rejected: blocked|one or more recipients \(<addr>:blocked|organi[sz]ational settings",
    r"(?:not|n't) accept(?:ing)? (?:any )?(?:e?-?mails?|messages) from\b|badmailfrom",
    r"you (?:cannot|can't|can not|may not|are not (?:allowed|permitted|authori[sz]ed) to) send|rule imposed"
    r"|from (?:the )?outside\b|for (?:the )?outside\b"
    r"|external (?:senders|e?-?mails?)\b|from strangers|send-only\b"
    r"|local users? only|no smtp mx only|outboundspamexception",
)

RECIPIENTS_LIST: Final = rule(
    Reason.POLICY,
    f"{BOUNCES}; {MIMECAST}: the recipient's own list",
    "550 5.7.1 Blacklisted by recipient",
    r"tenant allow|(?:user|recipient|mailbox|account|<addr>>?|<name>)(?: \w+)? (?:has|have) (?:disabled|blocked"
    r"|deactivated"
    r"|restricted|closed|turned off) (?:\w+ ){0,3}(?:e?-?mails?|messages?|you|your|senders?|receiving|outside)\b",
    r"blacklisted by recipient|(?:blocked|refused) by (?:the )?recipient|customer block list|personal block"
    r"|manually blocked senders?",
    r"envelope blocked|recipient(?:'s)? (?:block|deny) ?list|blocked senders? list|user entry|customized-block"
    r"|block-(?:send|rcpt)",
    r"not (?:found )?in (?:the )?(?:\w+ )?(?:allowed|allow|approved|white|safe|accepted)[- ]?(?:senders?|list)"
    r"|mail is rejected by recipients",
    r"(?:recipient|<addr>>*) (?:\w+ )?(?:refuses|does(?: not|n't) want)|recipient(?:'s)? preferences"
    r"|user refuses to receive|does(?: not|n't) allow (?:e?-?mails?|messages) from"
    r"|by (?:the )?(?:user|recipient)'s (?:reject|block|deny|filter)|(?:on|in) the recipient's list|only accept(?:s"
    r"|ing)? (?:e?-?mails?|messages) from",
)
