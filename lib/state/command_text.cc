#include "state/command_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/text.h"

namespace lvsnat {
namespace {

constexpr std::size_t kMaxName = 64;
constexpr std::size_t kMaxSysctls = 500'000, kMaxListeners = 65'536, kMaxHops = 256;

std::optional<std::uint8_t> transport(std::string_view word) {
  if (word == "tcp") return std::uint8_t{6};
  if (word == "udp") return std::uint8_t{17};
  if (word == "sctp") return std::uint8_t{132};
  if (word == "icmp") return std::uint8_t{1};
  if (word == "icmpv6") return std::uint8_t{58};
  return std::nullopt;
}

/// "0.0.0.0:80", "[::]:80", "*:80", "10.1.1.2%eth1:80".
std::optional<Listener> read_listener(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  Listener listener;
  std::uint64_t port = 0;
  if (!parse_number(text.substr(colon + 1), 65535, port)) return std::nullopt;
  listener.local.port = static_cast<std::uint16_t>(port);
  std::string_view host = text.substr(0, colon);
  if (const auto percent = host.find('%'); percent != std::string_view::npos) {
    listener.dev = printable(host.substr(percent + 1), kMaxName);
    if (listener.dev.ends_with(']')) listener.dev.pop_back();
    host = host.substr(0, percent);
  }
  if (host.starts_with('[')) host.remove_prefix(1);
  if (host.ends_with(']')) host.remove_suffix(1);
  if (host == "*") {
    listener.any_family = true;
    listener.local.address = Address::v4(0);
    return listener;
  }
  const auto address = parse_address(host);
  if (!address) return std::nullopt;
  listener.local.address = *address;
  return listener;
}

}  // namespace

Reading parse_sysctl(std::string_view text, KernelState& state) {
  Reading reading;
  std::size_t number = 0;
  for (const std::string_view line : lines_of(text)) {
    ++number;
    const std::string_view trimmed = trim(line);
    // `sysctl -a 2>&1` mixes complaints in: "sysctl: permission denied on key 'x'", "sysctl: reading key ...".
    if (trimmed.empty() || trimmed.starts_with("sysctl:") || trimmed.starts_with('#')) continue;
    const auto equals = trimmed.find('=');
    const std::string_view name = trim(trimmed.substr(0, equals));
    if (equals == std::string_view::npos || name.empty() || name.find(' ') != std::string_view::npos) {
      reading.note(number, "no setting");
      continue;
    }
    if (state.sysctls.size() >= kMaxSysctls) {
      reading.note(number, "is beyond the limit of " + with_commas(kMaxSysctls) + " settings");
      break;
    }
    std::string key = printable(name, 256);
    // net/ipv4/conf/eth0.100/rp_filter is the same as net.ipv4.conf.eth0/100.rp_filter (sysctl(8)).
    const auto first = key.find_first_of("./");
    if (first != std::string::npos && key[first] == '/') {
      std::transform(key.begin(), key.end(), key.begin(), [](char c) { return c == '/' ? '.' : c == '.' ? '/' : c; });
    }
    state.sysctls[std::move(key)] = printable(trim(trimmed.substr(equals + 1)), 1024);
    reading.known = true;
  }
  if (!reading.known && reading.problem.empty()) reading.problem = "no settings in it";
  // A line that is no setting loses that line only: every look-up asks for its own name.
  if (reading.known) state.known.sysctls = true;
  return reading;
}

Reading parse_conntrack(const CommandOutput& output, KernelState& state) {
  Reading reading;
  std::size_t number = 0;
  std::uint64_t seen = 0;
  for (const std::string_view line : lines_of(output.body)) {
    ++number;
    auto words = words_of(line);
    if (words.empty()) continue;
    if (words.size() > 2 && (words[0] == "ipv4" || words[0] == "ipv6")) words.erase(words.begin(), words.begin() + 2);
    ConntrackEntry entry;
    std::uint64_t protocol = 0;
    if (words.size() < 4 || !parse_number(words[1], 255, protocol)) {
      reading.note(number, "no tracked flow");
      continue;
    }
    entry.protocol = static_cast<std::uint8_t>(protocol);
    bool second = false;  // the reply tuple begins at the second src=
    bool first = false, broken = false;
    for (std::size_t i = 2; i < words.size(); ++i) {
      const std::string_view word = words[i];
      const auto equals = word.find('=');
      if (equals == std::string_view::npos) {
        if (word == "[UNREPLIED]") entry.unreplied = true;
        if (word == "[ASSURED]") entry.assured = true;
        if (word == "[OFFLOAD]" || word == "[HW_OFFLOAD]") entry.offload = true;
        if (!first && word.front() >= 'A' && word.front() <= 'Z') entry.state = printable(word, kMaxName);
        continue;
      }
      const std::string_view key = word.substr(0, equals), value = word.substr(equals + 1);
      if (key == "src") {
        second = first;
        first = true;
      }
      Endpoint& source = second ? entry.reply_source : entry.original_source;
      Endpoint& destination = second ? entry.reply_destination : entry.original_destination;
      std::uint64_t value_number = 0;
      if (key == "src" || key == "dst") {
        const auto address = parse_address(value);
        broken = broken || !address;
        if (address) (key == "src" ? source : destination).address = *address;
      } else if (key == "sport" || key == "dport") {
        broken = broken || !parse_number(value, 65535, value_number);
        (key == "sport" ? source : destination).port = static_cast<std::uint16_t>(value_number);
      } else if (key == "mark" && parse_number(value, UINT32_MAX, value_number)) {
        entry.mark = static_cast<std::uint32_t>(value_number);
      }
    }
    if (broken || !second) {
      reading.note(number, "no tracked flow");
      continue;
    }
    ++seen;
    if (state.conntrack.entries.size() < kMaxConntrackEntries) state.conntrack.entries.push_back(std::move(entry));
  }
  state.conntrack.total = seen;
  if (output.failed()) {
    reading.problem = output.error.empty() ? "exit status " + std::to_string(output.exit_status) : output.error;
    return reading;
  }
  reading.known = reading.problem.empty();
  if (reading.known) state.known.conntrack = true;
  return reading;
}

Reading parse_ss(std::string_view text, KernelState& state) {
  Reading reading;
  std::size_t number = 0, state_column = 0;
  bool headed = false, netid = false;
  for (const std::string_view line : lines_of(text)) {
    ++number;
    const auto words = words_of(line);
    if (words.empty()) continue;
    if (words[0] == "State" || words[0] == "Netid") {
      headed = true;
      netid = words[0] == "Netid";
      state_column = netid ? 1 : 0;
      continue;
    }
    if (words.size() < state_column + 5) {
      if (!line.starts_with(' ') && !line.starts_with('\t')) reading.note(number, "no socket");
      continue;
    }
    const std::string_view what = words[state_column];
    if (what != "LISTEN" && what != "UNCONN") continue;
    auto listener = read_listener(words[state_column + 3]);
    if (!listener || state.listeners.size() >= kMaxListeners) {
      // Raw and netlink sockets have no port in numbers.
      if (!netid) reading.note(number, "no listening socket that is understood");
      continue;
    }
    if (netid) {
      const auto protocol = transport(words[0]);
      if (!protocol) continue;
      listener->protocol = *protocol;
    } else {
      listener->protocol = what == "UNCONN" ? 17 : 6;
    }
    state.listeners.push_back(std::move(*listener));
  }
  if (!headed && reading.problem.empty()) reading.problem = "no listing of ss";
  reading.known = headed && reading.problem.empty();
  if (reading.known) state.known.listeners = true;
  return reading;
}

Reading parse_traceroute(const CommandOutput& output, std::string_view label, KernelState& state) {
  Reading reading;
  Traceroute trace;
  trace.label = printable(label, kMaxName);
  bool headed = false;
  for (const std::string_view line : lines_of(output.body)) {
    if (trace.text.size() < 8192) trace.text += printable(line, 200) + "\n";
    const auto words = words_of(line);
    if (words.empty()) continue;
    if (words[0] == "traceroute" || words[0] == "traceroute6") {
      headed = true;
      if (words.size() > 2) trace.target = parse_address(words[2]);
      continue;
    }
    std::uint64_t hop = 0;
    if (!parse_number(words[0], 255, hop) || hop == 0) {
      // "connect: Network is unreachable", "traceroute: sendto: ..."
      if (!trace.error) trace.error = printable(trim(line), 200);
      continue;
    }
    TraceHop one;
    one.hop = static_cast<unsigned>(hop);
    for (std::size_t i = 1; i < words.size(); ++i) {
      if (const auto address = parse_address(words[i]); address && !one.address) one.address = address;
      if (words[i].starts_with('!')) one.annotation = printable(words[i], 16);
      if (words[i] == "ms" && i > 1 && !one.milliseconds) {
        double value = 0;
        const std::string_view number = words[i - 1];
        const auto [stop, error] = std::from_chars(number.data(), number.data() + number.size(), value);
        // "nan" and "inf" are numbers to from_chars(), but no times.
        if (error == std::errc{} && stop == number.data() + number.size() && std::isfinite(value) && value >= 0)
          one.milliseconds = value;
      }
    }
    if (trace.hops.size() < kMaxHops) trace.hops.push_back(std::move(one));
  }
  if (!trace.error && output.failed())
    trace.error = output.error.empty() ? "exit status " + std::to_string(output.exit_status) : output.error;
  reading.known = headed || trace.error.has_value();
  if (!reading.known) reading.problem = "no output of traceroute";
  if (reading.known) state.traceroutes.push_back(std::move(trace));
  return reading;
}

}  // namespace lvsnat
