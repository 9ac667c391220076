// Both of a clock cycle's levels of a pin, a cycle later, as Lattice's FPGA-TN-02035 describes it.
module IDDRX1F (input D, SCLK, RST, output reg Q0, Q1);
    parameter GSR = "ENABLED";
    reg rise = 0, fall = 0;
    initial begin Q0 = 0; Q1 = 0; end
    always @(posedge SCLK) begin
        rise <= D;
        Q0 <= rise;
        Q1 <= fall;
    end
    always @(negedge SCLK) fall <= D;
endmodule
