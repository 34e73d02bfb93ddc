#include "decode/batch.h"

#include <algorithm>

namespace lvsnat {

void Batch::take(std::span<const Frame> frames) noexcept {
  const Frame* const begin = frames_ = frames.data();
  count_ = std::min(frames.size(), kSize);
  std::size_t odd = 0;
  decoded_.fill(false);
  Timestamp first = count_ == 0 ? 0 : begin->time, last = first;
  skim_each(
      begin, count_, [&](std::size_t i, auto&& skim) __attribute__((always_inline)) {
        Skim& said = skims_[i];
        const Timestamp time = begin[i].time;
        said.time = time;
        first = std::min(first, time);
        last = std::max(last, time);
        if (skim(said)) [[likely]]
          return;
        said.nature = 0;
        odd_[odd++] = static_cast<std::uint8_t>(i);
      });
  odd_count_ = odd;
  for (const std::size_t i : this->odd()) {
    decode_slowly(begin[i], packets_[i]);
    decoded_[i] = true;
  }
  first_ = first;
  last_ = last;
}

Skim skim_of(const Packet& p) noexcept {
  Skim said;
  said.time = p.time;
  std::memcpy(said.path, reinterpret_cast<const char*>(&p) + offsetof(Packet, vantage), sizeof said.path);
  if (p.v6) {
    static_assert(offsetof(Packet, destination) == offsetof(Packet, source) + sizeof(Address));
    said.v6 = {p.source.bytes.data(), std::uint32_t{p.source_port} << 16 | p.destination_port};
  } else {
    said.words[0] = endpoint_word(low_half(p.source), p.source_port, p.protocol);
    said.words[1] = endpoint_word(low_half(p.destination), p.destination_port, p.protocol);
  }
  said.sequence = p.sequence;
  said.payload = p.payload;
  said.ip_length = p.ip_length;
  said.nature = (p.v6 ? Skim::kV6 : Skim::kV4) | (p.network_offset & 0x3fU) << Skim::kNetwork | (p.ip_id & 0xffU) << Skim::kIpId |
                std::uint32_t{p.protocol} << Skim::kProtocol | p.tcp_flags;
  return said;
}

void Batch::take(std::span<const Packet> packets) noexcept {
  frames_ = nullptr;
  count_ = std::min(packets.size(), kSize);
  odd_count_ = 0;
  decoded_.fill(true);
  first_ = last_ = count_ == 0 ? 0 : packets.front().time;
  for (std::size_t i = 0; i < count_; ++i) {
    const Packet& p = packets_[i] = packets[i];
    Skim& said = skims_[i];
    first_ = std::min(first_, p.time);
    last_ = std::max(last_, p.time);
    const bool plain = p.kind == Packet::Kind::transport && !p.first_fragment && (p.protocol == kTcp || p.protocol == kUdp);
    if (!plain) odd_[odd_count_++] = static_cast<std::uint8_t>(i);
    said = skim_of(p);
    if (!plain) said.nature = 0;
  }
}

}  // namespace lvsnat
