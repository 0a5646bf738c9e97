"""`subject export|forget|pseudonym`: what is known of a person, and how it is taken out (docs/privacy.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.store.person import Person
from duckwatch.base.output import complain, json_text

if TYPE_CHECKING:
    from collector.events.pseudonyms import Pseudonyms
    from collector.store.people import People


class SubjectDesk:
    """The verbs over one database. `pseudonyms` are those of `privacy.secret`, None without one. Methods raise `StoreUnavailableError`."""

    def __init__(self, people: People, pseudonyms: Pseudonyms | None) -> None:
        self._people, self._pseudonyms = people, pseudonyms

    def export(self, written: str) -> int:
        """Prints each row that names the person, a line of JSON; exit code 1 when there is none, 2 for what is no address."""
        person = self._person(written)
        if person is None:
            return 2
        rows = 0
        for table, row in self._people.rows(person):
            print(json_text(f'{{"table": "{table}", "row": {row}}}'))
            rows += 1
        complain(f"{rows} rows")
        return 0 if rows else 1

    def forget(self, written: str) -> int:
        """Takes the person out of every table and prints of how many rows; exit code 1 when there were none, 2 for what is no address."""
        person = self._person(written)
        if person is None:
            return 2
        changed = self._people.forget(person)
        for table, rows in changed.items():
            print(f"{table}: {rows} rows")
        print("what still waits in a journal or a spool is stored afterwards: run this again when it is empty")
        return 0 if any(changed.values()) else 1

    def pseudonym(self, written: str) -> int:
        """Prints the pseudonym of an address, a user's name or a message id; exit code 1 without a secret."""
        if self._pseudonyms is None:
            complain("collector.privacy.secret is not set: there are no pseudonyms")
            return 1
        print(self._pseudonyms.of(written))
        return 0

    def _person(self, written: str) -> Person | None:
        try:
            return Person.of(written, self._pseudonyms)
        except ValueError as error:
            complain(f"ADDRESS {error}")
            return None
