"""Reads sender and recipients of inbound mail and of complaints into columns of `mail_events`. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from collector.events import addresses
from collector.events.sources.zonemta import address_in

if TYPE_CHECKING:
    from collector.events.border.fields import Fields


def envelope_of(fields: Fields) -> dict[str, Any]:
    """Take `from` and `to` (addresses joined by commas) out of the fields.
    A value that is not an address, such as a redacted one, stays in the fields.
    """
    columns: dict[str, Any] = {}
    sender, listed = fields.rest.get("from"), fields.rest.get("to")
    if type(sender) is str and "@" in sender:
        columns["sender"], columns["sender_domain"] = address_in(fields, "from")
    if type(listed) is str and "@" in listed:
        count = columns["recipients"] = addresses.count(listed)
        if count == 1:
            columns["recipient"], columns["recipient_domain"] = address_in(fields, "to")
    return columns
