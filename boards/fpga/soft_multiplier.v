// The registered MULT18X18D of hdl.multiplier out of LUTs, for parts with fewer multipliers than lanes.
// Yosys techmap: only the cells chosen by Board.soft_multipliers become this.
(* techmap_celltype = "MULT18X18D" *)
module soft_multiplier (
    input A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0,
    input B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0,
    input CLK0,
    input C17, C16, C15, C14, C13, C12, C11, C10, C9, C8, C7, C6, C5, C4, C3, C2, C1, C0, CLK1, CLK2,
        CLK3, CE0, CE1, CE2, CE3, RST0, RST1, RST2, RST3, SIGNEDA, SIGNEDB, SOURCEA, SOURCEB, SRIA17,
        SRIA16, SRIA15, SRIA14, SRIA13, SRIA12, SRIA11, SRIA10, SRIA9, SRIA8, SRIA7, SRIA6, SRIA5, SRIA4,
        SRIA3, SRIA2, SRIA1, SRIA0, SRIB17, SRIB16, SRIB15, SRIB14, SRIB13, SRIB12, SRIB11, SRIB10,
        SRIB9, SRIB8, SRIB7, SRIB6, SRIB5, SRIB4, SRIB3, SRIB2, SRIB1, SRIB0,
    output P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18,
    output P17, P16, P15, P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0
);
    parameter REG_INPUTA_CLK = "CLK0";
    parameter REG_INPUTB_CLK = "CLK0";
    parameter REG_PIPELINE_CLK = "CLK0";
    parameter REG_OUTPUT_CLK = "CLK0";
    // A lane multiplies a signed code of at most 9 bits by an unsigned one of 8.
    // The product register holds its two halves, which the output register adds.
    reg signed [8:0] a, b;
    reg signed [13:0] low;
    reg signed [12:0] high;
    reg signed [17:0] out;
    always @(posedge CLK0) begin
        a <= {A8, A7, A6, A5, A4, A3, A2, A1, A0};
        b <= {B8, B7, B6, B5, B4, B3, B2, B1, B0};
        low <= a * $signed({1'b0, b[4:0]});
        high <= a * $signed(b[8:5]);
        out <= low + (high <<< 5);
    end
    assign {P17, P16, P15, P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0} = out;
    assign {P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18} =
        {18{out[17]}};
endmodule
