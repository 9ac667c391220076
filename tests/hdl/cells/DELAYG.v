// A pin's delay; simulated without it, as edges are.
module DELAYG (input A, output Z);
    parameter DEL_MODE = "USER_DEFINED";
    parameter DEL_VALUE = 0;
    assign Z = A;
endmodule
