"""An Artix-7 PCIe card: the endpoint behind the part's hard block, mapped but never placed or run.

``python -m boards.pcie_card.synthesis`` maps the card's top to Artix-7 cells; ``python -m
boards.pcie_card.area`` places and routes endpoint and core on an ECP5, for area and speed only: that part
has no hard block, and no such board is meant. Both write their reports here.
"""
