// DP16KD: the ECP5's 18 Kbit block RAM, as far as Yosys and this project use it.
//
// Yosys declares the cell as a black box; this model is ours, written from Lattice's memory usage guide
// (FPGA-TN-02204) and Yosys' mapping. Left out, and refused: chip-select decoding, clock inversion,
// asynchronous reset where one is connected. Two ports on one address in one cycle, one writing: the
// other reads the old word, as Yosys assumes where it maps a memory here without further logic.
module DP16KD (
    input DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4,
        DIA3, DIA2, DIA1, DIA0,
    input ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0,
    input CEA, OCEA, CLKA, WEA, RSTA, CSA2, CSA1, CSA0,
    output DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4,
        DOA3, DOA2, DOA1, DOA0,
    input DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4,
        DIB3, DIB2, DIB1, DIB0,
    input ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0,
    input CEB, OCEB, CLKB, WEB, RSTB, CSB2, CSB1, CSB0,
    output DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4,
        DOB3, DOB2, DOB1, DOB0
);
    parameter DATA_WIDTH_A = 18;
    parameter DATA_WIDTH_B = 18;
    parameter REGMODE_A = "NOREG";
    parameter REGMODE_B = "NOREG";
    parameter RESETMODE = "SYNC";
    parameter ASYNC_RESET_RELEASE = "SYNC";
    parameter CSDECODE_A = "0b000";
    parameter CSDECODE_B = "0b000";
    parameter WRITEMODE_A = "NORMAL";
    parameter WRITEMODE_B = "NORMAL";
    parameter CLKAMUX = "CLKA";
    parameter CLKBMUX = "CLKB";
    parameter GSR = "ENABLED";
    parameter INIT_DATA = "STATIC";
    parameter [319:0] INITVAL_00 = 320'd0;
    parameter [319:0] INITVAL_01 = 320'd0;
    parameter [319:0] INITVAL_02 = 320'd0;
    parameter [319:0] INITVAL_03 = 320'd0;
    parameter [319:0] INITVAL_04 = 320'd0;
    parameter [319:0] INITVAL_05 = 320'd0;
    parameter [319:0] INITVAL_06 = 320'd0;
    parameter [319:0] INITVAL_07 = 320'd0;
    parameter [319:0] INITVAL_08 = 320'd0;
    parameter [319:0] INITVAL_09 = 320'd0;
    parameter [319:0] INITVAL_0A = 320'd0;
    parameter [319:0] INITVAL_0B = 320'd0;
    parameter [319:0] INITVAL_0C = 320'd0;
    parameter [319:0] INITVAL_0D = 320'd0;
    parameter [319:0] INITVAL_0E = 320'd0;
    parameter [319:0] INITVAL_0F = 320'd0;
    parameter [319:0] INITVAL_10 = 320'd0;
    parameter [319:0] INITVAL_11 = 320'd0;
    parameter [319:0] INITVAL_12 = 320'd0;
    parameter [319:0] INITVAL_13 = 320'd0;
    parameter [319:0] INITVAL_14 = 320'd0;
    parameter [319:0] INITVAL_15 = 320'd0;
    parameter [319:0] INITVAL_16 = 320'd0;
    parameter [319:0] INITVAL_17 = 320'd0;
    parameter [319:0] INITVAL_18 = 320'd0;
    parameter [319:0] INITVAL_19 = 320'd0;
    parameter [319:0] INITVAL_1A = 320'd0;
    parameter [319:0] INITVAL_1B = 320'd0;
    parameter [319:0] INITVAL_1C = 320'd0;
    parameter [319:0] INITVAL_1D = 320'd0;
    parameter [319:0] INITVAL_1E = 320'd0;
    parameter [319:0] INITVAL_1F = 320'd0;
    parameter [319:0] INITVAL_20 = 320'd0;
    parameter [319:0] INITVAL_21 = 320'd0;
    parameter [319:0] INITVAL_22 = 320'd0;
    parameter [319:0] INITVAL_23 = 320'd0;
    parameter [319:0] INITVAL_24 = 320'd0;
    parameter [319:0] INITVAL_25 = 320'd0;
    parameter [319:0] INITVAL_26 = 320'd0;
    parameter [319:0] INITVAL_27 = 320'd0;
    parameter [319:0] INITVAL_28 = 320'd0;
    parameter [319:0] INITVAL_29 = 320'd0;
    parameter [319:0] INITVAL_2A = 320'd0;
    parameter [319:0] INITVAL_2B = 320'd0;
    parameter [319:0] INITVAL_2C = 320'd0;
    parameter [319:0] INITVAL_2D = 320'd0;
    parameter [319:0] INITVAL_2E = 320'd0;
    parameter [319:0] INITVAL_2F = 320'd0;
    parameter [319:0] INITVAL_30 = 320'd0;
    parameter [319:0] INITVAL_31 = 320'd0;
    parameter [319:0] INITVAL_32 = 320'd0;
    parameter [319:0] INITVAL_33 = 320'd0;
    parameter [319:0] INITVAL_34 = 320'd0;
    parameter [319:0] INITVAL_35 = 320'd0;
    parameter [319:0] INITVAL_36 = 320'd0;
    parameter [319:0] INITVAL_37 = 320'd0;
    parameter [319:0] INITVAL_38 = 320'd0;
    parameter [319:0] INITVAL_39 = 320'd0;
    parameter [319:0] INITVAL_3A = 320'd0;
    parameter [319:0] INITVAL_3B = 320'd0;
    parameter [319:0] INITVAL_3C = 320'd0;
    parameter [319:0] INITVAL_3D = 320'd0;
    parameter [319:0] INITVAL_3E = 320'd0;
    parameter [319:0] INITVAL_3F = 320'd0;
    reg [8:0] mem [0:2047];
    integer n;
    // Each INITVAL holds sixteen 18-bit words, 20 bits apart.
    task load(input [5:0] part, input [319:0] value);
        for (n = 0; n < 16; n = n + 1) begin
            mem[{part, n[3:0], 1'b0}] = value[20 * n +: 9];
            mem[{part, n[3:0], 1'b1}] = value[20 * n + 9 +: 9];
        end
    endtask
    initial begin
        load(6'h00, INITVAL_00);
        load(6'h01, INITVAL_01);
        load(6'h02, INITVAL_02);
        load(6'h03, INITVAL_03);
        load(6'h04, INITVAL_04);
        load(6'h05, INITVAL_05);
        load(6'h06, INITVAL_06);
        load(6'h07, INITVAL_07);
        load(6'h08, INITVAL_08);
        load(6'h09, INITVAL_09);
        load(6'h0A, INITVAL_0A);
        load(6'h0B, INITVAL_0B);
        load(6'h0C, INITVAL_0C);
        load(6'h0D, INITVAL_0D);
        load(6'h0E, INITVAL_0E);
        load(6'h0F, INITVAL_0F);
        load(6'h10, INITVAL_10);
        load(6'h11, INITVAL_11);
        load(6'h12, INITVAL_12);
        load(6'h13, INITVAL_13);
        load(6'h14, INITVAL_14);
        load(6'h15, INITVAL_15);
        load(6'h16, INITVAL_16);
        load(6'h17, INITVAL_17);
        load(6'h18, INITVAL_18);
        load(6'h19, INITVAL_19);
        load(6'h1A, INITVAL_1A);
        load(6'h1B, INITVAL_1B);
        load(6'h1C, INITVAL_1C);
        load(6'h1D, INITVAL_1D);
        load(6'h1E, INITVAL_1E);
        load(6'h1F, INITVAL_1F);
        load(6'h20, INITVAL_20);
        load(6'h21, INITVAL_21);
        load(6'h22, INITVAL_22);
        load(6'h23, INITVAL_23);
        load(6'h24, INITVAL_24);
        load(6'h25, INITVAL_25);
        load(6'h26, INITVAL_26);
        load(6'h27, INITVAL_27);
        load(6'h28, INITVAL_28);
        load(6'h29, INITVAL_29);
        load(6'h2A, INITVAL_2A);
        load(6'h2B, INITVAL_2B);
        load(6'h2C, INITVAL_2C);
        load(6'h2D, INITVAL_2D);
        load(6'h2E, INITVAL_2E);
        load(6'h2F, INITVAL_2F);
        load(6'h30, INITVAL_30);
        load(6'h31, INITVAL_31);
        load(6'h32, INITVAL_32);
        load(6'h33, INITVAL_33);
        load(6'h34, INITVAL_34);
        load(6'h35, INITVAL_35);
        load(6'h36, INITVAL_36);
        load(6'h37, INITVAL_37);
        load(6'h38, INITVAL_38);
        load(6'h39, INITVAL_39);
        load(6'h3A, INITVAL_3A);
        load(6'h3B, INITVAL_3B);
        load(6'h3C, INITVAL_3C);
        load(6'h3D, INITVAL_3D);
        load(6'h3E, INITVAL_3E);
        load(6'h3F, INITVAL_3F);
        if (CSDECODE_A != "0b000" || CSDECODE_B != "0b000") $fatal(1, "DP16KD: CSDECODE is not modelled");
        if (CLKAMUX != "CLKA" || CLKBMUX != "CLKB") $fatal(1, "DP16KD: clock inversion is not modelled");
    end

    wire selected_a = ~(CSA2 | CSA1 | CSA0);
    wire selected_b = ~(CSB2 | CSB1 | CSB0);
    wire [17:0] dia = {DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6,
        DIA5, DIA4, DIA3, DIA2, DIA1, DIA0};
    wire [17:0] dib = {DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6,
        DIB5, DIB4, DIB3, DIB2, DIB1, DIB0};
    wire [13:0] ada = {ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1,
        ADA0};
    wire [13:0] adb = {ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1,
        ADB0};

    function [35:0] fetch(input integer width, input [13:0] address);
        case (width)
            1: fetch = {35'd0, mem[address[13:3]][address[2:0]]};
            2: fetch = {34'd0, mem[address[13:3]][{address[2:1], 1'b0} +: 2]};
            4: fetch = {32'd0, mem[address[13:3]][{address[2], 2'b00} +: 4]};
            9: fetch = {27'd0, mem[address[13:3]]};
            18: fetch = {18'd0, mem[{address[13:4], 1'b1}], mem[{address[13:4], 1'b0}]};
            default: fetch = {mem[{address[13:5], 2'd3}], mem[{address[13:5], 2'd2}],
                              mem[{address[13:5], 2'd1}], mem[{address[13:5], 2'd0}]};
        endcase
    endfunction

    task store(input integer width, input [13:0] address, input [35:0] data);
        case (width)
            1: mem[address[13:3]][address[2:0]] <= data[0];
            2: mem[address[13:3]][{address[2:1], 1'b0} +: 2] <= data[1:0];
            4: mem[address[13:3]][{address[2], 2'b00} +: 4] <= data[3:0];
            9: mem[address[13:3]] <= data[8:0];
            18: begin
                if (address[0]) mem[{address[13:4], 1'b0}] <= data[8:0];
                if (address[1]) mem[{address[13:4], 1'b1}] <= data[17:9];
            end
            default: begin
                if (address[0]) mem[{address[13:5], 2'd0}] <= data[8:0];
                if (address[1]) mem[{address[13:5], 2'd1}] <= data[17:9];
                if (address[2]) mem[{address[13:5], 2'd2}] <= data[26:18];
                if (address[3]) mem[{address[13:5], 2'd3}] <= data[35:27];
            end
        endcase
    endtask

    // What a port shows when it writes: only whole-word enables occur outside mode NORMAL.
    reg [35:0] out_a = 36'd0, out_b = 36'd0, late_a = 36'd0, late_b = 36'd0;
    always @(posedge CLKA) begin
        if (CEA && selected_a) begin
            if (WEA) store(DATA_WIDTH_A, ada, {dib, dia});
            if (!WEA || WRITEMODE_A == "READBEFOREWRITE") out_a <= fetch(DATA_WIDTH_A, ada);
            else if (WRITEMODE_A == "WRITETHROUGH") out_a <= {18'd0, dia};
        end
        if (OCEA) late_a <= out_a;
        if (RSTA && RESETMODE != "SYNC") $fatal(1, "DP16KD: asynchronous reset is not modelled");
        if (RSTA) begin
            out_a <= 36'd0;
            late_a <= 36'd0;
        end
    end
    always @(posedge CLKB) begin
        if (CEB && selected_b) begin
            if (WEB) store(DATA_WIDTH_B, adb, {18'd0, dib});
            if (!WEB || WRITEMODE_B == "READBEFOREWRITE") out_b <= fetch(DATA_WIDTH_B, adb);
            else if (WRITEMODE_B == "WRITETHROUGH") out_b <= {18'd0, dib};
        end
        if (OCEB) late_b <= out_b;
        if (RSTB && RESETMODE != "SYNC") $fatal(1, "DP16KD: asynchronous reset is not modelled");
        if (RSTB) begin
            out_b <= 36'd0;
            late_b <= 36'd0;
        end
    end

    // A 36-bit read port is port B's, its low half on DOA.
    wire [35:0] show_a = REGMODE_A == "OUTREG" ? late_a : out_a;
    wire [35:0] show_b = REGMODE_B == "OUTREG" ? late_b : out_b;
    wire [17:0] doa = DATA_WIDTH_B == 36 ? show_b[17:0] : show_a[17:0];
    wire [17:0] dob = DATA_WIDTH_B == 36 ? show_b[35:18] : show_b[17:0];
    assign {DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4,
        DOA3, DOA2, DOA1, DOA0} = doa;
    assign {DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4,
        DOB3, DOB2, DOB1, DOB0} = dob;
endmodule
