// C interface to the Verilated board behind datagrams: feed datagrams with their sender, run cycles, take
// datagrams with their receiver.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <vector>

#include "Vsim.h"
#include "verilated.h"

namespace {

constexpr unsigned RESET_CYCLES = 8;

struct Datagram {
    uint32_t address = 0;
    uint16_t port = 0;
    std::vector<uint8_t> bytes;
};

struct Board {
    VerilatedContext context;
    Vsim top{&context};
    uint64_t cycles = 0;
    bool second = false;
    std::deque<Datagram> to_device, from_device;
    size_t place = 0;   // within the first of to_device
    Datagram under_way;

    Board() {
        top.clk = 0;
        top.rx_valid = 0;
        top.tx_ready = 1;
        top.second = 0;
        top.rst = 1;
        for (unsigned i = 0; i < RESET_CYCLES; ++i) {
            top.clk = 0;
            top.eval();
            top.clk = 1;
            top.eval();
        }
        top.rst = 0;
    }

    ~Board() { top.final(); }

    // One clock; true when a datagram came out whole.
    bool cycle() {
        const bool offer = !to_device.empty();
        top.rx_valid = offer;
        if (offer) {
            const Datagram& first = to_device.front();
            top.rx_data = first.bytes[place];
            top.rx_last = place + 1 == first.bytes.size();
            top.rx_length = uint16_t(first.bytes.size());
            top.rx_address = first.address;
            top.rx_port = first.port;
        }
        top.second = second;
        second = false;
        top.clk = 0;
        top.eval();  // settles the handshake signals for this cycle's inputs
        if (offer && top.rx_ready && ++place == to_device.front().bytes.size()) {
            to_device.pop_front();
            place = 0;
        }
        bool whole = false;
        if (top.tx_valid) under_way.bytes.push_back(top.tx_data);
        if (top.tx_commit) {
            under_way.address = top.tx_address;
            under_way.port = top.tx_port;
            from_device.push_back(under_way);
            under_way.bytes.clear();
            whole = true;
        }
        top.clk = 1;
        top.eval();
        ++cycles;
        return whole;
    }
};

}  // namespace

extern "C" {

void* ndrite_udp_new() { return new Board; }

void ndrite_udp_delete(void* handle) { delete static_cast<Board*>(handle); }

void ndrite_udp_feed(void* handle, const uint8_t* data, size_t size, uint32_t address, uint16_t port) {
    if (size == 0) return;
    static_cast<Board*>(handle)->to_device.push_back({address, port, std::vector<uint8_t>(data, data + size)});
}

// Run until a datagram came (1) or `budget` cycles passed (0).
int ndrite_udp_run(void* handle, uint64_t budget) {
    auto& board = *static_cast<Board*>(handle);
    for (uint64_t i = 0; i < budget; ++i) {
        if (board.cycle()) return 1;
    }
    return 0;
}

// The oldest datagram that came: its size, 0 where there is none.
size_t ndrite_udp_take(void* handle, uint8_t* out, size_t most, uint32_t* address, uint16_t* port) {
    auto& waiting = static_cast<Board*>(handle)->from_device;
    if (waiting.empty()) return 0;
    const Datagram& first = waiting.front();
    const size_t size = first.bytes.size() < most ? first.bytes.size() : most;
    std::memcpy(out, first.bytes.data(), size);
    *address = first.address;
    *port = first.port;
    waiting.pop_front();
    return size;
}

void ndrite_udp_second(void* handle) { static_cast<Board*>(handle)->second = true; }

size_t ndrite_udp_unsent(void* handle) { return static_cast<Board*>(handle)->to_device.size(); }

uint64_t ndrite_udp_cycles(void* handle) { return static_cast<Board*>(handle)->cycles; }

}  // extern "C"
