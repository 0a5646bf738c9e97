"""`dead-letters list|show|retry|drop`: print the dead letters, and the result of a retry."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.events.model.event import RejectReason
    from collector.operations.dead_letters import DeadLetters


class LetterDesk:
    """The four verbs. Methods return the exit code, and raise `StoreUnavailableError`."""

    def __init__(self, letters: DeadLetters) -> None:
        self._letters = letters

    def list(self, *, reason: RejectReason | None, limit: int) -> int:
        """Print one line for each letter, without its content."""
        for letter in self._letters.oldest(limit=limit, reason=reason):
            received = datetime.fromtimestamp(letter.received_at / 1000, UTC).isoformat(timespec="seconds")
            # A sender chose the cluster's name: its control characters must not reach a terminal.
            cluster = "".join(character if character.isprintable() else "?" for character in letter.cluster)
            print(f"{letter.letter_id}  {received}  {cluster}  {letter.source}  {letter.reason}  {letter.error}")
        return 0

    def show(self, letter_id: str) -> int:
        """Print one letter whole, as JSON. Return 1 if there is none."""
        letter = self._letters.letter(letter_id)
        if letter is None:
            print("no such letter")
            return 1
        print(json.dumps(msgspec.to_builtins(letter), indent=2))
        return 0

    def drop(self, ids: Sequence[str] | None, reason: RejectReason | None) -> int:
        """Delete letters, and print their number. Return 1 if there was none."""
        dropped = self._letters.drop(ids, reason)
        print(f"dropped {dropped}")
        return 0 if dropped else 1

    def retry(self, ids: Sequence[str] | None, reason: RejectReason | None) -> int:
        """Retry letters, and print each that stays. Return 1 if one stays or none was stored."""
        stored = failed = 0
        with closing(self._letters.retry(ids, reason)) as results:
            for letter_id, problem in results:
                if problem is None:
                    stored += 1
                else:
                    print(f"{letter_id}: {problem}")
                    failed += 1
        print(f"stored {stored}, left {failed}")
        return 1 if failed or not stored else 0
