// C interface to the Verilated PCIe endpoint: a processor that reads and writes BAR0, host memory behind a
// root complex, and a link of given speed and latency between that and the endpoint's TLP streams.
//
// The link: a TLP of n header and payload bytes takes (n + 8) / rate cycles of its direction (sequence number,
// LCRC and framing are 8 bytes); the hard block stores and forwards, with room for `TX_BUFFER` bytes towards
// the link. Reads of memory are answered `latency` cycles after they arrive, split at max payload or, if asked,
// at every 64 bytes. Acknowledgements and flow-control updates are not counted.
//
// The same for an endpoint behind adapter and model of a hard block (boards/sim/pcie_block.py), whose top has a
// second clock, `array_clk`, and pins that reset or lose the link.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <vector>

#include "Vsim.h"
#include "verilated.h"

namespace {

constexpr unsigned RESET_CYCLES = 8;
constexpr uint64_t BAR_BASE = 0x10'0000'0000;  // beyond 4 GiB: requests have four double words
constexpr uint16_t CARD_ID = 0x0100, HOST_ID = 0x0000;
constexpr double TX_BUFFER = 2048, FRAMING = 8;

using Words = std::vector<uint32_t>;  // double words of a TLP, as numbers

enum Loss { RESET, HOT_RESET, LINK_DOWN };  // what `ndrite_card_reset` does

// A pin that only some tops have.
template <class Top>
void set_loss(Top& top, int kind, bool level) {
    if (kind == RESET) top.rst = level;
    if constexpr (requires { top.link_down; }) {
        if (kind == HOT_RESET) top.hot_reset = level;
        if (kind == LINK_DOWN) top.link_down = level;
    }
}

// The edges of the array's own clock in one clock of the block, of which there are `ratio` on average.
template <class Top>
void array_edges(Top& top, double ratio, double& phase) {
    if constexpr (requires { top.array_clk; })
        for (phase += ratio; phase >= 1; phase -= 1)
            for (int level : {0, 1}) {
                top.array_clk = level;
                top.eval();
            }
}

uint32_t swapped(uint32_t word) { return __builtin_bswap32(word); }

struct Timed {
    double at;
    Words words;
};

struct Card {
    VerilatedContext context;
    Vsim top{&context};
    uint8_t* const memory;
    const uint64_t base, size;
    uint64_t cycles = 0;

    // Link: bytes a cycle of each direction (0: unlimited), cycles from a read's arrival to its answer.
    double rate = 0, latency = 0;
    unsigned max_payload = 0;
    bool every_boundary = false;
    double rx_free = 0, tx_free = 0;
    std::deque<Timed> rx, tx;  // to the endpoint; from it, on the link
    size_t rx_word = 0;
    Words sending;
    bool taken = false;

    uint64_t interrupts = 0, stray = 0;
    uint64_t rx_payload = 0, tx_payload = 0, rx_beats = 0, tx_beats = 0, reads = 0;
    int64_t refuse_after = -1, lose_after = -1, gone_after = -1, reset_after = -1;
    unsigned reset_cycles = 0;  // of the reset that comes, or of what is left of it
    bool gone = false, answered = false;
    int loss = RESET;
    double ratio = 1.6180339887, phase = 0;  // array clocks to one of the link; a fraction of one so far
    unsigned tag = 0;  // of the processor's latest read
    uint32_t answer = 0;
    unsigned answer_status = 0;

    Card(uint8_t* memory_, uint64_t base_, uint64_t size_) : memory(memory_), base(base_), size(size_) {
        top.clk = 0;
        top.rx_valid = 0;
        top.tx_ready = 0;
        top.msi_taken = 0;
        top.requester_id = CARD_ID;
        top.bus_master = 1;
        top.msi_enable = 1;
        set_loss(top, HOT_RESET, false);
        set_loss(top, LINK_DOWN, false);
        top.rst = 1;
        for (unsigned i = 0; i < RESET_CYCLES; ++i) edge();
        top.rst = 0;
    }

    ~Card() { top.final(); }

    void edge() {
        array_edges(top, ratio, phase);
        top.clk = 0;
        top.eval();
        top.clk = 1;
        top.eval();
    }

    // The hard block is reset with the endpoint: nothing of what was on its way arrives.
    void lose_link() {
        rx.clear();
        tx.clear();
        sending.clear();
        rx_word = 0;
        rx_free = tx_free = 0;
        taken = false;
        top.rx_valid = 0;
        top.tx_ready = 0;
        top.msi_taken = 0;
    }

    double duration(size_t words) const { return rate > 0 ? (4.0 * double(words) + FRAMING) / rate : 0; }

    // A TLP enters the link towards the endpoint, not before `ready`.
    void deliver(Words words, double ready) {
        rx_free = (rx_free > ready ? rx_free : ready) + duration(words.size());
        rx.push_back({rx_free, std::move(words)});
    }

    void complete(const Words& request, unsigned status, uint64_t address, unsigned length, double ready) {
        const uint32_t back = (request[1] & 0xFFFF0000u) | (request[1] & 0xFF00u);
        if (status) {
            deliver({0x0A000000u, uint32_t(HOST_ID) << 16 | status << 13 | 4, back}, ready);
            return;
        }
        // Bytes asked for, up to the last one enabled; the gateware's reads begin on a double word.
        const unsigned enables = length == 1 ? request[1] & 15 : request[1] >> 4 & 15;
        unsigned left = 4 * length - (enables & 8 ? 0 : enables & 4 ? 1 : enables & 2 ? 2 : 3);
        while (left) {
            const unsigned step = every_boundary ? 64 : 128u << max_payload;
            unsigned here = step - unsigned(address % step);
            if (here > left) here = left;
            Words words{0x4A000000u | ((here + 3) / 4 & 0x3FF), uint32_t(HOST_ID) << 16 | (left & 0xFFF),
                        back | uint32_t(address & 0x7F)};
            for (unsigned i = 0; i < here; i += 4) {
                uint32_t word;
                std::memcpy(&word, memory + (address - base) + i, 4);
                words.push_back(swapped(word));
            }
            rx_payload += here;
            deliver(std::move(words), ready);
            address += here;
            left -= here;
        }
    }

    // A TLP from the endpoint arrives at the root complex.
    void arrive(const Words& words, double now) {
        const unsigned fmt = words[0] >> 29, kind = words[0] >> 24 & 0x1F;
        const unsigned length = words[0] & 0x3FF ? words[0] & 0x3FF : 1024;
        if (kind >> 1 == 0x0A >> 1) {
            if ((words[2] >> 8 & 0xFF) != tag) return;  // of a read that was given up
            answered = true;
            answer_status = words[1] >> 13 & 7;
            answer = fmt & 2 ? swapped(words[3]) : 0xFFFFFFFFu;
            return;
        }
        const size_t header = fmt & 1 ? 4 : 3;
        const uint64_t address = (fmt & 1 ? uint64_t(words[2]) << 32 | words[3] : words[2]) & ~uint64_t(3);
        const bool mapped = address >= base && address + 4 * length <= base + size;
        if (!(fmt & 2)) {
            ++reads;
            if (lose_after >= 0 && lose_after-- == 0) return;
            const bool refused = refuse_after >= 0 && refuse_after-- == 0;
            complete(words, mapped && !refused ? 0 : 1, address, length, now + latency);
            return;
        }
        if (!mapped) {
            ++stray;
            return;
        }
        const unsigned first = words[1] & 15, last = words[1] >> 4 & 15;
        for (unsigned i = 0; i < length; ++i) {
            const unsigned enables = i == 0 ? first : i == length - 1 ? last : 15;
            const uint32_t word = swapped(words[header + i]);
            for (unsigned byte = 0; byte < 4; ++byte)
                if (enables >> byte & 1) memory[address - base + 4 * i + byte] = uint8_t(word >> 8 * byte);
        }
        tx_payload += 4 * length;
    }

    // One clock; true when an MSI was delivered in it.
    bool cycle() {
        const double now = double(++cycles);
        if (gone_after >= 0 && gone_after-- == 0) gone = true;
        if (gone) return false;
        if (reset_after > 0 && --reset_after == 0) lose_link();
        if (reset_after == 0) {
            set_loss(top, loss, true);
            edge();
            if (--reset_cycles == 0) {
                set_loss(top, loss, false);
                reset_after = -1;
            }
            return false;
        }
        const bool offer = !rx.empty() && rx.front().at <= now;
        top.rx_valid = offer;
        if (offer) {
            const Words& words = rx.front().words;
            const bool half = rx_word + 1 >= words.size();
            top.rx_data = words[rx_word] | (half ? 0 : uint64_t(words[rx_word + 1]) << 32);
            top.rx_half = half;
            top.rx_last = rx_word + 2 >= words.size();
        }
        top.tx_ready = rate == 0 || (tx_free - now) * rate < TX_BUFFER;
        top.msi_taken = taken;
        array_edges(top, ratio, phase);
        top.clk = 0;
        top.eval();  // settles the handshake signals for this cycle's inputs
        if (offer && top.rx_ready) {
            ++rx_beats;
            rx_word += 2;
            if (top.rx_last) {
                rx.pop_front();
                rx_word = 0;
            }
        }
        if (top.tx_valid && top.tx_ready) {
            ++tx_beats;
            sending.push_back(uint32_t(top.tx_data));
            if (!top.tx_half) sending.push_back(uint32_t(top.tx_data >> 32));
            if (top.tx_last) {
                tx_free = (tx_free > now ? tx_free : now) + duration(sending.size());
                tx.push_back({tx_free, std::move(sending)});
                sending.clear();
            }
        }
        bool interrupt = false;
        while (!tx.empty() && tx.front().at <= now) {
            const Words words = std::move(tx.front().words);
            tx.pop_front();
            arrive(words, now);
        }
        const bool asked = top.msi && !taken;
        taken = asked && tx.empty() && sending.empty() && top.msi_enable;
        if (taken) {
            ++interrupts;
            interrupt = true;
        }
        top.clk = 1;
        top.eval();
        return interrupt;
    }

    void request(bool write, uint64_t offset, uint32_t value) {
        const uint64_t address = BAR_BASE + offset;
        Words words{(write ? 0x60000000u : 0x20000000u) | 1, uint32_t(HOST_ID) << 16 | (tag & 0xFF) << 8 | 0x0F,
                    uint32_t(address >> 32), uint32_t(address)};
        if (write) words.push_back(swapped(value));
        deliver(std::move(words), double(cycles));
    }
};

Card& card(void* handle) { return *static_cast<Card*>(handle); }

}  // namespace

extern "C" {

void* ndrite_card_new(uint8_t* memory, uint64_t base, uint64_t size) { return new Card(memory, base, size); }

void ndrite_card_delete(void* handle) { delete static_cast<Card*>(handle); }

void ndrite_card_link(void* handle, double rate, double latency, int every_boundary) {
    card(handle).rate = rate;
    card(handle).latency = latency;
    card(handle).every_boundary = every_boundary != 0;
}

void ndrite_card_config(void* handle, unsigned max_payload, unsigned max_read, int bus_master, int msi) {
    auto& c = card(handle);
    c.max_payload = max_payload;
    c.top.max_payload = max_payload;
    c.top.max_read = max_read;
    c.top.bus_master = bus_master != 0;
    c.top.msi_enable = msi != 0;
}

// 0 and the word; 1 when the card refused; 2 when it did not answer within `budget` cycles.
int ndrite_card_read(void* handle, uint64_t offset, uint64_t budget, uint32_t* value) {
    auto& c = card(handle);
    c.answered = false;
    c.tag = (c.tag + 1) & 0xFF;
    c.request(false, offset, 0);
    for (uint64_t i = 0; i < budget && !c.answered && !c.gone; ++i) c.cycle();
    *value = c.answered && !c.answer_status ? c.answer : 0xFFFFFFFFu;
    return !c.answered ? 2 : c.answer_status ? 1 : 0;
}

void ndrite_card_write(void* handle, uint64_t offset, uint32_t value) {
    auto& c = card(handle);
    if (!c.gone) c.request(true, offset, value);
}

// Run until an MSI comes (1) or `budget` cycles passed (0).
int ndrite_card_run(void* handle, uint64_t budget) {
    auto& c = card(handle);
    for (uint64_t i = 0; i < budget; ++i)
        if (c.cycle()) return 1;
    return 0;
}

// Faults: after how many more memory reads (or cycles, for `gone`) each happens; -1: never.
void ndrite_card_fault(void* handle, int64_t refuse, int64_t lose, int64_t gone) {
    auto& c = card(handle);
    c.refuse_after = refuse;
    c.lose_after = lose;
    c.gone_after = gone;
    if (gone < 0) c.gone = false;
}

// Array clocks to one of the link, where the array has its own.
void ndrite_card_clocks(void* handle, double ratio) { card(handle).ratio = ratio; }

// A loss of so many cycles, at least 1, after so many more, at least 1.
void ndrite_card_reset(void* handle, uint64_t after, unsigned cycles, int kind) {
    card(handle).reset_after = int64_t(after);
    card(handle).loss = kind;
    card(handle).reset_cycles = cycles;
}

void ndrite_card_counters(void* handle, uint64_t* out) {
    const auto& c = card(handle);
    const uint64_t values[] = {c.cycles,     c.interrupts, c.rx_payload, c.tx_payload,
                               c.rx_beats,   c.tx_beats,   c.reads,      c.stray};
    std::memcpy(out, values, sizeof values);
}

}  // extern "C"
