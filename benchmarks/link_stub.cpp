// A device behind UDP that takes no time: what is left is the host's. It follows the session's and the packets'
// rules, keeps words, and answers an inference with the sum of its inputs and its index in every output.
//
//     link_stub OUTPUTS WORD...     words of registers 0 up, then the inferences' outputs; prints its port
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace {

constexpr unsigned REGIONS = 16, REGION_WORDS = 1 << 18;
constexpr unsigned TOGETHER = 4;
constexpr uint8_t OPEN = 0x03, OFFER = 0x05, DATA = 0x18, VERSION = 1;
constexpr size_t HEADER = 16, PIECE_MAX = 1500 - 28 - HEADER;

uint32_t table[8][256];
std::vector<uint32_t> words(size_t(REGIONS) * REGION_WORDS);
int outputs;

uint32_t crc(const uint8_t* data, size_t size) {
    uint32_t c = ~0u;
    for (; size >= 8; size -= 8, data += 8) {  // eight bytes a step: Kounavis and Berry, 2005
        uint32_t low, high;
        std::memcpy(&low, data, 4);
        std::memcpy(&high, data + 4, 4);
        low ^= c;
        c = table[7][low & 0xFF] ^ table[6][low >> 8 & 0xFF] ^ table[5][low >> 16 & 0xFF] ^ table[4][low >> 24] ^
            table[3][high & 0xFF] ^ table[2][high >> 8 & 0xFF] ^ table[1][high >> 16 & 0xFF] ^ table[0][high >> 24];
    }
    while (size--) c = table[0][(c ^ *data++) & 0xFF] ^ c >> 8;
    return ~c;
}

uint32_t& word(uint32_t address) {
    return words[size_t(address >> 24) % REGIONS * REGION_WORDS + (address & 0xFFFFFF) % REGION_WORDS];
}

struct Device {
    std::vector<uint8_t> frame, body, out;
    unsigned answers = 0;
    uint16_t expected = 0, latest = 0xFFFF;
    std::vector<uint8_t> cached;

    void send(const uint8_t* request, uint8_t status, const std::vector<uint8_t>& payload) {
        std::vector<uint8_t> body{VERSION, request[1], request[2], uint8_t(request[3] | 0x80), status, 0,
                                  uint8_t(expected), uint8_t(expected >> 8), uint8_t(payload.size()),
                                  uint8_t(payload.size() >> 8)};
        body.insert(body.end(), payload.begin(), payload.end());
        const uint32_t sum = crc(body.data(), body.size());
        for (int i = 0; i < 4; ++i) body.push_back(uint8_t(sum >> 8 * i));
        cached.clear();
        for (size_t at = 0; at <= body.size();) {
            const size_t code = cached.size();
            cached.push_back(0);
            unsigned run = 1;
            while (at < body.size() && body[at] && run < 255) cached.push_back(body[at++]), ++run;
            cached[code] = uint8_t(run);
            if (run < 255) ++at;  // the zero, or the end
            else if (at == body.size()) break;
        }
        cached.push_back(0);
        out.insert(out.end(), cached.begin(), cached.end());
        ++answers;
    }

    void take(const uint8_t* data, size_t size) {
        while (size) {
            const auto* end = static_cast<const uint8_t*>(std::memchr(data, 0, size));
            const size_t part = end ? size_t(end - data) : size;
            frame.insert(frame.end(), data, data + part);
            if (!end) return;
            finish();
            data += part + 1;
            size -= part + 1;
        }
    }

    void finish() {
        body.clear();
        for (size_t at = 0; at < frame.size();) {
            const size_t code = frame[at++], left = frame.size() - at, run = code - 1 < left ? code - 1 : left;
            body.insert(body.end(), frame.begin() + long(at), frame.begin() + long(at + run));
            at += run;
            if (code < 255 && at < frame.size()) body.push_back(0);
        }
        frame.clear();
        if (body.size() < 14) return;
        uint32_t sum;
        std::memcpy(&sum, body.data() + body.size() - 4, 4);
        if (crc(body.data(), body.size() - 4) == sum) execute(body.data(), body.size() - 14);
    }

    void execute(const uint8_t* request, size_t size) {
        const uint16_t sequence = uint16_t(request[1] | request[2] << 8);
        const uint8_t opcode = request[3], *payload = request + 10;
        uint32_t address, count = 0;
        std::memcpy(&address, request + 4, 4);
        if (opcode == 1) {
            latest = sequence;
            expected = uint16_t(sequence + 1);
            return send(request, 0, {});
        }
        if (sequence == latest) return void(out.insert(out.end(), cached.begin(), cached.end()));
        if (sequence != expected) return send(request, 4, {});
        latest = expected++;
        std::vector<uint8_t> answer;
        if (opcode == 2) {
            std::memcpy(&count, payload, 2);
            answer.resize(4 * count);
            for (uint32_t i = 0; i < count; ++i) std::memcpy(&answer[4 * i], &word(address + i), 4);
        } else if (opcode == 4) {
            for (size_t i = 0; i < size / 4; ++i) std::memcpy(&word(address + uint32_t(i)), payload + 4 * i, 4);
        } else if (opcode == 5) {
            for (size_t i = 0; i < size / 2; ++i) {
                int16_t value;
                std::memcpy(&value, payload + 2 * i, 2);
                word(address + uint32_t(i)) = uint32_t(int32_t(value));
            }
        } else if (opcode == 6) {
            std::memcpy(&count, payload, 4);
            const uint32_t sum = crc(reinterpret_cast<const uint8_t*>(&word(address)), 4 * size_t(count));
            answer.resize(4);
            std::memcpy(answer.data(), &sum, 4);
        } else if (opcode == 7) {
            uint32_t value = address;
            for (size_t i = 0; i < size; ++i) value += payload[i];
            answer.resize(4 * size_t(outputs));
            for (int i = 0; i < outputs; ++i) std::memcpy(&answer[4 * size_t(i)], &value, 4);
        }
        send(request, 0, answer);
    }
};

}  // namespace

int main(int argc, char** argv) {
    for (uint32_t i = 0; i < 256; ++i) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; ++bit) c = c & 1 ? c >> 1 ^ 0xEDB88320u : c >> 1;
        table[0][i] = c;
    }
    for (int k = 1; k < 8; ++k)
        for (int i = 0; i < 256; ++i) table[k][i] = table[0][table[k - 1][i] & 0xFF] ^ table[k - 1][i] >> 8;
    outputs = std::atoi(argv[1]);
    for (int i = 2; i < argc; ++i) word(uint32_t(i - 2)) = uint32_t(std::strtoul(argv[i], nullptr, 0));
    const int link = socket(AF_INET, SOCK_DGRAM, 0);
    const int buffer = 4 << 20;
    setsockopt(link, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    sockaddr_in own{}, peer{};
    own.sin_family = AF_INET;
    own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof own;
    if (bind(link, reinterpret_cast<sockaddr*>(&own), sizeof own) < 0) return 1;
    getsockname(link, reinterpret_cast<sockaddr*>(&own), &length);
    std::printf("%u\n", ntohs(own.sin_port));
    std::fflush(stdout);
    Device device;
    uint64_t token = 0;
    uint32_t taken = 0, sent = 0;
    uint8_t in[2048], answer[2048] = {};
    for (;;) {
        // Answers go while the host is at work, several in a datagram; none waits for long.
        ssize_t size = device.answers < TOGETHER ? recv(link, in, sizeof in, MSG_DONTWAIT) : -1;
        if (size < 0) {
            device.answers = 0;
            for (size_t at = 0; at < device.out.size(); at += PIECE_MAX) {
                const size_t piece = device.out.size() - at < PIECE_MAX ? device.out.size() - at : PIECE_MAX;
                ++sent;
                answer[0] = DATA, answer[1] = VERSION;
                std::memcpy(answer + 4, &sent, 4);
                std::memcpy(answer + 8, &token, 8);
                std::memcpy(answer + HEADER, device.out.data() + at, piece);
                sendto(link, answer, HEADER + piece, 0, reinterpret_cast<sockaddr*>(&peer), sizeof peer);
            }
            device.out.clear();
            length = sizeof peer;
            size = recvfrom(link, in, sizeof in, 0, reinterpret_cast<sockaddr*>(&peer), &length);
        }
        if (size < ssize_t(HEADER)) continue;
        uint32_t number;
        uint64_t from;
        std::memcpy(&number, in + 4, 4);
        std::memcpy(&from, in + 8, 8);
        if (in[0] == OPEN) {
            token = from + 1, taken = sent = 0;
            answer[0] = OFFER, answer[1] = VERSION;
            std::memset(answer + 2, 0, 6);
            std::memcpy(answer + 8, &token, 8);
            std::memcpy(answer + HEADER, &from, 8);
            sendto(link, answer, HEADER + 8, 0, reinterpret_cast<sockaddr*>(&peer), sizeof peer);
        } else if (in[0] == DATA && from == token && number - taken - 1 < 0x7FFFFFFFu) {
            if (number != taken + 1) device.finish();
            taken = number;
            device.take(in + HEADER, size_t(size) - HEADER);
        }
    }
}
