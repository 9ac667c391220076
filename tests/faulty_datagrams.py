"""Datagrams that get lost, doubled, overtaken and damaged, at set rates: how the
UDP link is tried."""

from __future__ import annotations

from dataclasses import dataclass

from ndrite.host.links.udp import Datagrams
from tests.faulty_link import Faulty, Rates


@dataclass(frozen=True, kw_only=True)
class DatagramRates(Rates):
    """``flip`` per byte, of one bit of it, the others per datagram.

    ``lose``; ``duplicate``, the second one later; ``overtake``: later ones come first;
    ``cut``: only its beginning comes. A damaged datagram comes nevertheless, as if
    every checksum had missed it.
    """

    lose: float = 0.0
    duplicate: float = 0.0
    overtake: float = 0.0
    cut: float = 0.0
    flip: float = 0.0

    @classmethod
    def each(cls, rate: float) -> DatagramRates:
        """Every kind at ``rate`` a datagram, flips at a hundredth of it a byte."""
        return cls(lose=rate, duplicate=rate, overtake=rate, cut=rate, flip=rate / 100)


class FaultyDatagrams(Faulty):
    """``datagrams`` with faults both ways."""

    rates: DatagramRates

    LATE = 6
    """A datagram that is overtaken comes behind at most so many others."""

    def __init__(self, datagrams: Datagrams, rates: DatagramRates, *, seed: int = 0) -> None:
        super().__init__(datagrams, rates, seed)
        self._late_out: list[tuple[int, bytes]] = []
        self._late_in: list[tuple[int, bytes]] = []
        self._ready: list[bytes] = []

    def send(self, *datagrams: bytes) -> None:
        """Send what becomes of each, and what it lets go."""
        for datagram in datagrams:
            self.under.send(*self._become(datagram, self._late_out))

    def receive(self, timeout_s: float) -> bytes:
        """What becomes of the next one; empty where it is lost."""
        if not self._ready:
            datagram = self.under.receive(timeout_s)
            if not datagram:
                return b""
            self._ready = self._become(datagram, self._late_in)
            if not self._ready:
                return self.receive(timeout_s)
        return self._ready.pop(0)

    def _become(self, datagram: bytes, late: list[tuple[int, bytes]]) -> list[bytes]:
        """What comes of one datagram in its direction, in order; ``late`` keeps what
        comes after others."""
        freed = [held for left, held in late if left <= 1]
        late[:] = [(left - 1, held) for left, held in late if left > 1]
        if self._happens("lose"):
            return freed
        datagram = self._damaged(datagram)
        if self._happens("duplicate"):
            late.append((self._rng.randint(1, self.LATE), datagram))
        if self._happens("overtake"):
            late.append((self._rng.randint(1, self.LATE), datagram))
            return freed
        return [datagram, *freed]

    def _damaged(self, datagram: bytes) -> bytes:
        if self._happens("cut"):
            datagram = datagram[: self._rng.randrange(1, len(datagram) + 1)]
        if not self.rates.flip:
            return datagram
        out = bytearray(datagram)
        for i in range(len(out)):
            if self._happens("flip"):
                out[i] ^= 1 << self._rng.randrange(8)
        return bytes(out)
