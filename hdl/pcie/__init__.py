"""The PCIe link: a transaction-layer endpoint behind any hard block, with DMA engine and descriptor rings.

Imports Amaranth, emulator.spec, hdl.machine, hdl.master, hdl.queue and hdl.link.crc only.
"""
