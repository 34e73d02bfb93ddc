#include "support/scenario.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <sstream>

namespace lvsnat::scenario {
namespace {

/// How a shared state is told from a topology of the same name in the library.
const std::string kStatePrefix = "state ";

struct Line {
  int number = 0;
  std::string text;
};

/// A fenced block of a section.
struct Block {
  std::string language;
  std::vector<Line> lines;
};
struct Section {
  std::string title;
  int line = 0;
  std::vector<Block> blocks;
};

Error wrong(std::string_view file, int line, const std::string& what) {
  return {ErrorCode::malformed, std::string(file) + ":" + std::to_string(line) + ": " + what};
}

Result<std::vector<Section>> split_markdown(std::string_view file, std::string_view markdown) {
  std::vector<Section> sections;
  bool inside = false;
  int number = 0;
  for (std::size_t at = 0; at < markdown.size();) {
    std::size_t end = std::min(markdown.find('\n', at), markdown.size());
    std::string text(markdown.substr(at, end - at));
    at = end + 1;
    ++number;
    if (!text.empty() && text.back() == '\r') text.pop_back();
    if (text.starts_with("```")) {
      if (!inside) {
        if (sections.empty()) return wrong(file, number, "a block stands before the first ## section");
        sections.back().blocks.push_back({text.substr(3), {}});
      }
      inside = !inside;
    } else if (inside) {
      sections.back().blocks.back().lines.push_back({number, text});
    } else if (text.starts_with("## ")) {
      sections.push_back({text.substr(3), number, {}});
    }
  }
  if (inside) return wrong(file, number, "a fenced block is not closed");
  return sections;
}

/// Blank-separated words; "..." is one word with \r \n \t \" \\ resolved and a leading quote kept as a mark; # ends the line.
struct Words {
  std::vector<std::string> words;
  std::string problem;
};
Words split_words(const std::string& text) {
  Words out;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] == ' ' || text[i] == '\t') {
      ++i;
    } else if (text[i] == '#') {
      break;
    } else if (text[i] == '"') {
      std::string word = "\"";
      for (++i; i < text.size() && text[i] != '"'; ++i) {
        if (text[i] != '\\') {
          word += text[i];
          continue;
        }
        if (++i == text.size()) break;
        word += text[i] == 'r' ? '\r' : text[i] == 'n' ? '\n' : text[i] == 't' ? '\t' : text[i];
      }
      if (i == text.size()) {
        out.problem = "a quoted text is not closed";
        return out;
      }
      ++i;
      out.words.push_back(word);
    } else {
      std::size_t end = text.find_first_of(" \t", i);
      if (end == std::string::npos) end = text.size();
      out.words.push_back(text.substr(i, end - i));
      i = end;
    }
  }
  return out;
}

std::optional<std::uint64_t> number(std::string_view text, std::uint64_t max) {
  std::uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty() || value > max) return std::nullopt;
  return value;
}

/// "1.5" or "1.5s": exact to the nanosecond.
std::optional<Timestamp> seconds(std::string_view text) {
  if (text.ends_with('s')) text.remove_suffix(1);
  std::size_t dot = text.find('.');
  auto whole = number(text.substr(0, dot), 10'000'000);
  if (!whole) return std::nullopt;
  Timestamp value = static_cast<Timestamp>(*whole) * kSecond;
  if (dot == std::string_view::npos) return value;
  std::string fraction(text.substr(dot + 1));
  if (fraction.empty() || fraction.size() > 9) return std::nullopt;
  fraction.resize(9, '0');
  auto nanoseconds = number(fraction, 999'999'999);
  if (!nanoseconds) return std::nullopt;
  return value + static_cast<Timestamp>(*nanoseconds);
}

Address offset(Address address, std::uint32_t by) {
  for (std::size_t i = 16; i-- > 0 && by != 0;) {
    by += address.bytes[i];
    address.bytes[i] = static_cast<std::uint8_t>(by);
    by >>= 8;
  }
  return address;
}

/// NAME, NAME+3 or an address.
std::optional<Address> find_address(const Topology& topology, const std::string& word) {
  if (auto it = topology.names.find(word); it != topology.names.end()) return it->second;
  if (std::size_t plus = word.find('+'); plus != std::string::npos) {
    auto it = topology.names.find(word.substr(0, plus));
    auto by = number(std::string_view(word).substr(plus + 1), 0xffffff);
    if (it != topology.names.end() && by) return offset(it->second, static_cast<std::uint32_t>(*by));
  }
  return parse_address(word);
}

/// NAME:80, 10.0.0.1:80, [fd00::1]:80, or an address alone (port 0).
std::optional<Endpoint> find_endpoint(const Topology& topology, const std::string& word) {
  if (auto address = find_address(topology, word)) return Endpoint{*address, 0};
  if (auto endpoint = parse_endpoint(word)) return endpoint;
  std::size_t colon = word.rfind(':');
  if (colon == std::string::npos) return std::nullopt;
  auto address = find_address(topology, word.substr(0, colon));
  auto port = number(std::string_view(word).substr(colon + 1), 65535);
  if (!address || !port) return std::nullopt;
  return Endpoint{*address, static_cast<std::uint16_t>(*port)};
}

std::string filled_in(const Topology& topology, const std::string& text) {
  // Names are replaced where a whole identifier stands; IPv6 addresses before a port get brackets.
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    auto word_char = [](char c) {
      return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    };
    std::size_t end = i;
    while (end < text.size() && word_char(text[end])) ++end;
    if (end == i) {
      out += text[i++];
      continue;
    }
    auto it = topology.names.find(text.substr(i, end - i));
    if (it == topology.names.end()) {
      out += text.substr(i, end - i);
    } else {
      bool port_follows = end < text.size() && text[end] == ':';
      out += !it->second.is_v4() && port_follows ? "[" + to_string(it->second) + "]" : to_string(it->second);
    }
    i = end;
  }
  return out;
}

/// Reads the words of one line from left to right; remembers the first problem.
class Reader {
 public:
  Reader(const Topology& topology, std::vector<std::string> words) : topology_(topology), words_(std::move(words)) {}
  [[nodiscard]] bool done() const { return at_ == words_.size() || failed(); }
  [[nodiscard]] bool failed() const { return !problem_.empty(); }
  [[nodiscard]] const std::string& problem() const { return problem_; }
  void fail(const std::string& what) {
    if (problem_.empty()) problem_ = what;
  }
  [[nodiscard]] std::string peek() const { return at_ < words_.size() ? words_[at_] : std::string(); }
  std::string next(const char* what) {
    if (at_ == words_.size()) {
      fail(std::string(what) + " is missing");
      return {};
    }
    return words_[at_++];
  }
  bool accept(std::string_view word) {
    if (done() || words_[at_] != word) return false;
    ++at_;
    return true;
  }
  void expect(const char* word) {
    if (!accept(word)) fail("expected '" + std::string(word) + "' but found '" + peek() + "'");
  }
  Address address(const char* what) {
    std::string word = next(what);
    auto found = find_address(topology_, word);
    if (!found) fail("no such name or address: '" + word + "'");
    return found.value_or(Address{});
  }
  Endpoint endpoint(const char* what) {
    std::string word = next(what);
    auto found = find_endpoint(topology_, word);
    if (!found) fail("no such name or address: '" + word + "'");
    return found.value_or(Endpoint{});
  }
  std::uint32_t count(const char* what, std::uint64_t max) {
    std::string word = next(what);
    auto found = number(word, max);
    if (!found) fail(std::string(what) + " is no number up to " + std::to_string(max) + ": '" + word + "'");
    return static_cast<std::uint32_t>(found.value_or(0));
  }
  Timestamp duration(const char* what) {
    std::string word = next(what);
    auto found = seconds(word);
    if (!found) fail(std::string(what) + " is no time in seconds: '" + word + "'");
    return found.value_or(0);
  }
  /// A host (its MAC on `segment`), a MAC, or "broadcast".
  Mac mac(const std::string& word, const std::string& segment) {
    if (word == "broadcast") return Mac{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
    if (auto literal = parse_mac(word)) return *literal;
    auto host = topology_.hosts.find(word);
    if (host == topology_.hosts.end()) {
      fail("no such host or MAC: '" + word + "'");
      return {};
    }
    auto attached = host->second.attached.find(segment);
    if (attached == host->second.attached.end()) {
      fail("host '" + word + "' is not on '" + segment + "'");
      return {};
    }
    return attached->second;
  }

 private:
  const Topology& topology_;
  std::vector<std::string> words_;
  std::size_t at_ = 0;
  std::string problem_;
};

std::optional<std::uint8_t> tcp_flags(const std::string& word) {
  if (word == ".") return std::uint8_t{16};
  std::uint8_t flags = 0;
  for (char c : word) {
    constexpr std::string_view letters = "FSRPAU";
    std::size_t bit = letters.find(c);
    if (bit == std::string_view::npos) return std::nullopt;
    flags = static_cast<std::uint8_t>(flags | 1u << bit);
  }
  return word.empty() ? std::nullopt : std::optional(flags);
}

void add_segment(Topology& topology, const std::string& name) {
  if (std::find(topology.segments.begin(), topology.segments.end(), name) == topology.segments.end())
    topology.segments.push_back(name);
}

std::string host_of(const Topology& topology, const Address& address) {
  if (auto owner = topology.owner.find(address); owner != topology.owner.end()) return owner->second;
  for (const auto& [prefix, host] : topology.owned)
    if (prefix.contains(address)) return host;
  return {};
}

/// One line of a ```topology block; returns what is wrong with it, or nothing.
std::string parse_topology_line(Topology& topology, const std::vector<std::string>& words, const TopologyLibrary& library,
                                int depth);

std::string parse_topology_text(Topology& topology, const std::string& text, const TopologyLibrary& library, int depth) {
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = std::min(text.find('\n', at), text.size());
    Words words = split_words(text.substr(at, end - at));
    at = end + 1;
    if (!words.problem.empty()) return words.problem;
    if (words.words.empty()) continue;
    if (std::string problem = parse_topology_line(topology, words.words, library, depth); !problem.empty()) return problem;
  }
  return {};
}

std::string parse_host(Topology& topology, Reader& reader) {
  std::string name = reader.next("the host's name");
  if (reader.failed()) return reader.problem();
  Host& host = topology.hosts[name];
  while (!reader.done()) {
    if (reader.accept("on")) {
      std::string segment = reader.next("a segment");
      auto mac = parse_mac(reader.next("a MAC"));
      if (!mac) return "a MAC must follow the segment";
      add_segment(topology, segment);
      host.attached[segment] = *mac;
    } else if (reader.accept("beyond")) {
      host.beyond = reader.next("a router");
      if (!topology.hosts.contains(host.beyond)) return "no such host: '" + host.beyond + "'";
      if (host.beyond == name) return "a host cannot be beyond itself";
    } else if (reader.accept("owns")) {
      auto prefix = parse_prefix(reader.next("a prefix"));
      if (!prefix) return "a prefix must follow 'owns'";
      topology.owned.emplace_back(*prefix, name);
    } else {
      std::string word = reader.next("NAME=ADDRESS");
      std::size_t equals = word.find('=');
      auto address = equals == std::string::npos ? std::nullopt : parse_address(word.substr(equals + 1));
      if (!address) return "not NAME=ADDRESS: '" + word + "'";
      std::string alias = word.substr(0, equals);
      if (auto known = topology.names.find(alias); known != topology.names.end() && known->second != *address)
        topology.owner.erase(known->second);
      topology.names[alias] = *address;
      topology.owner.insert_or_assign(*address, name);
    }
  }
  return reader.problem();
}

std::string parse_topology_line(Topology& topology, const std::vector<std::string>& words, const TopologyLibrary& library,
                                int depth) {
  Reader reader(topology, words);
  std::string keyword = reader.next("a keyword");
  if (keyword == "use") {
    std::string name = reader.next("a topology");
    auto it = library.find(name);
    if (it == library.end()) return "no such topology: '" + name + "'";
    if (depth >= 4) return "topologies use one another in a circle";
    if (std::string problem = parse_topology_text(topology, it->second, library, depth + 1); !problem.empty())
      return "in topology " + name + ": " + problem;
  } else if (keyword == "host") {
    return parse_host(topology, reader);
  } else if (keyword == "name") {  // an address that nobody owns
    std::string word = reader.next("NAME=ADDRESS");
    std::size_t equals = word.find('=');
    auto address = equals == std::string::npos ? std::nullopt : parse_address(word.substr(equals + 1));
    if (!address) return "not NAME=ADDRESS: '" + word + "'";
    topology.names[word.substr(0, equals)] = *address;
  } else if (keyword == "service") {
    std::string spec = filled_in(topology, reader.next("a service"));
    topology.services.push_back(spec);
  } else if (keyword == "none") {
    reader.expect("declared");
    topology.services.clear();
  } else if (keyword == "capture") {
    topology.captured.clear();
    while (!reader.done()) topology.captured.push_back(reader.next("a segment"));
    if (topology.captured.empty()) return "capture what?";
    if (topology.captured == std::vector<std::string>{"any"}) {
      if (topology.link == LinkType::ethernet) topology.link = LinkType::linux_sll2;
    } else {
      for (const std::string& segment : topology.captured)
        if (std::find(topology.segments.begin(), topology.segments.end(), segment) == topology.segments.end())
          return "no such segment: '" + segment + "'";
    }
  } else if (keyword == "link") {
    static const std::map<std::string, LinkType> links{
        {"ethernet", LinkType::ethernet}, {"sll", LinkType::linux_sll}, {"sll2", LinkType::linux_sll2}, {"raw", LinkType::raw}};
    std::string name = reader.next("a link type");
    auto it = links.find(name);
    if (it == links.end()) return "no such link type: '" + name + "'";
    topology.link = it->second;
  } else if (keyword == "snaplen") {
    topology.snaplen = reader.count("the snaplen", 262144);
    if (topology.snaplen == 0) return "a snaplen of 0 keeps nothing";
  } else if (keyword == "gap") {
    Gap gap;
    gap.segment = reader.next("a segment");
    gap.from = reader.duration("the gap's begin");
    gap.to = reader.duration("the gap's end");
    gap.why = reader.next("a reason in quotes");
    if (!gap.why.empty()) gap.why.erase(0, 1);
    if (gap.from > gap.to) return "the gap ends before it begins";
    topology.gaps.push_back(gap);
  } else if (keyword == "drops") {
    std::string segment = reader.next("a segment");
    topology.drops[segment] = reader.count("the number of drops", 0xffffffff);
  } else if (keyword == "damaged") {
    std::string segment = reader.next("a segment");
    topology.damaged[segment] = reader.duration("where the damage is");
  } else {
    return "unknown keyword '" + keyword + "'";
  }
  if (!reader.failed() && !reader.done()) return "left over: '" + reader.peek() + "'";
  return reader.problem();
}

void parse_options(Reader& reader, PacketLine& packet, const std::function<Mac(const std::string&)>& mac) {
  while (!reader.done()) {
    std::string option = reader.next("an option");
    if (option == "seq")
      packet.sequence = reader.count("seq", 0xffffffff);
    else if (option == "ack")
      packet.acknowledgement = reader.count("ack", 0xffffffff);
    else if (option == "len")
      packet.length = reader.count("len", 65000);
    else if (option == "ttl")
      packet.ttl = static_cast<std::uint8_t>(reader.count("ttl", 255));
    else if (option == "id")
      packet.id = static_cast<std::uint16_t>(reader.count("id", 65535));
    else if (option == "win")
      packet.window = static_cast<std::uint16_t>(reader.count("win", 65535));
    else if (option == "vlan")
      packet.vlan = static_cast<std::uint16_t>(reader.count("vlan", 4095));
    else if (option == "data")
      packet.data = reader.count("data", 10000);
    else if (option == "requests")
      packet.requests = reader.count("requests", 1000);
    else if (option == "tries")
      packet.tries = reader.count("tries", 20);
    else if (option == "think")
      packet.think = reader.duration("think");
    else if (option == "pause")
      packet.pause = reader.duration("pause");
    else if (option == "again")
      packet.again = true;
    else if (option == "lost")
      packet.lost = true;
    else if (option == "open")
      packet.open = true;
    else if (option == "midstream")
      packet.midstream = true;
    else if (option == "fragmentable")
      packet.dont_fragment = false;
    else if (option == "sack") {
      std::string range = reader.next("LEFT-RIGHT");
      std::size_t dash = range.find('-');
      auto left = number(std::string_view(range).substr(0, dash), 0xffffffff);
      auto right = dash == std::string::npos ? std::nullopt : number(std::string_view(range).substr(dash + 1), 0xffffffff);
      if (!left || !right) return reader.fail("not LEFT-RIGHT: '" + range + "'");
      packet.sack = {static_cast<std::uint32_t>(*left), static_cast<std::uint32_t>(*right)};
    } else if (option == "text") {
      packet.text = reader.next("a text in quotes");
      if (!packet.text.starts_with('"')) return reader.fail("text must stand in quotes");
      packet.text.erase(0, 1);
    } else if (option == "legs") {
      packet.legs = {};
      for (char c : reader.next("the legs")) {
        if (c < '1' || c > '4') return reader.fail("legs are digits 1 to 4");
        packet.legs[static_cast<std::size_t>(c - '1')] = true;
      }
    } else if (option == "inside") {
      packet.inside = reader.endpoint("the inside address");
    } else if (option == "mac") {
      std::string pair = reader.next("FROM>TO");
      std::size_t angle = pair.find('>');
      if (angle == std::string::npos) return reader.fail("not FROM>TO: '" + pair + "'");
      if (angle != 0) packet.from = mac(pair.substr(0, angle));
      if (angle + 1 != pair.size()) packet.to = mac(pair.substr(angle + 1));
    } else if (option == "repeat") {
      packet.repeat = reader.count("repeat", 100000);
      reader.expect("every");
      packet.every = reader.duration("every");
    } else if (option == "sources") {
      packet.sources = reader.count("sources", 65535);
      if (packet.sources == 0) reader.fail("sources must be at least 1");
    } else {
      reader.fail("unknown option '" + option + "'");
    }
  }
}

std::uint8_t accept_protocol(Reader& reader) {
  if (reader.accept("udp")) return 17;
  if (reader.accept("sctp")) return 132;
  reader.accept("tcp");
  return 6;
}

Inner parse_inner(Reader& reader) {
  Inner inner;
  inner.protocol = accept_protocol(reader);
  inner.source = reader.endpoint("a source");
  reader.expect(">");
  inner.destination = reader.endpoint("a destination");
  if (inner.protocol == 6) {
    if (auto flags = tcp_flags(reader.peek())) {
      inner.flags = *flags;
      reader.next("flags");
    }
  }
  return inner;
}

void parse_icmp(Reader& reader, PacketLine& packet) {
  packet.verb = Verb::icmp;
  packet.kind = reader.next("an ICMP message");
  if (packet.kind == "unreachable") packet.kind = reader.next("what is unreachable");
  static constexpr std::string_view kinds[] = {"redirect",        "port",        "host",          "net",  "admin",     "protocol",
                                               "host-prohibited", "frag-needed", "time-exceeded", "echo", "echo-reply"};
  if (std::find(std::begin(kinds), std::end(kinds), packet.kind) == std::end(kinds))
    return reader.fail("unknown ICMP message '" + packet.kind + "'");
  packet.source = reader.endpoint("a source");
  reader.expect(">");
  packet.destination = reader.endpoint("a destination");
  if (packet.kind == "redirect") {
    reader.expect("gw");
    packet.gateway = reader.address("the gateway");
  }
  if (packet.kind == "frag-needed") {
    reader.expect("mtu");
    packet.mtu = reader.count("the mtu", 0xffffffff);
  }
  if (packet.kind != "echo" && packet.kind != "echo-reply") {
    reader.expect("about");
    packet.inner = parse_inner(reader);
  }
}

void parse_neighbour(Reader& reader, PacketLine& packet, const std::function<Mac(const std::string&)>& mac) {
  packet.kind = reader.next("who-has, reply, gratuitous or redirect");
  if (packet.kind == "who-has") {
    packet.gateway = reader.address("the address asked for");
    reader.expect("tell");
    packet.source.address = reader.address("the address that asks");
  } else if (packet.kind == "reply" || packet.kind == "gratuitous") {
    packet.gateway = reader.address("the address claimed");
    reader.expect("is-at");
    packet.claimed = mac(reader.next("a host or MAC"));
    if (packet.kind == "reply") {
      reader.expect("to");
      packet.destination.address = reader.address("whom it answers");
    }
  } else if (packet.kind == "redirect" && packet.verb == Verb::nd) {
    packet.source.address = reader.address("who redirects");
    reader.expect(">");
    packet.destination.address = reader.address("who is redirected");
    reader.expect("gw");
    packet.gateway = reader.address("the better next hop");
    reader.expect("about");
    packet.inner = parse_inner(reader);
  } else {
    reader.fail("unknown message '" + packet.kind + "'");
  }
}

/// Everything after the time.
void parse_packet(const Topology& topology, Reader& reader, PacketLine& packet) {
  static const std::map<std::string, Verb> conversations{
      {"request", Verb::request}, {"reply", Verb::reply}, {"healthy", Verb::healthy}, {"ladder", Verb::ladder}};
  std::string word = reader.next("a segment or a macro");
  std::function<Mac(const std::string&)> mac = [&](const std::string& name) { return reader.mac(name, packet.segment); };
  if (auto it = conversations.find(word); it != conversations.end()) {
    packet.verb = it->second;
    packet.protocol = accept_protocol(reader);
    packet.source = reader.endpoint("the client");
    reader.expect(">");
    packet.destination = reader.endpoint("the VIP");
    reader.expect(">");
    packet.real = reader.endpoint("the RIP");
    if (packet.verb == Verb::request || packet.verb == Verb::reply) {
      if (packet.protocol == 6) {
        std::string letters = reader.next("TCP flags");
        auto flags = tcp_flags(letters);
        if (!flags) return reader.fail("no TCP flags: '" + letters + "'");
        packet.flags = *flags;
      } else if (packet.protocol == 132) {
        packet.kind = reader.next("an SCTP chunk");
      }
    }
    std::string outside = segment_of(topology, packet.source.address), inside = segment_of(topology, packet.real.address);
    if (!reader.failed() && outside.empty()) return reader.fail("no segment leads to the client");
    if (!reader.failed() && inside.empty()) return reader.fail("no segment leads to the real server");
    mac = [&](const std::string&) {
      reader.fail("mac belongs to single frames");
      return Mac{};
    };
    return parse_options(reader, packet, mac);
  }
  if (std::find(topology.segments.begin(), topology.segments.end(), word) == topology.segments.end())
    return reader.fail("no such segment or macro: '" + word + "'");
  packet.segment = word;
  if (reader.accept("arp")) {
    packet.verb = Verb::arp;
    parse_neighbour(reader, packet, mac);
  } else if (reader.accept("nd")) {
    packet.verb = Verb::nd;
    parse_neighbour(reader, packet, mac);
  } else if (reader.accept("icmp")) {
    parse_icmp(reader, packet);
  } else if (reader.peek() == "ipip" || reader.peek() == "gre") {
    packet.verb = Verb::tunnel;
    packet.protocol = reader.next("a tunnel") == "gre" ? 47 : 4;
    packet.source = reader.endpoint("a source");
    reader.expect(">");
    packet.destination = reader.endpoint("a destination");
    reader.expect("inner");
    packet.inner = parse_inner(reader);
  } else if (reader.accept("other")) {  // an IP protocol that nothing here knows: VRRP, ESP
    packet.verb = Verb::other;
    packet.protocol = static_cast<std::uint8_t>(reader.count("a protocol number", 255));
    packet.source = reader.endpoint("a source");
    reader.expect(">");
    packet.destination = reader.endpoint("a destination");
  } else {
    packet.protocol = accept_protocol(reader);
    packet.verb = packet.protocol == 17 ? Verb::udp : packet.protocol == 132 ? Verb::sctp : Verb::tcp;
    packet.source = reader.endpoint("a source");
    reader.expect(">");
    packet.destination = reader.endpoint("a destination");
    if (packet.verb == Verb::tcp) {
      std::string letters = reader.next("TCP flags");
      auto flags = tcp_flags(letters);
      if (!reader.failed() && !flags) return reader.fail("no TCP flags: '" + letters + "'");
      packet.flags = flags.value_or(0);
    } else if (packet.verb == Verb::sctp) {
      packet.kind = reader.next("an SCTP chunk");
    }
  }
  parse_options(reader, packet, mac);
}

/// Families must agree, or the frame could not exist.
std::string families_disagree(const PacketLine& packet) {
  auto differ = [](const Address& a, const Address& b) { return !a.is_none() && !b.is_none() && a.is_v4() != b.is_v4(); };
  if (differ(packet.source.address, packet.destination.address) || differ(packet.source.address, packet.real.address) ||
      differ(packet.source.address, packet.gateway))
    return "IPv4 and IPv6 addresses in one packet";
  if (packet.inner && differ(packet.inner->source.address, packet.inner->destination.address))
    return "IPv4 and IPv6 addresses in one packet";
  return {};
}

/// A line of a state block: `use NAME`, `--- FILE`, `--- +FILE` (what follows is added to what the file holds), or content.
std::string parse_state_line(std::vector<StateFile>& files, StateFile*& current, const std::string& line,
                             const TopologyLibrary& library) {
  if (current == nullptr && line.starts_with("use ")) {
    auto known = library.find(kStatePrefix + line.substr(4));
    if (known == library.end()) return "no such state: '" + line.substr(4) + "'";
    StateFile* inner = nullptr;
    std::istringstream lines(known->second);
    for (std::string one; std::getline(lines, one);) {
      if (one.starts_with("use ")) return "a shared state cannot use another one";
      if (std::string problem = parse_state_line(files, inner, one, library); !problem.empty()) return problem;
    }
    return {};
  }
  if (line.starts_with("--- ")) {
    std::string name = line.substr(4);
    const bool more = name.starts_with('+');
    if (more) name.erase(0, 1);
    if (name.empty() || name.find('/') != std::string::npos || name.starts_with('.'))
      return "not a plain file name: '" + name + "'";
    auto found = std::find_if(files.begin(), files.end(), [&](const StateFile& f) { return f.name == name; });
    if (found == files.end()) found = files.insert(files.end(), {name, {}});
    if (!more) found->content.clear();
    current = &*found;
    return {};
  }
  if (current == nullptr) return "a state block begins with a line '--- FILE' or 'use NAME'";
  current->content += line + "\n";
  return {};
}

std::string parse_expectation(const Topology& topology, const std::vector<std::string>& words, Expectation& out) {
  if (words[0] == "clean" || words[0] == "only") {
    out.kind = words[0] == "clean" ? Expectation::Kind::clean : Expectation::Kind::only;
    return words.size() == 1 ? "" : "nothing may follow '" + words[0] + "'";
  }
  if (words[0] == "none") {
    out.kind = Expectation::Kind::none;
  } else if (words[0] == "error" || words[0] == "warning" || words[0] == "info" || words[0] == "any") {
    out.severity = words[0];
  } else {
    return "expected error, warning, info, any, none, clean or only, not '" + words[0] + "'";
  }
  auto code = words.size() > 1 && words[1].starts_with("LVS") ? number(std::string_view(words[1]).substr(3), 999) : std::nullopt;
  if (!code || words[1].size() != 6) return "a code such as LVS101 must follow '" + words[0] + "'";
  out.code = static_cast<int>(*code);
  static constexpr std::string_view known[] = {"real_server", "client",     "service", "director",  "gateway", "interface",
                                               "legs",        "confidence", "count",   "unchecked", "says"};
  for (std::size_t i = 2; i < words.size(); ++i) {
    std::size_t equals = words[i].find('=');
    if (equals == std::string::npos) return "not FIELD=VALUE: '" + words[i] + "'";
    std::string field = words[i].substr(0, equals);
    if (field.ends_with('>')) field.pop_back();  // count>=3
    if (std::find(std::begin(known), std::end(known), field) == std::end(known)) return "unknown field '" + field + "'";
    out.fields[words[i].substr(0, equals)] = filled_in(topology, words[i].substr(equals + 1));
  }
  return {};
}

}  // namespace

std::optional<Mac> mac_on(const Topology& topology, const Address& address, const std::string& segment) {
  std::string name = host_of(topology, address);
  for (int hops = 0; hops < 8 && !name.empty(); ++hops) {  // routers may stand behind routers
    const Host& host = topology.hosts.at(name);
    if (auto it = host.attached.find(segment); it != host.attached.end()) return it->second;
    name = host.beyond;
  }
  auto director = topology.hosts.find("DIRECTOR");
  if (director == topology.hosts.end()) return std::nullopt;
  auto it = director->second.attached.find(segment);
  return it == director->second.attached.end() ? std::nullopt : std::optional(it->second);
}

std::string segment_of(const Topology& topology, const Address& address) {
  std::string name = host_of(topology, address);
  for (int hops = 0; hops < 8 && !name.empty(); ++hops) {
    const Host& host = topology.hosts.at(name);
    for (const std::string& segment : topology.segments)
      if (host.attached.contains(segment)) return segment;
    name = host.beyond;
  }
  return {};
}

Result<TopologyLibrary> parse_topologies(std::string_view file, std::string_view markdown) {
  auto sections = split_markdown(file, markdown);
  if (!sections) return sections.error();
  TopologyLibrary library;
  for (const Section& section : *sections) {
    for (const Block& block : section.blocks) {
      if (block.language != "topology" && block.language != "state") continue;
      std::string text;
      for (const Line& line : block.lines) text += line.text + "\n";
      if (block.language == "state") {
        library.emplace(kStatePrefix + section.title, text);
        continue;
      }
      if (!library.emplace(section.title, text).second)
        return wrong(file, section.line, "two topologies are named '" + section.title + "'");
    }
  }
  for (const auto& [name, text] : library) {
    if (name.starts_with(kStatePrefix)) continue;
    Topology topology;
    if (std::string problem = parse_topology_text(topology, text, library, 0); !problem.empty())
      return wrong(file, 1, "topology " + name + ": " + problem);
  }
  return library;
}

Result<std::vector<Case>> parse_cases(std::string_view file, std::string_view markdown, const TopologyLibrary& library) {
  auto sections = split_markdown(file, markdown);
  if (!sections) return sections.error();
  std::vector<Case> cases;
  for (const Section& section : *sections) {
    Case one;
    one.file = file;
    one.title = section.title;
    one.line = section.line;
    bool packets = false, findings = false;
    for (const Block& block : section.blocks) {
      if (block.language == "state") {
        StateFile* current = nullptr;
        for (const Line& line : block.lines) {
          std::string problem = parse_state_line(one.state, current, line.text, library);
          if (!problem.empty()) return wrong(file, line.number, problem);
        }
        continue;
      }
      for (const Line& line : block.lines) {
        Words words = split_words(line.text);
        if (!words.problem.empty()) return wrong(file, line.number, words.problem);
        if (words.words.empty()) continue;
        std::string problem;
        if (block.language == "topology") {
          problem = parse_topology_line(one.topology, words.words, library, 0);
        } else if (block.language == "packets") {
          PacketLine packet;
          packet.line = line.number;
          auto at = seconds(words.words[0]);
          if (!at) return wrong(file, line.number, "a packet begins with its time in seconds, not '" + words.words[0] + "'");
          packet.at = *at;
          Reader reader(one.topology, {words.words.begin() + 1, words.words.end()});
          parse_packet(one.topology, reader, packet);
          problem = reader.failed() ? reader.problem() : families_disagree(packet);
          one.packets.push_back(std::move(packet));
        } else if (block.language == "findings") {
          Expectation expectation;
          expectation.line = line.number;
          problem = parse_expectation(one.topology, words.words, expectation);
          one.expectations.push_back(std::move(expectation));
        } else {
          problem = "unknown block '" + block.language + "'";
        }
        if (!problem.empty()) return wrong(file, line.number, problem);
      }
      if (block.language == "packets") {
        packets = true;
        if (!one.topology.hosts.contains("DIRECTOR")) return wrong(file, section.line, "the topology has no host DIRECTOR");
        if (one.topology.captured.empty()) one.topology.captured = one.topology.segments;
      }
      findings = findings || block.language == "findings";
    }
    if (!packets && !findings) continue;
    if (!packets || !findings || one.expectations.empty())
      return wrong(file, section.line, "a case needs a packets block and a findings block with a line in it");
    cases.push_back(std::move(one));
  }
  return cases;
}

}  // namespace lvsnat::scenario
