"""Who runs a mailbox, told by the name of its MX host."""

from __future__ import annotations

from collector.events.model import Provider

SUFFIXES: dict[str, Provider] = {
    "google.com": Provider.GOOGLE,
    "googlemail.com": Provider.GOOGLE,
    "outlook.com": Provider.MICROSOFT,
    "yahoodns.net": Provider.YAHOO,
    "icloud.com": Provider.APPLE,
}


def provider_of(mx_host: str) -> Provider:
    """The provider of an MX host (lower case, no dot at the end); `other` for every name that the table lacks."""
    name = mx_host
    while name:
        provider = SUFFIXES.get(name)
        if provider is not None:
            return provider
        _, _, name = name.partition(".")
    return Provider.OTHER
