#include "facts/facts.h"

#include <algorithm>

#include "base/text.h"

namespace lvsnat {
namespace {

/// Longer than any first retransmission timeout (RFC 6298: 1 s) and its repetition.
constexpr Timestamp kLongWait = 3 * kSecond;

}  // namespace

bool Facts::blind(Timestamp from, Timestamp to) const {
  for (const SourceStatistics& s : sources) {
    if ((s.truncated || s.damaged) && (!s.last || *s.last < to)) return true;
    for (const SourceStatistics::Gap& gap : s.gaps) {
      if (gap.from <= to && gap.to >= from) return true;
    }
  }
  return false;
}

bool Facts::could_have_seen(const Connection& c, Leg leg) const {
  const bool side = leg == Leg::request || leg == Leg::masq ? outside_captured : inside_captured;
  // Nobody looked any longer for what a full table had given up.
  const bool waited_for = c.forgotten == 0 || c.forgotten - c.last >= kLongWait;
  return side && waited_for && !blind(c.first, c.last + kSecond);
}

const Suspect* Facts::find(std::uint32_t record) const {
  // Retired ones come first and in no order; the rest ascend.
  for (const Suspect& s : suspects) {
    if (s.connection.record == record) return &s;
  }
  return nullptr;
}

std::span<const std::uint32_t> Facts::find_icmp_about(std::uint32_t record) const {
  const auto [from, to] = std::equal_range(icmp_records.begin(), icmp_records.end(), record);
  return std::span(icmp_positions)
      .subspan(static_cast<std::size_t>(from - icmp_records.begin()), static_cast<std::size_t>(to - from));
}

void Facts::index_icmp() {
  icmp_positions.clear();
  icmp_records.clear();
  told_of = RecordSet();
  for (std::size_t i = 0; i < icmp.size(); ++i) {
    if (icmp[i].record) icmp_positions.push_back(static_cast<std::uint32_t>(i));
  }
  std::stable_sort(icmp_positions.begin(), icmp_positions.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return *icmp[a].record < *icmp[b].record; });
  for (const std::uint32_t i : icmp_positions) {
    icmp_records.push_back(*icmp[i].record);
    if (icmp_records.back() < kRetiredIds) told_of.insert(icmp_records.back());
  }
}

bool Facts::is_director(const Address& a) const { return director_addresses.contains(a); }
bool Facts::is_director(const Mac& m) const { return director_macs.contains(m); }

std::string Facts::source_name(std::uint16_t vantage) const {
  return vantage < vantages.size() ? vantages[vantage].source : std::string("?");
}

std::string Facts::place_name(std::uint16_t vantage, std::uint32_t interface_index) const {
  if (vantage >= vantages.size()) return "?";
  const Vantage& v = vantages[vantage];
  std::string name = v.source;
  if (!v.interface.empty() && v.interface != v.source) name += " " + v.interface;
  if (interface_index != 0) {
    std::string dev;
    if (state != nullptr) {
      for (const Link& link : state->links) {
        if (link.index == interface_index) dev = link.name;
      }
    }
    name += dev.empty() ? " interface " + std::to_string(interface_index) : " " + dev;
  }
  return printable(name, 200);
}

Evidence Facts::evidence(const FrameRef& frame, std::string text, std::optional<Leg> leg) const {
  Evidence e;
  e.text = std::move(text);
  if (frame.number != 0) {
    e.source = source_name(frame.vantage);
    e.frame = frame.number;
    e.time = frame.time;
  }
  e.leg = leg;
  return e;
}

Evidence Facts::evidence(const Connection& c, Leg leg) const {
  const LegCount& l = c.leg(leg);
  const Endpoint client = (leg == Leg::demasq || leg == Leg::reply) && c.inside_client ? *c.inside_client : c.client;
  const Endpoint server = leg == Leg::request || leg == Leg::masq ? c.vip.value_or(Endpoint{}) : c.rip.value_or(Endpoint{});
  const bool from_client = leg == Leg::request || leg == Leg::demasq;
  std::string text = to_string(from_client ? client : server) + " > " + to_string(from_client ? server : client);
  if (l.syn) text += from_client ? " SYN" : " SYN-ACK";
  if (l.packets != 1) text += ", " + std::to_string(l.packets) + " packets";
  if (l.repeats != 0) text += ", " + std::to_string(l.repeats) + (l.repeats == 15 ? " or more" : "") + " of them repeats";
  return evidence(FrameRef{path(l.path).vantage, l.first_frame, l.first}, std::move(text), leg);
}

std::vector<const Question*> Facts::questions_by(const Address& asker) const {
  std::vector<const Question*> found;
  for (const Question& q : questions) {
    if (q.asker == asker) found.push_back(&q);
  }
  return found;
}

bool Facts::claimed(const Address& a) const {
  return std::any_of(claims.begin(), claims.end(), [&](const Claim& c) { return c.address == a; });
}

std::optional<std::string> Facts::service_name(const Connection& c) const {
  if (!c.service || *c.service >= services.size()) return std::nullopt;
  return to_string(services[*c.service]);
}

}  // namespace lvsnat
