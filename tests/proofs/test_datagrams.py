"""Datagrams: whatever comes from whom, a session is its peer's, and the stream has
each datagram once.

The cipher that tells a token is cut: it may say anything, so what is proved needs no
secret. A datagram's sender stands beside it until its last byte is taken; one that
begins a session has a piece of the stream.
"""

import types

import pytest
from amaranth import Cat, Module, Signal

from ndrite.emulator.spec.datagrams import LEASE_S
from ndrite.hdl.noise.pass_schedule import PassKey
from tests.proofs.checker import Run, Verdict, check
from tests.proofs.proof import proof, test_holds, test_injected_bug_is_found  # noqa: F401

pytestmark = pytest.mark.long

LAST = '        m.d.sync += [\n            self.stream_valid.eq(states["gap"]'
FOUND = "(number, token, ended, is_kind[Kind.DATA], belongs, later, skips, begins, may, closes)"
SHOWN = ((LAST, f"        self.at, self.found = states, {FOUND}\n{LAST}"),)
"""Lets the proof see what was found out about a datagram."""
STATES = ("header", "compare", "judge", "mix", "act", "gap", "piece", "drain", "answer")


class Cut(PassKey):
    """A cipher of which nothing is known."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.said = run.free(64, "key"), run.free(1, "key_done")

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += [self.key.eq(self.said[0]), self.done.eq(self.said[1])]
        return m


@proof("ndrite.hdl.ethernet.datagrams", shown=SHOWN)
def session(module: types.ModuleType) -> Verdict:
    """Another peer or token only after a lease or from the peer; bytes only of the
    peer's datagrams, each number once and upward, with an end where one was skipped."""
    run = Run()
    m = run.module
    module.PassKey = lambda: Cut(run)  # type: ignore[attr-defined]
    side = module.Datagrams(age_cycles=2)
    m.submodules.side = side.elaborate(None)
    at = {name: side.at[name] for name in STATES}
    number, token, ended, is_data, belongs, later, skips, begins, may, closes = side.found

    # What comes: bytes that stand until they are taken, a sender beside them.
    run.let(side, "rx.valid", "rx.payload", "rx_last", "rx_address", "rx_port", "rx_length")
    run.let(side, "second", "answers.valid", "tx.ready")
    rx, valid, last = side.rx, side.rx.valid, side.rx_last
    sender = Cat(side.rx_address, side.rx_port)
    inside, taken = Signal(), valid & rx.ready
    with m.If(taken):
        m.d.sync += inside.eq(~last)
    stands = run.past((valid | inside) & ~(taken & last), "stands")
    run.given(~stands | (sender == run.past(sender, "sender_before")))
    offered = Cat(rx.payload, last)
    waits, before = run.past(valid & ~rx.ready, "waits"), run.past(offered, "offered_before")
    run.given(~waits | (valid & (offered == before)))
    run.given(~(at["act"] & begins & ended))

    # What was found out still holds when it is acted on: the induction's own part.
    decided = at["mix"] | at["act"]
    ahead = (number - side.taken)[:32]
    free = ~side.held | (side.silence >= LEASE_S) | (sender == side.peer)
    run.always(sum(at.values()) == 1)
    run.always(inside | ended | ~(decided | at["compare"] | at["judge"] | at["piece"]))
    run.always(~(decided & belongs) | (side.held & (token == side.token)))
    run.always(~(decided & belongs & ~ended) | (sender == side.peer))
    run.always(~(decided & may & ~ended) | free)
    run.always(~(decided & later) | ((ahead != 0) & ~ahead[31]))
    run.always(~(decided & ~skips) | (ahead == 1))
    run.always(~(decided & begins) | (may & is_data))
    run.always(~(decided & closes) | ~(is_data | belongs))

    # The claims.
    held, silent = run.past(side.held, "held"), run.past(side.silence >= LEASE_S, "silent")
    peer, under = run.past(side.peer, "peer"), run.past(side.token, "under")
    so_far, acted, begun = (
        run.past(value, name)
        for value, name in ((side.taken, "so_far"), (at["act"], "acted"), (side.beginning, "begun"))
    )
    run.always(~held | silent | (side.peer == peer))
    run.always((side.token == under) | begun | ~run.started)
    of_peer = side.held & (sender == side.peer) & (token == side.token)
    run.always(~at["piece"] | (inside & of_peer & (number == side.taken)))
    upward = (side.taken - so_far)[:32]
    run.always(begun | ~upward[31])
    run.always(~(acted & (at["piece"] | at["gap"])) | begun | (upward != 0))
    run.always(~(acted & at["piece"]) | (~begun & (upward == 1)))
    run.reachable(at["piece"] & valid & (side.taken == 7))
    return check(run, depth=24, induction=6)


BUGS = [
    (session, "free = ~self.held | expired | from_peer", "free = ~self.held | expired | of_session"),
    (session, "mine = self.held & of_session & from_peer", "mine = self.held & of_session"),
    (session, "later.eq(~ahead[31] & (ahead != 0))", "later.eq(~ahead[31])"),
    (session, "skips.eq(ahead != 1)", "skips.eq(ahead[1:] != 0)"),
    (session, "starts = is_kind[Kind.DATA] & genuine & may", "starts = is_kind[Kind.DATA] & genuine"),
    (session, "m.d.sync += self.taken.eq(number)", "m.d.sync += self.taken.eq(number[:16])"),
]
