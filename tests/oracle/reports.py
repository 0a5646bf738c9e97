"""Complaints in the form of the large providers, written from RFC 5965 and their public documentation. None of them
is recorded.
"""

from __future__ import annotations

from typing import Final

ORIGINAL: Final = """\
Return-Path: <bounce+1@shop.example>
Received: from mta1.shop.example (mta1.shop.example [192.0.2.20]) by mx.isp.example; Tue, 24 Nov 2026 04:00:00 +0000
From: Shop <news@shop.example>
To: {to}
Subject: Your order
Message-ID: <1@shop.example>
X-FBL: list:7

Hello.
"""

WHOLE: Final = """\
Feedback-Type: abuse
User-Agent: SomeGenerator/1.0
Version: 1
Original-Mail-From: <bounce+1@shop.example>
Original-Rcpt-To: <ok@corp.example>
Arrival-Date: Tue, 24 Nov 2026 04:00:00 +0000
Source-IP: 192.0.2.20
Reported-Domain: shop.example
Incidents: 1
"""


def report(
    fields: str = WHOLE,
    *,
    sender: str = "feedback@isp.example",
    original: str | None = None,
    kind: str = "message/rfc822",
    date: str = "Tue, 24 Nov 2026 04:36:40 +0000",
    to: str = "ok@corp.example",
) -> bytes:
    """Return a complaint of three parts."""
    message = ORIGINAL.format(to=to) if original is None else original
    text = f"""\
From: <{sender}>
Date: {date}
Subject: FW: Your order
To: <abuse@shop.example>
Message-ID: <report-1@isp.example>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report;
\tboundary="part1_13d.2e68ed54_boundary"

--part1_13d.2e68ed54_boundary
Content-Type: text/plain; charset="US-ASCII"
Content-Transfer-Encoding: 7bit

This is an email abuse report for an email message received from IP
192.0.2.20 on Tue, 24 Nov 2026.

--part1_13d.2e68ed54_boundary
Content-Type: message/feedback-report

{fields}
--part1_13d.2e68ed54_boundary
Content-Type: {kind}
Content-Disposition: inline

{message}
--part1_13d.2e68ed54_boundary--
"""
    return text.encode().replace(b"\n", b"\r\n")


JMRP: Final = (
    b"From: <staff@hotmail.com>\r\nDate: Tue, 24 Nov 2026 04:36:40 +0000\r\n"
    b"Subject: complaint about message from 192.0.2.20\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b1\r\n\r\n--b1\r\n"
    b"Content-Type: message/rfc822\r\n\r\n"
    b"X-HmXmrOriginalRecipient: <jane@hotmail.example>\r\n"
    + ORIGINAL.format(to="undisclosed").encode().replace(b"\n", b"\r\n")
    + b"\r\n--b1--\r\n"
)

YAHOO: Final = report(
    "Feedback-Type: abuse\nUser-Agent: Yahoo!-Mail-Feedback/2.0\nVersion: 0.1\n"
    "Original-Mail-From: <bounce+1@shop.example>\n"
    "Original-Rcpt-To: jane@yahoo.example\nReceived-Date: Tue, 24 Nov 2026 04:00:00 PST\n"
    "Reported-Domain: shop.example\n"
    "Authentication-Results: mta.yahoo.example; dkim=pass header.d=shop.example\n",
    sender="feedback@arf.mail.yahoo.com",
    to="jane@yahoo.example",
)
COMCAST: Final = report(
    "Feedback-Type: abuse\nUser-Agent: ReturnPathFBL/1.0\nVersion: 0.1\n"
    "Original-Mail-From: bounce+1@shop.example\nSource-IP: 192.0.2.20\n"
    "Original-Rcpt-To: 9c1185a5c5e9fc54612808977ee8f548\nReported-Domain: shop.example\n",
    sender="feedbackloop@comcastfbl.senderscore.net",
    to="redacted@comcast.example",
)
FASTMAIL: Final = report(
    "Version: 1\nFeedback-Type: abuse\nUser-Agent: FastMail-FBL/1.0\nSource-IP: 2001:DB8:0::20\n"
    "Original-Rcpt-To: <9c11@x.fastmail.example>\nArrival-Date: Tue, 24 Nov 2026 04:00:00 +0000\n",
    kind="text/rfc822-headers",
)
MAILRU: Final = report(
    (
        "Feedback-Type: abuse\nUser-Agent: Mail.Ru-FBL/1.0\nVersion: 1\nSource-IP: 192.0.2.20\n"
        "Reported-Domain: shop.example\n"
    ),
    sender="fbl@corp.mail.ru",
    original="Message-ID: <1@shop.example>\nX-FBL: list:7\n",
    kind="text/rfc822-headers",
)
REDACTED: Final = report(
    "Feedback-Type: abuse\nUser-Agent: X/1\nVersion: 1\nOriginal-Mail-From: redacted\nOriginal-Rcpt-To: redacted\n",
    original="X-FBL: list:7\nSubject: redacted\n\nredacted\n",
    to="redacted",
)
SHAPES: Final = {
    "whole": report(), "yahoo": YAHOO, "jmrp": JMRP, "comcast": COMCAST, "fastmail": FASTMAIL, "mailru": MAILRU,
    "redacted": REDACTED,
}  # fmt: skip
