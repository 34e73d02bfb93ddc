// lvsnat-compare: holds the connections that lvsdiag wrote (NDJSON) against the truth table of the same capture.
//
// A record must agree with its row in protocol, client, VIP, RIP, packets and bytes of each leg, and in the times of the first
// and the last packet; there is one record a row and one row a record. What the capture did not show cannot be known:
// the VIP is null where the row counts nothing on request and masq, the RIP where it counts nothing on demasq and reply.
// Records without a VIP for which there is no row are the director's own connections to real servers (noise), and no fault.
// `last` is that of the last TCP or UDP packet; tables that count ICMP messages too are told by --icmp-in-last, and then `last`
// of a connection with such messages may be earlier than its row's.
// A snaplen that cuts nothing but payload changes nothing of this.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <fstream>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "lvsnat/connection.h"
#include "lvsnat/packet.h"
#include "row.h"

namespace {

using namespace lvsnat;
using nlohmann::json;
using truth::Row;

struct Record {
  std::uint8_t protocol = 0;
  Endpoint client;
  std::optional<Endpoint> vip, rip;
  std::array<std::uint64_t, 4> packets{}, bytes{};
  Timestamp first = 0, last = 0;
  std::string legs;
};

// SECONDS.NNNNNNNNN
Timestamp parse_time(const std::string& text) {
  const std::size_t point = text.find('.');
  if (point == std::string::npos || text.size() != point + 10) throw std::runtime_error("no time: " + text);
  return std::stoll(text.substr(0, point)) * kSecond + std::stoll(text.substr(point + 1));
}

std::optional<Endpoint> endpoint_of(const json& line, const std::string& name) {
  const json &address = line.at(name), &port = line.at(name + "_port");
  if (address.is_null() != port.is_null()) throw std::runtime_error(name + " and its port must be known or unknown together");
  if (address.is_null()) return std::nullopt;
  const std::optional<Address> parsed = parse_address(address.get<std::string>());
  if (!parsed) throw std::runtime_error("no address: " + address.dump());
  return Endpoint{*parsed, port.get<std::uint16_t>()};
}

Record parse_record(const std::string& text) {
  const json line = json::parse(text);
  Record r;
  const std::string protocol = line.at("protocol");
  r.protocol = protocol == "udp" ? std::uint8_t{kUdp} : protocol == "tcp" ? std::uint8_t{kTcp} : std::uint8_t{0};
  r.client = endpoint_of(line, "client").value();
  r.vip = endpoint_of(line, "vip");
  r.rip = endpoint_of(line, "rip");
  for (const Leg leg : kLegs) {
    r.packets[index(leg)] = line.at("packets").at(std::string(name(leg)));
    r.bytes[index(leg)] = line.at("bytes").at(std::string(name(leg)));
  }
  r.first = parse_time(line.at("first"));
  r.last = parse_time(line.at("last"));
  r.legs = line.at("legs");
  return r;
}

std::string text_of(const std::optional<Endpoint>& e) { return e ? to_string(*e) : "null"; }
std::string text_of(const std::array<std::uint64_t, 4>& counts) {
  std::string text;
  for (const std::uint64_t n : counts) text += (text.empty() ? "" : "/") + std::to_string(n);
  return text;
}

struct Comparison {
  bool icmp_in_last = false, microseconds = false;
  std::size_t show = 20;
  std::map<std::string, std::uint64_t> differences;  // by what and by fault
  std::uint64_t total = 0;

  void differ(const Row& row, const std::string& what, const std::string& truth, const std::string& said) {
    ++differences[what + ", " + std::string(name(row.fault))];
    if (++total > show) return;
    std::cout << to_string(row.client) << " " << to_string(row.vip) << " (" << name(row.fault) << ", first " << row.first
              << "): " << what << ": truth " << truth << ", said " << said << "\n";
  }

  [[nodiscard]] Timestamp as_captured(Timestamp t) const { return microseconds ? t - t % 1000 : t; }

  void compare(const Row& row, const Record& r) {
    const bool outside = row.packets[0] + row.packets[3] != 0, inside = row.packets[1] + row.packets[2] != 0;
    const auto known = [](bool seen, const Endpoint& e) { return seen ? std::optional<Endpoint>(e) : std::nullopt; };
    if (r.vip != known(outside, row.vip)) differ(row, "vip", text_of(known(outside, row.vip)), text_of(r.vip));
    if (r.rip != known(inside, row.rip)) differ(row, "rip", text_of(known(inside, row.rip)), text_of(r.rip));
    if (r.packets != row.packets) differ(row, "packets", text_of(row.packets), text_of(r.packets));
    if (r.bytes != row.bytes) differ(row, "bytes", text_of(row.bytes), text_of(r.bytes));
    const Timestamp last = as_captured(row.last);
    const bool good = icmp_in_last && row.icmp != 0 ? r.last >= as_captured(row.first) && r.last <= last : r.last == last;
    if (!good) differ(row, "last", std::to_string(last), std::to_string(r.last));
    for (std::size_t leg = 0; leg < 4; ++leg) {
      const bool seen = row.packets[leg] != 0;
      const char digit = static_cast<char>('1' + leg);
      if (r.legs.size() != 4 || (r.legs[leg] == digit) != seen) {
        differ(row, "legs", text_of(row.packets), r.legs);
        break;
      }
    }
  }
};

}  // namespace

int main(int argc, char** argv) {
  std::string truth_file, connections_file;
  Comparison comparison;
  CLI::App app{"Compares lvsdiag's connections with the truth table of the capture they are from."};
  app.add_option("--truth", truth_file, "truth table")->required();
  app.add_option("--connections", connections_file, "what lvsdiag --connections wrote")->required();
  app.add_flag("--icmp-in-last", comparison.icmp_in_last, "the table's last time counts ICMP messages about the connection");
  app.add_flag("--usec", comparison.microseconds, "the table has nanoseconds, the capture microseconds");
  app.add_option("--show", comparison.show, "differences to print");
  CLI11_PARSE(app, argc, argv);

  std::ifstream table(truth_file), records(connections_file);
  if (!table || !records) {
    std::cerr << "lvsnat-compare: cannot read " << (table ? connections_file : truth_file) << "\n";
    return 2;
  }
  using Key = std::tuple<std::uint8_t, Endpoint, Timestamp>;  // of one client endpoint no two connections begin at once
  std::map<Key, std::pair<Row, bool>> rows;
  std::string line;
  std::size_t number = 0;
  while (std::getline(table, line)) {
    const Result<Row> row = truth::parse_row(line);
    ++number;
    if (!row) {
      std::cerr << truth_file << ":" << number << ": " << row.error().message << "\n";
      return 2;
    }
    if (!rows.try_emplace(Key{row->protocol, row->client, comparison.as_captured(row->first)}, *row, false).second) {
      std::cerr << truth_file << ":" << number << ": two connections of one client endpoint begin at once\n";
      return 2;
    }
  }
  std::uint64_t compared = 0, beside = 0;
  number = 0;
  while (std::getline(records, line)) {
    ++number;
    try {
      const Record r = parse_record(line);
      const auto at = rows.find(Key{r.protocol, r.client, r.first});
      if (at != rows.end() && !at->second.second) {
        at->second.second = true;
        ++compared;
        comparison.compare(at->second.first, r);
      } else if (!r.vip) {
        ++beside;
      } else {
        Row unknown;
        unknown.client = r.client;
        unknown.vip = *r.vip;
        unknown.first = r.first;
        comparison.differ(unknown, "record without row", "none", text_of(r.rip) + " " + text_of(r.packets));
      }
    } catch (const std::exception& e) {
      std::cerr << connections_file << ":" << number << ": " << e.what() << "\n";
      return 2;
    }
  }
  for (const auto& [key, row] : rows) {
    if (!row.second) comparison.differ(row.first, "row without record", text_of(row.first.packets), "none");
  }
  for (const auto& [what, count] : comparison.differences) std::cout << what << ": " << count << "\n";
  std::cout << rows.size() << " connections, " << compared << " found, " << beside << " records of no service, "
            << comparison.total << " differences\n";
  return comparison.total == 0 && !rows.empty() ? 0 : 1;
}
