"""A die or a chip in the forms of other tools: ngspice, Verilog-A, aihwkit."""
