"""The PCIe link: a transaction-layer endpoint for any hard block, with DMA engine and
descriptor rings."""
