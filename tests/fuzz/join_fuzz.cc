// The join under any order of things. Input: a script of four bytes a packet: connection and leg, TCP flags, time, length.
// The same packets in one batch and one by one, under another hash, must give the same report.
#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "fuzz/fuzz.h"
#include "lvsnat/analyzer.h"
#include "lvsnat/render.h"

namespace {

using namespace lvsnat;
using fuzz::demand;

constexpr std::size_t kHeaders = 14 + 20 + 20;
using Headers = std::array<std::uint8_t, kHeaders>;

void put16(std::uint8_t* at, std::uint32_t value) {
  at[0] = static_cast<std::uint8_t>(value >> 8);
  at[1] = static_cast<std::uint8_t>(value);
}
void put32(std::uint8_t* at, std::uint32_t value) {
  put16(at, value >> 16);
  put16(at + 2, value);
}

// Client 192.0.2.1, virtual address 198.51.100.1, real servers 10.0.0.2 to 10.0.0.4, a director with two interfaces.
Headers packet(unsigned connection, unsigned leg, std::uint8_t flags, std::uint32_t sequence, std::uint32_t payload,
               std::uint16_t id) {
  constexpr std::uint32_t kClient = 0xc0000201, kVirtual = 0xc6336401, kReal = 0x0a000002;
  const std::uint32_t real = kReal + connection % 3;
  const bool request = leg < 2, outside = leg == 0 || leg == 3;
  const std::uint32_t server = outside ? kVirtual : real;
  const std::uint32_t client_port = 40'000 + connection, server_port = outside ? 80 : 8080;
  Headers bytes{};
  const std::uint8_t client_mac = 1, director_mac = outside ? 2 : 3, server_mac = static_cast<std::uint8_t>(4 + connection % 3);
  const std::uint8_t from = leg == 0 ? client_mac : leg == 2 ? server_mac : director_mac;
  const std::uint8_t to = leg == 0 || leg == 2 ? director_mac : leg == 1 ? server_mac : client_mac;
  bytes[0] = bytes[6] = 2;
  bytes[5] = to;
  bytes[11] = from;
  put16(&bytes[12], 0x0800);
  bytes[14] = 0x45;
  put16(&bytes[16], 40 + payload);
  put16(&bytes[18], id);
  bytes[20] = 0x40;
  bytes[22] = leg == 1 || leg == 3 ? 63 : 64;
  bytes[23] = 6;
  put32(&bytes[26], request ? kClient : server);
  put32(&bytes[30], request ? server : kClient);
  put16(&bytes[34], request ? client_port : server_port);
  put16(&bytes[36], request ? server_port : client_port);
  put32(&bytes[38], sequence);
  put32(&bytes[42], 77);
  bytes[46] = 0x50;
  bytes[47] = flags;
  put16(&bytes[48], 64'240);
  return bytes;
}

std::string analyse(const std::vector<Frame>& frames, std::size_t batch, std::uint64_t seed, std::uint32_t limit) {
  static const std::vector<Vantage> vantages{{"eth0", "eth0", LinkType::ethernet, 64, 0},
                                             {"eth1", "eth1", LinkType::ethernet, 64, 1}};
  AnalyzerOptions options;
  options.max_connections = limit;
  options.hash_seed = seed;
  Analyzer analyzer(options);
  for (std::size_t at = 0; at < frames.size(); at += batch) {
    analyzer.feed({&frames[at], std::min(batch, frames.size() - at)}, vantages);
  }
  const Report report = analyzer.report({});
  std::string out = render_json(report);
  analyzer.for_each_connection([&](const Connection& connection, std::span<const int> codes) {
    demand(connection.first <= connection.last, "a connection does not end before it begins");
    for (const auto& time : {connection.director_request, connection.director_reply, connection.real_server,
                             connection.client_rtt, connection.response}) {
      demand(!time || *time >= 0, "no negative time");
    }
    std::array<char, 4096> line;
    out.append(line.data(), render_connection_line(connection, codes, line));
    out += '\n';
  });
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Bytes bytes(data, size);
  std::vector<Headers> packets;
  std::vector<Frame> frames;
  std::array<std::array<std::uint32_t, 2>, 16> sequence{};
  Timestamp now = 1'700'000'000 * kSecond;
  packets.reserve(1024);
  while (!bytes.empty() && packets.size() < 1024) {
    const std::uint8_t what = bytes.u8(), flags = bytes.u8() & 0x3f, step = bytes.u8(), length = bytes.u8();
    const unsigned connection = what & 15, leg = what >> 4 & 3;
    const bool request = leg < 2;
    std::uint32_t& next = sequence[connection][request ? 0 : 1];
    const bool copy = leg == 1 || leg == 3;  // the director's own packets repeat the numbers of those that came in
    const std::uint32_t payload = (flags & 2) != 0 ? 0 : length;
    packets.push_back(packet(connection, leg, flags, 1'000 + next - (copy ? payload : 0), payload,
                             static_cast<std::uint16_t>(connection << 8 | (next & 0xff))));
    if (!copy) next += payload;
    now += static_cast<Timestamp>(step) * step * kSecond / 4096;
    Frame frame;
    frame.time = now;
    frame.data = packets.back().data();
    frame.captured = kHeaders;
    frame.wire = static_cast<std::uint32_t>(kHeaders + payload);
    frame.number = static_cast<std::uint32_t>(frames.size() + 1);
    frame.vantage = leg == 0 || leg == 3 ? 0 : 1;
    frames.push_back(frame);
  }
  if (frames.empty()) return 0;
  // What a full table evicts follows from the order alone, so that too must not depend on batches or on the hash.
  for (const std::uint32_t limit : {64U, 8U}) {
    const std::string whole = analyse(frames, frames.size(), 1, limit);
    demand(analyse(frames, 1, 2, limit) == whole, "reports depend neither on the size of batches nor on the hash");
  }
  return 0;
}
