"""RTL regression: cocotb benches (bench_*) and the pytest cases that run them (test_*);
folders as in hdl."""
