"""Cards: the PCIe endpoint behind a vendor's hard block. Mapped by Yosys; never placed, routed or run.

May import hdl, emulator.spec and boards.fpga.tools. ``benchmarks/pcie_size.py`` counts its cells.
"""
