"""The PCIe link: a transaction-layer endpoint behind any hard block, with DMA engine and descriptor rings."""
