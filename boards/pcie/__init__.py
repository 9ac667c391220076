"""Cards: the PCIe endpoint behind a vendor's hard block. Mapped by Yosys; never placed, routed or run.

May import hdl, emulator.spec and boards.fpga.tools. ``python -m boards.pcie.mapping`` writes the report.
"""
