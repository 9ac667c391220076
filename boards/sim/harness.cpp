// C interface to the Verilated board: feed bytes, run cycles, take bytes. The cycle loop lives here because
// a call from Python per clock would cost more than the clock itself.
//
// Two ways in, one at a time: the byte stream (`direct` = 1), or the UART pins, with a serialiser and
// deserialiser of `divisor` clocks per bit, 8N1.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <vector>

#include "Vsim.h"
#include "verilated.h"

namespace {

constexpr unsigned RESET_CYCLES = 8;

struct Board {
    VerilatedContext context;
    Vsim top{&context};
    bool direct;
    const unsigned divisor;
    uint64_t cycles = 0;
    uint64_t framing_errors = 0;
    std::deque<uint8_t> to_device;
    std::vector<uint8_t> from_device;

    // Stream stalls for tests: chance in 256 that a side is not ready in a cycle.
    unsigned stall_rx = 0, stall_tx = 0;
    uint32_t random = 1;

    // UART pins: frames of one byte being sent and received.
    unsigned send_clock = 0, send_bits = 0, send_frame = 0;
    bool receiving = false;
    unsigned receive_clock = 0, receive_bits = 0, receive_byte = 0;

    Board(bool direct_, unsigned divisor_) : direct(direct_), divisor(divisor_) {
        top.clk = 0;
        top.direct = direct;
        top.uart_rx = 1;
        top.rx_valid = 0;
        top.rx_data = 0;
        top.tx_ready = 0;
        top.rst = 1;
        for (unsigned i = 0; i < RESET_CYCLES; ++i) {
            edge();
        }
        top.rst = 0;
    }

    ~Board() { top.final(); }

    void edge() {
        top.clk = 0;
        top.eval();
        top.clk = 1;
        top.eval();
    }

    bool chance(unsigned in_256) {
        if (in_256 == 0) return false;
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        return (random >> 11 & 0xFF) < in_256;
    }

    // One clock of the byte stream; true when a frame delimiter came.
    bool stream_cycle() {
        const bool offer = !to_device.empty() && !chance(stall_rx);
        top.rx_valid = offer;
        if (offer) top.rx_data = to_device.front();
        top.tx_ready = !chance(stall_tx);
        top.clk = 0;
        top.eval();  // settles the handshake signals for this cycle's inputs
        if (offer && top.rx_ready) to_device.pop_front();
        bool delimiter = false;
        if (top.tx_valid && top.tx_ready) {
            from_device.push_back(top.tx_data);
            delimiter = top.tx_data == 0;
        }
        top.clk = 1;
        top.eval();
        return delimiter;
    }

    // One clock at the UART pins; true when a frame delimiter came.
    bool pin_cycle() {
        if (send_bits == 0 && !to_device.empty()) {
            send_frame = 0x200u | unsigned(to_device.front()) << 1;  // stop, 8 data bits, start
            to_device.pop_front();
            send_bits = 10;
            send_clock = 0;
        }
        if (send_bits != 0) {
            top.uart_rx = send_frame & 1;
            if (++send_clock == divisor) {
                send_clock = 0;
                send_frame >>= 1;
                --send_bits;
            }
        } else {
            top.uart_rx = 1;
        }
        edge();
        return receive(top.uart_tx);
    }

    bool receive(bool level) {
        if (!receiving) {
            if (!level) {
                receiving = true;
                receive_clock = divisor + divisor / 2;  // to the middle of the first data bit
                receive_bits = receive_byte = 0;
            }
            return false;
        }
        if (--receive_clock != 0) return false;
        receive_clock = divisor;
        if (receive_bits < 8) {
            receive_byte |= unsigned(level) << receive_bits++;
            return false;
        }
        receiving = false;
        if (!level) {
            ++framing_errors;
            return false;
        }
        from_device.push_back(uint8_t(receive_byte));
        return receive_byte == 0;
    }
};

}  // namespace

extern "C" {

void* ndrite_new(int direct, unsigned divisor) { return new Board(direct != 0, divisor); }

void ndrite_delete(void* handle) { delete static_cast<Board*>(handle); }

void ndrite_feed(void* handle, const uint8_t* data, size_t size) {
    auto& queue = static_cast<Board*>(handle)->to_device;
    queue.insert(queue.end(), data, data + size);
}

// Run until a frame delimiter came (1) or `budget` cycles passed (0).
int ndrite_run(void* handle, uint64_t budget) {
    auto& board = *static_cast<Board*>(handle);
    for (uint64_t i = 0; i < budget; ++i) {
        ++board.cycles;
        if (board.direct ? board.stream_cycle() : board.pin_cycle()) return 1;
    }
    return 0;
}

// The other way in, between frames.
void ndrite_go(void* handle, int direct) {
    auto& board = *static_cast<Board*>(handle);
    board.direct = direct != 0;
    board.top.direct = board.direct;
    board.top.rx_valid = 0;
    board.top.uart_rx = 1;
}

size_t ndrite_waiting(void* handle) { return static_cast<Board*>(handle)->from_device.size(); }

size_t ndrite_take(void* handle, uint8_t* out, size_t most) {
    auto& waiting = static_cast<Board*>(handle)->from_device;
    const size_t size = waiting.size() < most ? waiting.size() : most;
    std::memcpy(out, waiting.data(), size);
    waiting.erase(waiting.begin(), waiting.begin() + std::ptrdiff_t(size));
    return size;
}

size_t ndrite_unsent(void* handle) { return static_cast<Board*>(handle)->to_device.size(); }

uint64_t ndrite_cycles(void* handle) { return static_cast<Board*>(handle)->cycles; }

uint64_t ndrite_framing_errors(void* handle) { return static_cast<Board*>(handle)->framing_errors; }

void ndrite_stall(void* handle, unsigned rx_in_256, unsigned tx_in_256, uint32_t seed) {
    auto& board = *static_cast<Board*>(handle);
    board.stall_rx = rx_in_256;
    board.stall_tx = tx_in_256;
    board.random = seed ? seed : 1;
}

}  // extern "C"
