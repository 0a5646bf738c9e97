"""`subject export|forget|pseudonym`: print the rows that name a person, or remove the person (docs/privacy.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.operations.subjects import NoSecretError
from duckwatch.base.output import complain, json_text

if TYPE_CHECKING:
    from collector.operations.subjects import Subjects


class SubjectDesk:
    """The three verbs. Methods return the exit code (2 for a text that is no address) and raise
    `StoreUnavailableError`.
    """

    def __init__(self, subjects: Subjects) -> None:
        self._subjects = subjects

    def export(self, written: str) -> int:
        """Print each row that names the person as a line of JSON. Return 1 if there is none."""
        try:
            found = self._subjects.rows(written)
        except ValueError as error:
            return _complain_of(error)
        rows = 0
        for table, row in found:
            print(json_text(f'{{"table": "{table}", "row": {row}}}'))
            rows += 1
        complain(f"{rows} rows")
        return 0 if rows else 1

    def forget(self, written: str) -> int:
        """Remove the person from every table, and print the number of rows. Return 1 if there was none."""
        try:
            changed = self._subjects.forget(written)
        except ValueError as error:
            return _complain_of(error)
        for table, rows in changed.items():
            print(f"{table}: {rows} rows")
        print("events in a journal or a spool are stored later: run this again when both are empty")
        return 0 if any(changed.values()) else 1

    def pseudonym(self, written: str) -> int:
        """Print the pseudonym of an address, a user's name or a message id. Return 1 without a secret."""
        try:
            print(self._subjects.pseudonym(written))
        except NoSecretError:
            complain("collector.privacy.secret is not set: there are no pseudonyms")
            return 1
        return 0


def _complain_of(error: ValueError) -> int:
    complain(f"ADDRESS {error}")
    return 2
