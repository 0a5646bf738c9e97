"""Finds the mailbox provider by the name of the MX host."""

from __future__ import annotations

from functools import lru_cache

from collector.events.addresses import DOMAIN_CHARACTERS
from collector.events.model.event import Provider

_SES_REGIONS = (
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eu-central-1",
    "eu-north-1",
    "eu-south-1",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-south-1",
    "ca-central-1",
    "sa-east-1",
    "me-south-1",
    "af-south-1",
    "il-central-1",
)
"""Regions of Amazon SES (docs.aws.amazon.com/general/latest/gr/ses.html)."""

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
    "privaterelay.appleid.com": Provider.APPLE,  # smtp3.privaterelay.appleid.com: Hide My Email
    "1and1.com": Provider.GMX,  # mx00.1and1.com: IONOS
    "1and1.co.uk": Provider.GMX,
    "1and1.fr": Provider.GMX,
    "1and1.es": Provider.GMX,
    "outlook.de": Provider.MICROSOFT,  # *.mail.protection.outlook.de (the former German cloud)
    "zohomail.com": Provider.ZOHO,
    "zohocloud.ca": Provider.ZOHO,
    "zoho.com.cn": Provider.ZOHO,
    "zoho.sa": Provider.ZOHO,
    "zoho.uk": Provider.ZOHO,
    "ym.163.com": Provider.NETEASE,  # mx.ym.163.com
    # Security gateways: a reply of theirs is the gateway's policy, not the mailbox's.
    "iphmx.com": Provider.CISCO,  # esa1.hc123-4.iphmx.com
    "barracudanetworks.com": Provider.BARRACUDA,  # d1.ess.barracudanetworks.com
    "messagelabs.com": Provider.SYMANTEC,  # cluster1.eu.messagelabs.com
    "tmes.trendmicro.com": Provider.TRENDMICRO,  # x.in.tmes.trendmicro.com
    "tmes.trendmicro.eu": Provider.TRENDMICRO,
    "tmes-anz.trendmicro.com": Provider.TRENDMICRO,
    "tmes-sg.trendmicro.com": Provider.TRENDMICRO,
    "tmes-uae.trendmicro.com": Provider.TRENDMICRO,
    "tmes-uk.trendmicro.com": Provider.TRENDMICRO,
    "trendmicro.co.jp": Provider.TRENDMICRO,
    "hornetsecurity.com": Provider.HORNETSECURITY,  # mx01.hornetsecurity.com
    "antispameurope.com": Provider.HORNETSECURITY,
    "hydra.sophos.com": Provider.SOPHOS,  # mx-01-eu-central-1.prod.hydra.sophos.com
    # Mailbox providers of a country or a network.
    "t-online.de": Provider.TONLINE,  # mx00.t-online.de
    "free.fr": Provider.FREE,  # mx1.free.fr
    "laposte.net": Provider.LAPOSTE,  # smtpz4.laposte.net
    "sfr.fr": Provider.SFR,  # smtp-in.sfr.fr
    "charter.net": Provider.CHARTER,
    # mx0.charter.net is pkvw-mx.msg.pkvw.co.charter.net, Cox: cxr.mx.a.cloudfilter.net
    "cloudfilter.net": Provider.CHARTER,
    "prodigy.net": Provider.ATT,  # al-ip4-mx-vip1.prodigy.net
    "comcast.net": Provider.COMCAST,  # mx1.comcast.net
    "libero.it": Provider.LIBERO,  # smtp-in.libero.it
    "seznam.cz": Provider.SEZNAM,  # mx1.seznam.cz
    "wp.pl": Provider.WP,  # mx.wp.pl
    "onet.pl": Provider.ONET,  # mx.poczta.onet.pl
    "naver.com": Provider.NAVER,  # mx1.naver.com
    "daum.net": Provider.DAUM,  # mx1.hanmail.net, mx.daum.net
    "hanmail.net": Provider.DAUM,
    "kpnmail.nl": Provider.KPN,  # mx.kpnmail.nl
    "yahoo.co.jp": Provider.YAHOO_JAPAN,  # mx1.mail.yahoo.co.jp
    # Hosting and forwarding.
    "secureserver.net": Provider.GODADDY,  # smtp.secureserver.net
    "emailsrvr.com": Provider.RACKSPACE,  # mx1.emailsrvr.com
    "rzone.de": Provider.STRATO,  # smtpin.rzone.de
    "ovh.net": Provider.OVH,  # mx1.mail.ovh.net
    "mx.cloudflare.net": Provider.CLOUDFLARE,  # route1.mx.cloudflare.net
    # inbound-smtp.us-west-2.amazonaws.com; a host of a customer's own is under compute.amazonaws.com or
    # elb.amazonaws.com.
    **{f"{region}.amazonaws.com": Provider.AMAZON for region in _SES_REGIONS},
}
"""The domains of the providers' MX hosts. A host belongs to a domain if it is the domain or one of its subdomains."""


def provider_of(mx_host: str) -> Provider:
    """Return the provider of an MX host (lower case, no dot at the end); `other` if the table lacks it."""
    return _provider(mx_host) if len(mx_host) <= DOMAIN_CHARACTERS else Provider.OTHER


@lru_cache(maxsize=4096)
def _provider(name: str) -> Provider:
    while name:
        if name in SUFFIXES:
            return SUFFIXES[name]
        _, _, name = name.partition(".")
    return Provider.OTHER
