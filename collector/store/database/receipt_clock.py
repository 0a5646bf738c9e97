"""Receipt times by the database's clock: the one clock that all collectors of a database share.

A submission carries the receipt time of its collector's clock. That clock may be wrong, and it may be set while the
submission waits in the journal. Rows that are ordered by receipt (heartbeats, held events, DNSBL results) are therefore
stored with the database's time.
"""

from __future__ import annotations

import time
from typing import Final, NamedTuple

TOLERANCE_MS: Final = 1000
"""Two clocks this close count as equal: the comparison includes a round trip."""


def now_ms() -> int:
    """Return this machine's wall clock (epoch ms)."""
    return time.time_ns() // 1_000_000


class Clocks(NamedTuple):
    """The database's clock and this collector's, read at the same moment (epoch ms)."""

    theirs: int
    ours: int

    @classmethod
    def read(cls, theirs: int) -> Clocks:
        """Compare the database's clock, just read, with this machine's."""
        return cls(theirs, now_ms())

    def received(self, at: int) -> int:
        """Translate a receipt time of this collector's clock (epoch ms) to the database's clock.

        The result is never later than now: only a clock that was ahead reports a receipt in the future.
        """
        ahead = self.ours - self.theirs
        return min(at if abs(ahead) <= TOLERANCE_MS else at - ahead, self.theirs)
