// A pin that has D0 while the clock is high and D1 while it is low, as Lattice's FPGA-TN-02035 describes it.
module ODDRX1F (input SCLK, RST, D0, D1, output Q);
    parameter GSR = "ENABLED";
    reg high = 0, low = 0;
    always @(posedge SCLK) begin
        high <= D0;
        low <= D1;
    end
    assign Q = SCLK ? high : low;
endmodule
