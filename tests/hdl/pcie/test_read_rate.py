"""DMA reads against the limit of the link, in simulated clocks."""

import pytest
from pcie_meter import payload_limit, read_rate


@pytest.mark.parametrize("max_payload", [0, 1])
def test_enough_tags_fill_the_link(max_payload: int) -> None:
    """Gen2 x1 at a user clock of 62.5 MHz, 250 ns from a read to its answer."""
    found = read_rate(rate=8, latency=16, max_payload=max_payload)
    assert 0.9 <= found.efficiency <= 1.01, found


def test_a_window_of_two_reads_waits_for_the_host() -> None:
    """2 * 512 bytes in a round trip of 1000 clocks and the reads' own time: the rate the latency leaves."""
    found = read_rate(rate=8, latency=1000, max_payload=1, tags=2)
    assert 1024 / 1200 < found.payload < 1024 / 1000, found


def test_limit_counts_header_and_framing() -> None:
    assert payload_limit(148, 128) == 128
    assert payload_limit(276, 256) == 256
