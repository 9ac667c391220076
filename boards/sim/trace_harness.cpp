// The harness with waveforms: the same board, one cycle at a time, written to a VCD file while one is open.
// Time is in clock cycles times two: even when the clock has risen, odd when it has fallen.
#include "harness.cpp"

#include <map>

#include "verilated_vcd_c.h"

namespace {

struct Wave {
    VerilatedVcdC file;
    uint64_t cycle = 0;
};

std::map<void*, Wave*> waves;

}  // namespace

extern "C" {

// Start writing `path`; false when the file cannot be opened. A model takes one file in its life.
int ndrite_trace_open(void* handle, const char* path, int levels) {
    auto& board = *static_cast<Board*>(handle);
    if (waves.count(handle)) return 0;
    auto* wave = new Wave;
    board.context.traceEverOn(true);
    board.top.trace(&wave->file, levels);
    wave->file.open(path);
    if (!wave->file.isOpen()) {
        delete wave;
        return 0;
    }
    waves[handle] = wave;
    return 1;
}

void ndrite_trace_close(void* handle) {
    auto found = waves.find(handle);
    if (found == waves.end()) return;
    found->second->file.close();
    delete found->second;
    waves.erase(found);
}

// As ndrite_run, every cycle written.
int ndrite_trace_run(void* handle, uint64_t budget) {
    auto& board = *static_cast<Board*>(handle);
    auto& wave = *waves.at(handle);
    for (uint64_t i = 0; i < budget; ++i) {
        const int ended = ndrite_run(handle, 1);
        wave.file.dump(2 * wave.cycle);
        board.top.clk = 0;
        board.top.eval();
        wave.file.dump(2 * wave.cycle + 1);
        ++wave.cycle;
        if (ended) return 1;
    }
    return 0;
}

}  // extern "C"
