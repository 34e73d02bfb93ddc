// Probes, made by libtins and sent through raw sockets.
//
// The sockets belong to the probe's own protocol and not to IPPROTO_RAW: only then does the kernel heed a redirect that quotes
// the probe (raw_err() and rawv6_err() of Linux 6.1 look for such a socket), as it heeds those that quote a real connection.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <exception>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <tins/arp.h>
#include <tins/icmp.h>
#include <tins/icmpv6.h>
#include <tins/ip.h>
#include <tins/ipv6.h>
#include <tins/rawpdu.h>
#include <tins/tcp.h>
#include <tins/udp.h>

#include "base/text.h"
#include "capture/descriptor.h"
#include "lvsnat/capture.h"

namespace lvsnat {
namespace capture {
namespace {

using Bytes = std::vector<std::uint8_t>;

Tins::IPv4Address four(const Address& address) { return Tins::IPv4Address(to_string(address)); }
Tins::IPv6Address six(const Address& address) { return Tins::IPv6Address(to_string(address)); }
Tins::HWAddress<6> hardware(const Mac& mac) { return Tins::HWAddress<6>(mac.bytes.data()); }

Bytes nonce_bytes(std::uint64_t nonce) {
  Bytes out(8);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::uint8_t>(nonce >> (8 * (7 - i)));
  return out;
}

Tins::TCP segment_of(const Probe& probe) {
  Tins::TCP tcp(probe.destination_port, probe.source_port);
  tcp.flags(Tins::TCP::SYN | Tins::TCP::ACK);
  tcp.seq(probe.number);
  tcp.ack_seq(probe.number);
  tcp.window(1024);
  return tcp;
}

Bytes bytes_v4(const Probe& probe) {
  if (probe.kind == Probe::Kind::neighbour) {
    Tins::ARP arp(four(probe.destination), four(probe.source), Tins::HWAddress<6>(), hardware(probe.mac));
    arp.opcode(Tins::ARP::REQUEST);
    return arp.serialize();
  }
  Tins::IP ip(four(probe.destination), four(probe.source));
  ip.ttl(probe.ttl);
  ip.id(probe.ip_id);
  const Tins::RawPDU payload(nonce_bytes(probe.nonce));
  switch (probe.kind) {
    case Probe::Kind::echo: {
      Tins::ICMP icmp(Tins::ICMP::ECHO_REQUEST);
      icmp.id(probe.id);
      icmp.sequence(probe.sequence);
      return (ip / icmp / payload).serialize();
    }
    case Probe::Kind::udp:
      return (ip / Tins::UDP(probe.destination_port, probe.source_port) / payload).serialize();
    case Probe::Kind::tcp:
    case Probe::Kind::neighbour:
      break;
  }
  return (ip / segment_of(probe)).serialize();
}

Address solicited_node(const Address& target) {  // RFC 4291, 2.7.1
  Address out;
  out.bytes = {0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, target.bytes[13], target.bytes[14], target.bytes[15]};
  return out;
}

Bytes bytes_v6(const Probe& probe) {
  if (probe.kind == Probe::Kind::neighbour) {
    Tins::IPv6 ip(six(solicited_node(probe.destination)), six(probe.source));
    ip.hop_limit(255);  // RFC 4861, 7.1.1: anything else is not heeded
    ip.next_header(kIcmp6);
    Tins::ICMPv6 icmp(Tins::ICMPv6::NEIGHBOUR_SOLICIT);
    icmp.target_addr(six(probe.destination));
    icmp.source_link_layer_addr(hardware(probe.mac));
    return (ip / icmp).serialize();
  }
  Tins::IPv6 ip(six(probe.destination), six(probe.source));
  ip.hop_limit(probe.ttl);
  const Tins::RawPDU payload(nonce_bytes(probe.nonce));
  switch (probe.kind) {
    case Probe::Kind::echo: {
      Tins::ICMPv6 icmp(Tins::ICMPv6::ECHO_REQUEST);
      icmp.identifier(probe.id);
      icmp.sequence(probe.sequence);
      ip.next_header(kIcmp6);
      return (ip / icmp / payload).serialize();
    }
    case Probe::Kind::udp:
      ip.next_header(kUdp);
      return (ip / Tins::UDP(probe.destination_port, probe.source_port) / payload).serialize();
    case Probe::Kind::tcp:
    case Probe::Kind::neighbour:
      break;
  }
  ip.next_header(kTcp);
  return (ip / segment_of(probe)).serialize();
}

// ---- sockets

int protocol_of(Probe::Kind kind, bool v6) {
  switch (kind) {
    case Probe::Kind::udp:
      return kUdp;
    case Probe::Kind::tcp:
      return kTcp;
    case Probe::Kind::echo:
    case Probe::Kind::neighbour:
      break;
  }
  return v6 ? kIcmp6 : kIcmp;
}

socklen_t socket_address(const Address& address, sockaddr_storage& out) {
  out = {};
  if (address.is_v4()) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    std::memcpy(&in.sin_addr, &address.bytes[12], 4);
    std::memcpy(&out, &in, sizeof in);
    return sizeof in;
  }
  sockaddr_in6 in6{};
  in6.sin6_family = AF_INET6;
  std::memcpy(&in6.sin6_addr, address.bytes.data(), 16);
  std::memcpy(&out, &in6, sizeof in6);
  return sizeof in6;
}

Error failed(const std::string& what, int error) {
  if (error == EPERM || error == EACCES)
    return {ErrorCode::no_permission, what + ": this needs the capability CAP_NET_RAW: run it as root (sudo)"};
  return {error == EAFNOSUPPORT ? ErrorCode::unsupported : ErrorCode::io, what + ": " + reason(error)};
}

class RawSockets final : public ProbeSender {
 public:
  Status start(std::span<const Address> sources) {
    for (const Address& source : sources) {
      const bool v6 = !source.is_v4();
      for (const Probe::Kind kind : {Probe::Kind::echo, Probe::Kind::udp, Probe::Kind::tcp}) {
        // Only what comes from this host's own addresses is anything else than an echo request.
        if (source.is_unspecified() && kind != Probe::Kind::echo) continue;
        if (sockets_.contains({source, kind})) continue;
        auto made = raw_socket(source, v6, kind);
        if (!made) return made.error();
        sockets_.emplace(std::pair(source, kind), std::move(*made));
      }
    }
    link_ = Descriptor(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!link_.is_open()) return failed("opening a socket for neighbour requests", errno);
    return ok();
  }

  Status send(const Probe& probe) override {
    auto bytes = probe_bytes(probe);
    if (!bytes) return bytes.error();
    if (probe.kind == Probe::Kind::neighbour) return send_link(probe, *bytes);
    auto found = sockets_.find({probe.source, probe.kind});
    if (found == sockets_.end()) found = sockets_.find({probe.source.is_v4() ? Address::v4(0) : Address{}, probe.kind});
    if (found == sockets_.end()) return Error{ErrorCode::usage, "no socket was opened for " + to_string(probe.source)};
    sockaddr_storage to{};
    const socklen_t length = socket_address(probe.destination, to);
    return sent(found->second.get(), *bytes, to, length);
  }

 private:
  static Result<Descriptor> raw_socket(const Address& source, bool v6, Probe::Kind kind) {
    const std::string what = "opening a raw socket" + (source.is_unspecified() ? "" : " for " + to_string(source));
    Descriptor fd(::socket(v6 ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol_of(kind, v6)));
    if (!fd.is_open()) return failed(what, errno);
    // What comes in is read by the capture; here it would only fill a buffer.
    sock_filter nothing{BPF_RET | BPF_K, 0, 0, 0};
    const sock_fprog program{1, &nothing};
    if (::setsockopt(fd.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0) return failed(what, errno);
    const int on = 1;
    const int header = v6 ? ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_HDRINCL, &on, sizeof on)
                          : ::setsockopt(fd.get(), IPPROTO_IP, IP_HDRINCL, &on, sizeof on);
    if (header != 0) return failed(what, errno);
    if (!source.is_unspecified()) {
      // Rules that select by source look at the socket's address, not at the header's.
      sockaddr_storage own{};
      const socklen_t length = socket_address(source, own);
      if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&own), length) != 0) return failed(what, errno);
    }
    return fd;
  }

  Status send_link(const Probe& probe, const Bytes& bytes) {
    const bool v6 = !probe.destination.is_v4();
    sockaddr_ll to{};
    to.sll_family = AF_PACKET;
    to.sll_protocol = htons(v6 ? ETH_P_IPV6 : ETH_P_ARP);
    // Not if_nametoindex(): it opens a socket, which the programs of this project cannot any more by now.
    ifreq request{};
    probe.interface.copy(request.ifr_name, IFNAMSIZ - 1);
    if (::ioctl(link_.get(), SIOCGIFINDEX, &request) != 0)
      return Error{ErrorCode::io, "there is no interface " + printable(probe.interface, 64)};
    to.sll_ifindex = request.ifr_ifindex;
    to.sll_halen = 6;
    if (v6) {
      const std::array<std::uint8_t, 6> group{
          0x33, 0x33, 0xff, probe.destination.bytes[13], probe.destination.bytes[14], probe.destination.bytes[15]};
      std::copy(group.begin(), group.end(), to.sll_addr);
    } else {
      std::fill_n(to.sll_addr, 6, std::uint8_t{0xff});
    }
    sockaddr_storage storage{};
    std::memcpy(&storage, &to, sizeof to);
    return sent(link_.get(), bytes, storage, sizeof to);
  }

  static Status sent(int fd, const Bytes& bytes, const sockaddr_storage& to, socklen_t length) {
    int error = 0;
    // An error that an earlier packet met may be handed to this one: then the packet was not sent, and is sent now.
    for (int attempt = 0; attempt < 2; ++attempt) {
      if (::sendto(fd, bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&to), length) >= 0) return ok();
      error = errno;
    }
    if (error == EPERM)
      return Error{ErrorCode::no_permission, "this host's own filter drops it (nft list ruleset: the output hook)"};
    return Error{ErrorCode::io, reason(error)};
  }

  std::map<std::pair<Address, Probe::Kind>, Descriptor> sockets_;
  Descriptor link_;
};

}  // namespace
}  // namespace capture

Result<std::vector<std::uint8_t>> probe_bytes(const Probe& probe) {
  if (probe.source.is_v4() != probe.destination.is_v4() || probe.destination.is_unspecified() || probe.source.is_unspecified())
    return Error{ErrorCode::usage, "a probe from " + to_string(probe.source) + " to " + to_string(probe.destination) +
                                       " cannot be: give two addresses of one family"};
  try {
    return probe.destination.is_v4() ? capture::bytes_v4(probe) : capture::bytes_v6(probe);
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    return Error{ErrorCode::usage, "making a probe: " + printable(error.what(), 200)};
  }
}

ProbeSender::~ProbeSender() = default;

Result<std::unique_ptr<ProbeSender>> ProbeSender::open(std::span<const Address> sources) {
  auto sender = std::make_unique<capture::RawSockets>();
  if (Status status = sender->start(sources); !status) return status.error();
  return std::unique_ptr<ProbeSender>(std::move(sender));
}

}  // namespace lvsnat
