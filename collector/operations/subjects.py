"""Data subjects (docs/privacy.md): export or forget the rows that name a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.store.people.spelling import Person

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from collector.events.privacy.pseudonyms import Pseudonyms
    from collector.store.people.subjects import People


class NoSecretError(Exception):
    """`collector.privacy.secret` is not set, so that there are no pseudonyms."""


class Subjects:
    """The people of one database. `pseudonyms` belong to `privacy.secret`; None without a secret.

    Every method that takes an address raises ValueError for a text that is none, and says why. `rows` and `forget`
    raise `StoreUnavailableError`.
    """

    def __init__(self, people: People, pseudonyms: Pseudonyms | None) -> None:
        self._people, self._pseudonyms = people, pseudonyms

    def rows(self, address: str) -> Iterator[tuple[str, str]]:
        """Return an iterator over the rows that name the person: each is the table, and the row as JSON."""
        return iter(self._people.rows(self._person(address)))

    def forget(self, address: str) -> Mapping[str, int]:
        """Remove the person from every table. Return the number of changed rows by table."""
        return self._people.forget(self._person(address))

    def _person(self, address: str) -> Person:
        """Return the spellings that the database can hold."""
        person = Person.of(address, self._pseudonyms)
        lacking = self._people.lacking(person.characters)
        return Person.of(address, self._pseudonyms, lacking) if lacking else person

    def pseudonym(self, written: str) -> str:
        """Return the pseudonym of an address, a user's name or a message id. Raise `NoSecretError` without a secret."""
        if self._pseudonyms is None:
            raise NoSecretError
        return self._pseudonyms.of(written)
