"""The PCIe link: a transaction-layer endpoint behind any hard block, with DMA engine and descriptor rings.

Imports Amaranth, emulator.spec, hdl.device, hdl.parts and hdl.link.crc only.
"""
