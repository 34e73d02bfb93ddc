// lvsnat-generate: writes a capture of a LVS-NAT director, with its truth table and its services.
#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>
#include <sstream>

#include "generate.h"

namespace {

using namespace lvsnat::truth;

struct Close {
  void operator()(std::FILE* f) const { std::fclose(f); }
};
using File = std::unique_ptr<std::FILE, Close>;

File open_for_writing(const std::string& path) {
  File file(path == "-" ? stdout : std::fopen(path.c_str(), "wb"));
  if (!file) {
    std::fprintf(stderr, "lvsnat-generate: cannot write %s: %s\n", path.c_str(), std::strerror(errno));
    std::exit(2);
  }
  std::setvbuf(file.get(), nullptr, _IOFBF, 1 << 20);
  return file;
}

bool close(File file) {
  const bool good = std::fflush(file.get()) == 0 && std::ferror(file.get()) == 0;
  return good;
}

// The classic format, in this machine's byte order: draft-ietf-opsawg-pcap.
class PcapWriter {
 public:
  PcapWriter(File file, const Options& o) : file_(std::move(file)), microseconds_(o.microseconds) {
    put({o.microseconds ? 0xa1b2c3d4u : 0xa1b23c4du, 2u | 4u << 16, 0, 0, o.snaplen,
         static_cast<std::uint32_t>(link_type(o.link))});
  }
  void write(const lvsnat::Frame& f) {
    const auto fraction = static_cast<std::uint32_t>(f.time % lvsnat::kSecond);
    put({static_cast<std::uint32_t>(f.time / lvsnat::kSecond), microseconds_ ? fraction / 1000 : fraction, f.captured, f.wire});
    std::fwrite(f.data, 1, f.captured, file_.get());
  }
  bool finish() { return close(std::move(file_)); }

 private:
  void put(std::initializer_list<std::uint32_t> words) {
    for (const std::uint32_t word : words) std::fwrite(&word, sizeof word, 1, file_.get());
  }
  File file_;
  bool microseconds_;
};

PortPair parse_ports(const std::string& text) {
  PortPair ports;
  char colon = 0, more = 0;
  std::istringstream in(text);
  if (!(in >> ports.vip >> colon >> ports.rip) || colon != ':' || in >> more || ports.vip == 0 || ports.rip == 0) {
    throw CLI::ValidationError(text, "is not VPORT:RPORT");
  }
  return ports;
}

// 500k and 16M, as numbers of connections are said.
std::string expand(std::string text) {
  const auto last = text.empty() ? '\0' : text.back();
  if (last != 'k' && last != 'M') return text;
  text.pop_back();
  const double value = std::stod(text) * (last == 'k' ? 1e3 : 1e6);
  return std::to_string(static_cast<unsigned long long>(std::llround(value)));
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  std::string capture, truth, config, link = "en10mb";
  std::vector<std::string> faults, tcp_ports;
  std::string udp_port;
  std::uint64_t think_us = 0;
  bool quiet = false;

  CLI::App app{"Writes the capture that a LVS-NAT director would take, and what is true of it."};
  const CLI::Validator number(
      [](std::string& text) {
        try {
          text = expand(text);
          return std::string();
        } catch (const std::exception&) {
          return "no number: " + text;
        }
      },
      "NUMBER[k|M]");
  app.add_option("-o", capture, "capture to write, - for standard output")->required();
  app.add_option("--conns", o.connections, "connections to start")->transform(number)->check(CLI::PositiveNumber);
  app.add_option("--packets", o.packets, "stop after so many; 0: no limit")->transform(number);
  app.add_flag("--at-once", o.at_once, "the first connections begin together, so that as many are alive from the start");
  app.add_option("--concurrency", o.concurrency, "connections alive at a time")
      ->transform(number)
      ->check(CLI::Range(1, 50'000'000));
  app.add_option("--requests", o.requests, "requests of a connection")->check(CLI::Range(1, 60'000));
  app.add_option("--data-mean", o.mean_segments, "mean number of segments of a response")->check(CLI::Range(1.0, 5'000.0));
  app.add_option("--udp", o.udp, "per cent of connections that are UDP")->check(CLI::Range(0, 100));
  app.add_option("--ipv6", o.ipv6, "per cent of connections that are IPv6")->check(CLI::Range(0, 100));
  app.add_option("--faulty", o.faulty, "per cent of connections that go wrong")->check(CLI::Range(0, 100));
  app.add_option("--faults", faults, "faults of these, of all by default")->delimiter(',');
  app.add_option("--synflood", o.syn_flood, "lone SYNs, of which so many per cent are not forwarded")->check(CLI::Range(0, 100));
  app.add_option("--reuse", o.reuse, "per cent of connections that reuse the client endpoint before them")
      ->check(CLI::Range(0, 100));
  app.add_option("--noise", o.noise, "per cent of ARP and health checks besides")->check(CLI::Range(0, 100));
  app.add_option("--vips", o.vips, "virtual addresses")->check(CLI::Range(1, 200));
  app.add_option("--rips", o.rips, "real servers")->check(CLI::Range(1, 60'000));
  app.add_flag("--shared-rips", o.shared_rips, "every VIP uses every real server");
  app.add_option("--ports", tcp_ports, "TCP services, VPORT:RPORT,...")->delimiter(',');
  app.add_option("--udp-port", udp_port, "the UDP service, VPORT:RPORT");
  app.add_option("--clients", o.clients, "client addresses")->transform(number)->check(CLI::Range(1, 1 << 24));
  app.add_option("--conns-per-client", o.connections_per_client, "in a row")->check(CLI::Range(1, 30'000));
  app.add_option("--pps", o.packets_per_second, "packets a second")->transform(number)->check(CLI::PositiveNumber);
  app.add_option("--rtt-us", think_us, "mean time between packets of a connection, instead of --pps");
  app.add_option("--link", link, "link layer")->check(CLI::IsMember({"en10mb", "vlan", "sll", "sll2", "raw"}));
  app.add_option("--snaplen", o.snaplen, "bytes kept of a packet")->check(CLI::Range(16, 262'144));
  app.add_flag("--usec", o.microseconds, "microseconds, not nanoseconds");
  app.add_option("--seed", o.seed, "of everything that is drawn by lot");
  app.add_option("--truth", truth, "truth table to write");
  app.add_option("--config", config, "services to write, as ipvsadm -Sn does");
  app.add_flag("-q", quiet, "no summary");
  try {
    app.parse(argc, argv);
    if (!tcp_ports.empty()) o.tcp_ports.clear();
    for (const std::string& text : tcp_ports) o.tcp_ports.push_back(parse_ports(text));
    if (!udp_port.empty()) o.udp_port = parse_ports(udp_port);
    for (const std::string& text : faults) {
      const std::optional<Fault> fault = parse_fault(text);
      if (!fault || *fault == Fault::none) throw CLI::ValidationError(text, "is no fault");
      o.faults.push_back(*fault);
    }
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  o.think = static_cast<lvsnat::Timestamp>(think_us) * 1000;
  o.link = link == "vlan"   ? Link::vlan
           : link == "sll"  ? Link::sll
           : link == "sll2" ? Link::sll2
           : link == "raw"  ? Link::raw
                            : Link::ethernet;

  if (!config.empty()) {
    File file = open_for_writing(config);
    std::fputs(services(o).c_str(), file.get());
    if (!close(std::move(file))) return 2;
  }
  PcapWriter writer(open_for_writing(capture), o);
  File table;
  if (!truth.empty()) table = open_for_writing(truth);
  const auto on_row = [&](const Row& row) {
    if (table) std::fputs((to_line(row) + '\n').c_str(), table.get());
  };
  const Totals totals = generate(
      o, [&](const lvsnat::Frame& f) { writer.write(f); }, on_row);
  if (!writer.finish() || (table && !close(std::move(table)))) {
    std::fputs("lvsnat-generate: writing failed\n", stderr);
    return 2;
  }
  if (!quiet) {
    std::fprintf(stderr, "%llu packets, %llu connections, %.1f bytes a packet\n", static_cast<unsigned long long>(totals.packets),
                 static_cast<unsigned long long>(totals.connections),
                 totals.packets == 0 ? 0.0 : static_cast<double>(totals.wire_bytes) / static_cast<double>(totals.packets));
    for (std::size_t f = 0; f < kFaults; ++f) {
      if (totals.by_fault[f] == 0) continue;
      std::fprintf(stderr, "  %-10s %llu\n", std::string(name(static_cast<Fault>(f))).c_str(),
                   static_cast<unsigned long long>(totals.by_fault[f]));
    }
  }
  return 0;
}
