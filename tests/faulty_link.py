"""A link that damages what passes through it, at set rates: how the session is tried,
on any transport."""

from __future__ import annotations

import dataclasses
import random
from dataclasses import dataclass
from typing import Any

from ndrite.host.errors import LinkError
from ndrite.host.links.link import Link


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Probabilities of faults by name. Raises ValueError when one lies outside 0 to 1."""

    def __post_init__(self) -> None:
        for name, rate in dataclasses.asdict(self).items():
            if not 0 <= rate <= 1:
                raise ValueError(f"fault rate {name} is {rate}; accepted: 0 to 1")


class Faulty:
    """What damages at set rates what goes through ``under``, whose it is otherwise.

    ``injected`` counts faults by name, the same ones for the same seed and traffic.
    ``rates`` may be changed at any time.
    """

    def __init__(self, under: Any, rates: Rates, seed: int) -> None:
        self.under, self.rates = under, rates
        self.injected: dict[str, int] = {field.name: 0 for field in dataclasses.fields(rates)}
        self._rng = random.Random(seed)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.under, name)

    def _happens(self, name: str) -> bool:
        rate = getattr(self.rates, name)
        happens = rate > 0 and self._rng.random() < rate
        self.injected[name] += happens
        return happens


@dataclass(frozen=True, kw_only=True)
class FaultRates(Rates):
    """Of the first four per byte, of the others per call of ``write`` or ``read``.

    ``delay`` keeps what was received back until the next read, ``split`` hands over the
    first part of it only, ``coalesce`` keeps a write back until the next write or read,
    ``disconnect`` raises LinkError.
    """

    drop: float = 0.0
    duplicate: float = 0.0
    flip: float = 0.0
    insert: float = 0.0
    delay: float = 0.0
    split: float = 0.0
    coalesce: float = 0.0
    disconnect: float = 0.0

    @classmethod
    def per_byte(cls, rate: float) -> FaultRates:
        """One fault in ``1 / rate`` bytes, of all four kinds; each fault of a call
        ten times as often."""
        byte, call = rate / 4, min(1.0, 10 * rate)
        return cls(drop=byte, duplicate=byte, flip=byte, insert=byte, delay=call, split=call, coalesce=call)


class FaultyLink(Faulty):
    """``link`` with faults in both directions."""

    rates: FaultRates

    def __init__(self, link: Link, rates: FaultRates, *, seed: int = 0) -> None:
        super().__init__(link, rates, seed)
        self._outgoing = bytearray()
        self._incoming = bytearray()

    def write(self, data: bytes) -> None:
        """Damage and send; may keep it back. Raises LinkError on a disconnection."""
        self._disconnect()
        self._outgoing += self._damaged(data)
        if not self._happens("coalesce"):
            self._flush()

    def read(self, timeout_s: float) -> bytes:
        """Receive and damage; may keep all or some of it back. Raises LinkError
        on a disconnection."""
        self._disconnect()
        self._flush()
        if not self._incoming:
            self._incoming += self._damaged(self.under.read(timeout_s))
        if self._happens("delay"):
            # What was kept back comes with what follows it.
            self._incoming += self._damaged(self.under.read(timeout_s))
        end = len(self._incoming)
        if end > 1 and self._happens("split"):
            end = self._rng.randrange(1, end)
        data = bytes(self._incoming[:end])
        del self._incoming[:end]
        return data

    def wait(self, seconds: float) -> None:
        """As the link under it."""
        self._flush()
        self.under.wait(seconds)

    def _flush(self) -> None:
        if self._outgoing:
            data = bytes(self._outgoing)
            self._outgoing.clear()
            self.under.write(data)

    def _disconnect(self) -> None:
        if self._happens("disconnect"):
            raise LinkError("the link was cut (injected fault)")

    def _damaged(self, data: bytes) -> bytes:
        r = self.rates
        if not (r.drop or r.duplicate or r.flip or r.insert):
            return data
        out = bytearray()
        for byte in data:
            if self._happens("insert"):
                out.append(self._rng.randrange(256))
            if self._happens("drop"):
                continue
            value = byte
            if self._happens("flip"):
                value ^= 1 << self._rng.randrange(8)
            out.append(value)
            if self._happens("duplicate"):
                out.append(value)
        return bytes(out)
