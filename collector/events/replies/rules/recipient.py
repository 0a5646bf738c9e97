"""Rules for replies that blame the recipient: unknown user, full mailbox, a domain without mail (see `rule.py`)."""

from __future__ import annotations

from typing import Final

from collector.events.model.event import Reason
from collector.events.replies.rules.rule import BOUNCES, EXCHANGE, GMAIL, LABELLED, NEAR, RFC5321, rule

_OF_NO_HOST: Final = "".join(rf"(?<!{host}.address)" for host in ("ip", "client", "source", "remote", "server", "host"))
"""Behind "address": it is not one of a machine."""

_NO_ANSWER: Final = r"(?!.{0,40}(?:time|connect|temporar|unavailable|respon|later))"
"""Behind a search: it came to its end."""

_IS_NOT_VERIFIED: Final = rf"(?:can(?: ?not|'t)|could(?: not|n't)) be verified{_NO_ANSWER}"

_PERSON: Final = (
    r"(?:users?(?: ?names?)?|recipients?|addressees?|mail[- ]?box(?:es)?|mail[- ]?drop|accounts?|e?-?mail ?(?:id"
    rf"|name)|address{_OF_NO_HOST}(?:es)?"
    r"|destinations?|customer|person|alias|local[- ]?part|inbox|login|subscriber|member|employee|destinatary)"
)
"""Nouns for a recipient."""

_NAMED: Final = (
    r"(?: <*<(?:addr|id|name|host)>>*| \( ?<+addr>+ ?\)| ['\"]<\w+>['\"]| \[<\w+>\]"
    r"| (?!servers?\b|domains?\b|hosts?\b|systems?\b|polic|database|director|service|verif|access|quota|storage"
    r"|sender)[\w-]+)"
)
"""One word between the noun and the fault: an address, or any word that does not change the subject."""

_HELPERS: Final = (
    r"(?:(?:is|are|was|were|has|have|been|be|could|can|status|currently|now|marked|as|temporar(?:y|ily|ly)"
    r"|permanently|does"
    r"|did|name|that|or|in|an?|no) ){0,4}"
)

_IS_MISSING: Final = (
    r"(?:unknown|unrecogni[sz]ed|unallocated|unassigned|non-?exist[ae]nt|inexistent|no found|(?:not"
    r"|isn't) (?:be )?(?:found|known"
    r"|exist(?:ing|s)?|valid"
    r"|recogni[sz]ed|registered|activ(?:e|ated)|local|on this (?:server|system|host)|available|defined|listed"
    r"|present|configured|provisioned"
    r"|enabled|hosted"
    r"|here|a (?:valid|known|registered|local) \w+)"
    r"|(?:does|dos|do|did)(?: not|n't|nt) exists?|cannot be found|(?:couldn|can)'?t be found|no longer|invalid"
    r"|inactiv(?:e|ated)"
    r"|disabled|deactivated|suspended|expired|closed|locked|frozen|terminated|discontinued|discarded|deleted"
    r"|removed|cancell?ed"
    r"|archived|moved|misspelled|obsolete|retired|abandoned|blocked due to inactivity|undeliverable|unroutable"
    r"|unresolvable)"
)
"""Words for a recipient that does not exist (any more)."""

_NO_SUCH: Final = (
    r"(?:unknown|no such|invalid|bad(?! destination system)|wrong|inactive|disabled|deactivated|expired"
    r"|unrecogni[sz]ed|archived"
    r"|non-?exist[ae]nt|not an? (?:valid|known|registered|active|local)|not our|not in|no valid(?! recipients\b)"
    r"|undefined|there is no"
    r"|no known)"
)

_STATE: Final = (
    r"(?:disabled|locked|suspended|inactive|unavailable|blocked|closed|on hold|deactivated|not (?:available|active"
    r"|enabled))\b"
)

_A_WHILE: Final = r"(?:temporarily|until|during|for (?:now|the (?:moment|time)|a (?:while|time)))"

_FOR_NOW: Final = (
    rf"(?:temporar(?:y|ily|ly) {_STATE}|{_STATE} {_A_WHILE}\b"
    rf"|currently {_STATE},? (?:and |please ){{0,2}}(?:try|retry))"
)
"""A state that the reply itself calls temporary."""

NOT_NOW: Final = rule(
    Reason.OTHER,
    "RFC 3463 (2.1): a mailbox that the reply itself expects back is no address to remove",
    "550 5.2.1 <a@b.example>: Recipient address rejected: mailbox temporarily disabled",
    rf"(?:mail ?box|user|account|recipient|address|alias|<addr>){NEAR}\b{_FOR_NOW}",
)

UNKNOWN_USER: Final = rule(
    Reason.UNKNOWN_USER,
    f"{BOUNCES}; {GMAIL}; {RFC5321} (550); {LABELLED}",
    "550 5.1.1 <a@b.example>: Recipient address rejected: User unknown in virtual mailbox table",
    # The noun, then the fault.
    rf"\b{_PERSON}{_NAMED}{{0,3}}:? ?{_HELPERS}{_IS_MISSING}\b(?! (?:error|policy|domain))",
    r"<(?:addr|id|name)>>*[)'\"]?:? (?:(?:is|has been|was|currently|now|been) ){0,3}(?:not an? (?:valid|known"
    r"|registered|active|local)"
    rf"|{_IS_MISSING})\b",
    r"(?:that you tried to reach|account|mailbox|user|recipient)(?: (?!domain)\w+){0,2} (?:does not|doesn't) exist"
    rf"|{_PERSON} (?:that )?you (?:are )?(?:tried|trying|attempting) to (?:reach|contact) {_HELPERS}{_IS_MISSING}\b",
    # The fault, then the noun.
    rf"\b(?:{_NO_SUCH}[- ](?:[\w-]+ ){{0,2}}{_PERSON}\b"
    r"(?! (?:error|policy|access|syntax|domain|host|server|count|credential|agent|session|certificate))"
    r"|no such (?:id|name|destination|object|local[- ]?part)\b|unknown (?:id|name|destination|object|local[- ]?part)\b"
    r"|no (?:such |local |valid )?(?:mail[- ]?box|user|account|customer|alias|recipient|person|subscriber"
    r"|one at this)\b"
    r"|nobody (?:here|by that name|with that name))|there is no one at this address|not found (?:recipient|user"
    r"|mailbox)",
    # Whole phrases.
    r"(?:user|recipient|he|she) (?:does(?: not|n't)) have an?\b|does(?: not|n't) have an? (?:\S++ )?(?:account"
    r"|mailbox)",
    r"recipient(?: name)? (?:does not exist here|not ok)|(?:address|recipient"
    r"|user) (?:is )?not (?:present )?in (?:the |our )?(?:directory|ldap)",
    r"not in (?:the |our |my )?(?:recipient|validrcptto|user) list|not in (?:our|the) (?:directory|database)"
    r"|not listed in (?:\w+ ){0,2}directory"
    r"|recipnotfound|recipientnotfound",
    rf"{_PERSON} (?:\w+ ){{0,3}}(?:marked as invalid|not in recipient list)|invalid-recipient|bad_?rcpt_?to"
    r"|bad_?recipient(?:to)?\b|\bunavailable mail user"
    rf"|recipient verif(?:y|ication) (?:\w+ ){{0,3}}failed{_NO_ANSWER}"
    r"|(?:does|do)(?: not|n't) exists? (?:that|this) (?:user|mailbox|address)|no (?:redirect|forward"
    r"|alias)\w{0,3} (?:entry )?for this (?:address|user)",
    r"(?:recipient|address) (?:address )?(?:rejected|refused): (?:account |mailbox )?(?:inactive|unavailable"
    r"|no such|invalid|unknown|disabled|not found)",
    r"can(?:not|'t| not) accept (?:this )?(?:user|recipient)|user missing home directory|(?:user"
    r"|person|addressee) (?:has )?(?:left|moved|gone)",
    # Who looks for it does not find it.
    r"n[o']t find (?:(?!send|your|from)\w+ ){0,2}(?:mail ?box|user|recipient|account|addressee|alias)\b"
    rf"(?! (?:data|store|server|info|quota|dir|domain)){_NO_ANSWER}",
    rf"recipients? {_IS_NOT_VERIFIED}|mail ?box {_IS_NOT_VERIFIED}|not (?:one|any) of our (?:\w+ )?(?:users|customers"
    r"|mail ?boxes|recipients|addresses|accounts)",
    r"account .{0,20}(?:disabled|blocked|closed)|compte .{0,30}(?:bloque|inactif|ferme|desactive)"
    r"|extended inactivity",
    r"has left (?:the )?(?:company|organi[sz]ation)|no longer (?:works?|employed|with (?:us|the)|valid|active"
    r"|in (?:use|service)|available|exists?)",
    # The whole address is refused: Cisco and Exchange use these words for an unknown recipient.
    r"^5\.4\.1 .{0,80}address(?:es)? rejected ?: access denied",
    r"^(?:5\.1\.0 )?(?:<*<addr>>*:? )?(?:recipient )?address (?:rejected|invalid)\b *\.? *(?:$|<|\(in reply)",
)

UNKNOWN_USER_ELSEWHERE: Final = rule(
    Reason.UNKNOWN_USER,
    f"{LABELLED}: French, German, Italian, Spanish, Polish, Dutch, Portuguese, Russian",
    "550 Utilisateur inconnu !",
    r"(?:utilisateur|usager|destinataire|adresse(?<!ip.adresse)(?! ip)|compte|bo[iîi]te) (?:\S++ ){0,4}(?:inconnue?s?"
    r"|invalides?"
    r"|inexistante?|introuvable"
    r"|n\Wexiste|ferm[eé]e?|archiv[eé]e?|d[eé]sactiv[eé]e?|suspendue?)\b|n\Wexiste (?:pas|plus)|(?:utilisateur"
    r"|destinataire) (?:invalide|inconnu)",
    r"(?:adressat|empf[aä]e?nger|benutzer|nutzer|postfach|mailbox|adresse(?<!ip.adresse)(?! ip)"
    r"|konto)\w{0,12}:? (?:\S++ ){0,3}(?:unbekannt|existiert (?:hier )?nicht"
    r"|nicht (?:mehr )?(?:gefunden|vorhanden|bekannt|existent|verf[uü]e?gbar|g[uü]e?ltig|aktiv)|ung[uü]e?ltig"
    r"|deaktiviert|gesperrt|gel[oö]e?scht)",
    r"unbekannte[rns]? (?:empf|benutzer|nutzer|adress|postfach)|kein(?:en?)? (?:solche[rs]?n? )?(?:benutzer|empf"
    r"|postfach|konto)|existiert (?:hier )?nicht",
    r"(?:destinatario|destin\.|utente|indirizzo|casella|account|mailbox) (?:\S++ ){0,3}(?:sconosciut[oa]|inesistente"
    r"|non (?:esiste|trovat[oa]"
    r"|valid[oa]|attiv[oa])|disattivat[oa]|disabilitat[oa]|scadut[oa])|non esiste|nessun utente",
    r"(?:usuario|destinatario|buz[oó]n|cuenta|direcci[oó]n|casilla) (?:\S++ ){0,3}(?:no existe|desconocid[oa]"
    r"|inexistente"
    r"|inv[aá]lid[oa]|desactivad[oa]|no (?:se )?(?:encuentra|encontrad[oa]|(?:es )?v[aá]lid[oa]))|no existe"
    r"|usuario no v[aá]lido",
    r"(?:adres(?<!ip.adres)(?! ip)|u[zż]ytkownik|odbiorca|konto|skrzynka) (?:\S++ ){0,3}(?:usuni[eę]t|nie (?:istnieje"
    r"|zosta[lł]|jest aktywn"
    r"|znaleziono)|nieznan[yae]"
    r"|nieprawid[lł]ow[yae]|nieaktywn[yae]|zablokowan[yae])|(?:nieznany|nieprawid[lł]owy"
    r"|brak) (?:\S++ )?(?:u[zż]ytkownika?|odbiorc[ay]|adres)|nie istnieje|nie ma (?:takiego|takiej)",
    r"(?:gebruiker|ontvanger|postbus|postvak|adres(?<!ip.adres)(?! ip)|e-mailadres"
    r"|geadresseerde) (?:\S++ ){0,3}(?:onbekend"
    r"|bestaat niet|niet (?:gevonden|bekend"
    r"|geldig|actief)|ongeldig)|onbekende? (?:gebruiker|ontvanger|adres)|bestaat niet",
    r"(?:usu[aá]rio|destinat[aá]rio|caixa|conta|endere[cç]o) (?:\S++ ){0,3}(?:desconhecid[oa]|inexistente"
    r"|inv[aá]lid[oa]|desativad[oa]"
    r"|n[aã]o (?:existe|encontrad[oa]|[eé] v[aá]lid[oa]|v[aá]lid[oa]))|n[aã]o existe",
    r"(?:пользовател|получател|адресат|ящик|адрес(?<!ip.адрес)|аккаунт|уч[её]тн)\w{0,12} (?:\S++ ){0,4}(?:не (?:найден"
    r"|существует|зарегистрирован|известен"
    r"|активен)|неизвест|отключ[её]н|заблокирован|удал[её]н)|(?:неизвестный|неверный|несуществующий) (?:пользовател"
    r"|получател|адрес)",
    r"не существует|нет такого (?:пользовател|получател|адрес|ящик)|такого пользователя нет",
)

_NOUN_FURTHER: Final = (
    r"(?:mottagar|anv[aä]ndar|brevl[aå]da|modtager|bruger|postkasse|mottaker|bruker|vastaanottaja"
    r"|k[aä]ytt[aä]j[aä]|osoite"
    r"|postilaatikko|u[zž]ivatel|p[rř][ií]jemce|adresa|adress?e[nt]|adress\b|schr[aá]nka|felhaszn[aá]l[oó]"
    r"|c[ií]mzett|postafi[oó]k"
    r"|kullan[ıi]c[ıi]|al[ıi]c[ıi]|hesap|destinatar|recipiente|utilizator|παραλήπτη|χρήστη|γραμματοκιβώτιο)"
)

_MISSING_FURTHER: Final = (
    r"(?:ok[aä]nd|(?:finns|existerar) (?:inte|ej)|ukendt|findes ikke|ukjent|finnes ikke|eksisterer ikke|tuntematon"
    r"|ei ole|ei l[oö]ydy"
    r"|nezn[aá]m|neexistuj|nenalezen|ismeretlen|nem l[eé]tezik|nem tal[aá]lhat|bulunamad|bilinm|ge[cç]ersiz"
    r"|mevcut de[gğ]il"
    r"|necunoscut|nu exist|desconocid|desconhecid|άγνωστ|δεν υπάρχει|δεν βρέθηκε)"
)

UNKNOWN_USER_FURTHER: Final = rule(
    Reason.UNKNOWN_USER,
    "servers in the languages of Scandinavia, central Europe, Turkey, Greece and East Asia",
    "550 Mottagaren finns inte",
    rf"{_NOUN_FURTHER}\w{{0,6}}:? (?:\S++ ){{0,3}}{_MISSING_FURTHER}"
    rf"|{_MISSING_FURTHER}\w{{0,3}} (?:\S++ )?{_NOUN_FURTHER}",
    r"(?:用户|用戶|使用者|收件人|收信人|邮箱|郵箱|信箱|帐号|账号|帳號|地址)[^.;,，。]{0,20}(?:不存在|无效|無效|未找到|找不到|已停用|已注销)",
    r"(?:宛先|ユーザ|メールアドレス|受信者|アカウント|メールボックス)[^.;,、。]{0,20}(?:存在しま|見つかりま|不明|無効)"
    r"|(?:수신자|사용자|받는|계정|메일함)[^.;,]{0,20}(?:존재하지|없|유효하지)",
    r"不存在的?(?:用户|用戶|使用者|收件人|邮箱|郵箱|账号|帐号)|(?:存在しない|無効な)(?:宛先|ユーザ|メールアドレス|受信者|アカウント)"
    r"|존재하지 않는 (?:수신자|사용자|계정|메일|주소)",
)

_BOX: Final = (
    r"(?:postfach|posteingang|bo[iî]te|casella|buz[oó]n|caixa|skrzynk|postvak|postbus|brevl[aå]d|inkorg|indbakke"
    r"|innboks|postkasse|postilaatik|schr[aá]nk|postafi[oó]k|posta kutu|γραμματοκιβ|ящик)"
)

_FULL: Final = (
    r"(?:\bvoll?\b|plein|\bpien[oa]|llen[oa]\b|chei[oa]\b|\bpe[lł]n|\bfull?d?\b|t[aä]ynn|\bpln[aáeéoý]|megtelt|betelt"
    r"|dolu\b|γεμάτ|переполн|заполнен)"
)

MAILBOX_FULL: Final = rule(
    Reason.MAILBOX_FULL,
    f"{BOUNCES}; RFC 5321 (552); {EXCHANGE}",
    "552 5.2.2 The email account that you tried to reach is over quota",
    r"over ?-?(?:the |its |their |his )?(?:\w+ )?quot[ae]\b"
    r"|quota(?<!queue quota)(?<!relay quota)(?<!sending quota)(?<!send quota) (?:\w+ ){0,2}(?:exceed|full|over|limit"
    r"|violat|reached)"
    r"|quotaexceeded",
    r"exceed(?:ed|s|ing)? (?:\w+ ){0,3}(?:quota|storage|disk ?space|allowed size)|(?:reached"
    r"|hit) (?:\w+ ){0,2}(?:disk )?quota",
    r"out of (?:storage|disk ?space|space|quota)|(?:exhausted|exceeded|used up) (?:\w+ ){0,3}(?:storage|space)"
    r"|space (?:has|is|has been) used up",
    r"not enough (?:storage|space in|space for)|(?:user|box) has not enough (?:disk ?)?space"
    r"|enough (?:storage )?space (?:in|to store)"
    r"|have enough (?:disk )?space",
    r"(?:mail ?box|inbox|user|account) has no (?:\w+ )?(?:space|room)|no (?:\w+ )?(?:space|room) (?:\w+ )?(?:in"
    r"|for) (?:\w+ )?(?:mail ?box|inbox|user|recipient)|(?:mail ?box|inbox) (?:\w+ ){0,2}(?:over|at|exceeds?) (?:its "
    r"|the )?(?:limit|capacity)",
    r"(?:mail ?box|inbox|mail ?folder|mail ?box for user|folder|mail ?drop|mail store) (?:\S+ ){0,3}full\b"
    r"|(?<!system )\bis full\b|full mail ?box",
    r"mail ?box (?:size|space|is over|limit)|mailbox (?:has )?(?:too many|exceed)"
    r"|over the maximum (?:allowed )?number of messages\b(?! per)|too many messages (?:on|in)\b"
    r"|disk ?space (?:limit|quota)|(?:user|domain)?disk quota"
    r"|over(?: its| the)? (?:storage|size|maximum allowed) ?limit|over (?:its |their )?storage",
    rf"{_BOX}[^.;]{{0,40}}{_FULL}|mailbox [^.;]{{0,30}}\bvoll?\b|quota .{{0,16}}(?:d[eé]pass[eé]|utilisateur)"
    r"|d[eé]pass\w{1,2} (?:\w+ )?quota"
    r"|speicherplatz .{0,30}(?:ersch|voll|[uü]berschr)"
    r"|kontingent (?:\w+ )?[uü]berschritten|quota superata|cuota (?:\w+ )?excedida"
    r"|(?:espa[cç]o|espacio|espace|spazio) (?:\w+ )?(?:insuffi|esaurito|agotado|esgotado)"
    r"|brak miejsca|kein(?:en)? (?:speicher)?platz\b",
    r"insufficient (?:mail ?box|user) (?:storage|space)|space available (?:in|for) the (?:user|mail|recipient)"
    r"|insufficient (?:storage |disk )?(?:space|storage|room) .{0,20}(?:mail ?box|inbox|user|recipient)"
    r"|exced\w+ (?:\w+ ){0,3}cuota|cuota .{0,20}exced|kota(?:s[ıi])? .{0,20}(?:dol|a[sş])",
    r"(?:邮箱|郵箱|信箱|邮件箱)[^.;,，。]{0,12}(?:已满|已滿|不足|超出|超过)|(?:メールボックス|容量)[^.;,、。]{0,16}(?:いっぱい|満杯|超過|超え)"
    r"|메일함[^.;,]{0,12}(?:가득|초과)|quota excedida|przepe[lł]nion|переполнен"
    r"|квот\w{1,3} превыш|превышен\w{0,3} квот",
)

DNS: Final = rule(
    Reason.DNS,
    "RFC 7505; RFC 5321 (5.1); ZoneMTA lib/mail-queue: DNS Error",
    "556 5.1.10 Recipient address has null MX",
    r"^dns error|null mx|all relevant mx records point to|no (?:valid |suitable )?mx\b|no such domain"
    r"|domain (?:name )?(?:\w+ )?(?:not found"
    r"|does not exist|(?:is )?not reachable|unknown)",
    r"nxdomain|\b(?:unknown|unresolvable|invalid) (?:host|domain)\b|host (?:or domain )?(?:name )?(?:not found"
    r"|unknown)|unrouteable|unroutable",
    r"dns (?:lookup|query) |(?:rcpt|recipient) (?:\w+ ){0,3}non-?exist[ae]nt domain|dns domain <host> does not exist"
    r"|valid mx for recipient|(?:host|domain"
    r"|server)>? does not accept (?:any )?(?:e?-?mail|messages)(?! from)",
    r"not accepting network messages|(?:recipient )?domain must exist|mail receiving disabled|no route to (?:host"
    r"|domain)",
)
