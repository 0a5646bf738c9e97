"""Who runs a mailbox, told by the name of its MX host."""

from __future__ import annotations

from functools import lru_cache

from collector.events.address import DOMAIN_CHARACTERS
from collector.events.model import Provider

SUFFIXES: dict[str, Provider] = {
    "google.com": Provider.GOOGLE,  # aspmx.l.google.com, gmail-smtp-in.l.google.com, smtp.google.com
    "googlemail.com": Provider.GOOGLE,  # aspmx2.googlemail.com
    "outlook.com": Provider.MICROSOFT,  # *.mail.protection.outlook.com, *.olc.protection.outlook.com
    "outlook.cn": Provider.MICROSOFT,  # *.mail.protection.partner.outlook.cn (21Vianet)
    "office365.us": Provider.MICROSOFT,  # *.mail.protection.office365.us
    "mx.microsoft": Provider.MICROSOFT,  # domains with DNSSEC
    "hotmail.com": Provider.MICROSOFT,
    "yahoodns.net": Provider.YAHOO,  # Yahoo, AOL, AT&T, Comcast; Yahoo Japan is another company
    "icloud.com": Provider.APPLE,  # mx01.mail.icloud.com
    "me.com": Provider.APPLE,
    "gmx.net": Provider.GMX,  # mx00.gmx.net, mx00.emig.gmx.net
    "web.de": Provider.GMX,  # mx-ha02.web.de
    "mail.com": Provider.GMX,  # mx00.mail.com
    "kundenserver.de": Provider.GMX,  # mx00.kundenserver.de: 1&1, IONOS
    "ionos.com": Provider.GMX,
    "ionos.de": Provider.GMX,
    "ionos.co.uk": Provider.GMX,
    "ionos.fr": Provider.GMX,
    "ionos.es": Provider.GMX,
    "protonmail.ch": Provider.PROTON,  # mail.protonmail.ch, mailsec.protonmail.ch
    "zoho.com": Provider.ZOHO,
    "zoho.eu": Provider.ZOHO,
    "zoho.in": Provider.ZOHO,
    "zoho.jp": Provider.ZOHO,
    "zoho.com.au": Provider.ZOHO,
    "messagingengine.com": Provider.FASTMAIL,  # in1-smtp.messagingengine.com
    "yandex.ru": Provider.YANDEX,
    "yandex.net": Provider.YANDEX,
    "yandex.com": Provider.YANDEX,
    "mail.ru": Provider.MAILRU,  # mxs.mail.ru, emx.mail.ru
    "netease.com": Provider.NETEASE,  # 163mx01.mxmail.netease.com
    "qq.com": Provider.TENCENT,  # mx1.qq.com, mxbiz1.qq.com
    "orange.fr": Provider.ORANGE,  # smtp-in.orange.fr
    "wanadoo.fr": Provider.ORANGE,
    "mimecast.com": Provider.MIMECAST,
    "mimecast.co.za": Provider.MIMECAST,
    "mimecast-offshore.com": Provider.MIMECAST,
    "pphosted.com": Provider.PROOFPOINT,
    "ppe-hosted.com": Provider.PROOFPOINT,
    "gpphosted.com": Provider.PROOFPOINT,
}
"""Domains under which providers name their MX hosts: a host belongs to one when it is the domain or ends in `.` and it."""


def provider_of(mx_host: str) -> Provider:
    """The provider of an MX host (lower case, no dot at the end); `other` for every name that the table lacks."""
    return _provider(mx_host) if len(mx_host) <= DOMAIN_CHARACTERS else Provider.OTHER


@lru_cache(maxsize=4096)
def _provider(name: str) -> Provider:
    while name:
        if name in SUFFIXES:
            return SUFFIXES[name]
        _, _, name = name.partition(".")
    return Provider.OTHER
