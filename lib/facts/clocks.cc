#include "facts/clocks.h"

#include <algorithm>
#include <cstdio>

#include "base/text.h"
#include "lvsnat/packet.h"

namespace lvsnat {
namespace {

constexpr std::int64_t kMillisecond = 1'000'000;
/// Less is not worth a word. It is also more than what times of last packets are rounded to (65 us each).
constexpr std::int64_t kWorthTelling = kMillisecond;
/// By so much two measurements of one offset may differ for what a director takes to forward a packet.
constexpr std::int64_t kJitter = 50 * kMillisecond;
/// So many connections must say the same.
constexpr std::size_t kWitnesses = 3;
/// Offsets of first packets are not kept beyond this after the connection's own (ns).
constexpr std::int64_t kFirstKnown = 4'000 * kMillisecond;

bool about_equal(std::int64_t a, std::int64_t b) { return std::abs(a - b) <= kJitter + std::min(std::abs(a), std::abs(b)) / 8; }

}  // namespace

/// One direction's packets, as they came (`before`) and left (`after`) by two captures' clocks.
struct Clocks::Passage {
  std::uint16_t before = 0, after = 0;  // sources
  std::int64_t took = 0;                // by these clocks; negative: it left before it came
};

bool ClockSkew::is_known() const { return most && *most - least <= 2 * kMillisecond + least / 8; }

Clocks::Clocks(std::span<const Path> paths, const std::vector<Vantage>& vantages, const std::vector<SourceStatistics>& sources)
    : paths_(paths), vantages_(vantages), sources_(sources) {
  files_ = static_cast<std::size_t>(
      std::count_if(sources.begin(), sources.end(), [](const SourceStatistics& s) { return !s.live && s.packets != 0; }));
}

std::uint16_t Clocks::source_of(const LegCount& leg) const {
  const std::uint16_t vantage = paths_[leg.path < paths_.size() ? leg.path : 0].vantage;
  return vantage < vantages_.size() ? vantages_[vantage].source_index : std::uint16_t{0};
}

std::optional<Clocks::Passage> Clocks::passage(const LegCount& before, const LegCount& after) const {
  // The same packets on both sides, from the first to the last.
  if (before.packets == 0 || before.packets != after.packets || !before.syn || !after.syn || before.moved || after.moved)
    return std::nullopt;
  Passage p{source_of(before), source_of(after), after.last - before.last};
  if (p.before == p.after || p.before >= sources_.size() || p.after >= sources_.size()) return std::nullopt;
  if (sources_[p.before].live || sources_[p.after].live) return std::nullopt;
  return p;
}

bool Clocks::was_watched(const Passage& p, Timestamp after) const {
  const SourceStatistics &in = sources_[p.before], &out = sources_[p.after];
  if (!in.first || !in.last || !out.first || !out.last) return false;
  // Captures of one connection that have no moment in common were not timed by one clock.
  return *in.first <= after || *out.last < *in.first || *in.last < *out.first;
}

void Clocks::add(const Connection& c) {
  if (c.protocol != kTcp || c.kind != ConnectionKind::masqueraded || c.forgotten != 0) return;
  const LegCount &request = c.leg(Leg::request), &demasq = c.leg(Leg::demasq), &reply = c.leg(Leg::reply),
                 &masq = c.leg(Leg::masq);
  const std::optional<Passage> to = passage(request, demasq), back = passage(reply, masq);
  // Seen whole in both captures it needs no other proof. Otherwise a capture that began or ended in between may have had another
  // SYN of the same row: it must have been running, and first and last packet must say the same.
  const bool whole = to && back && request.fin && demasq.fin && reply.fin && masq.fin;
  const auto says = [&](const std::optional<Passage>& p, const LegCount& before, const LegCount& after) {
    if (!p) return false;
    if (whole) return true;
    const bool known = before.first - c.first < kFirstKnown && after.first - c.first < kFirstKnown;
    return (!known || about_equal(after.first - before.first, p->took)) && was_watched(*p, after.first);
  };
  Bounds bounds;
  std::pair<std::uint16_t, std::uint16_t> pair;
  const auto note = [&](const Passage& p) {
    const auto ends = std::minmax(p.before, p.after);
    if ((bounds.least || bounds.most) && pair != std::pair(ends.first, ends.second)) return;  // a third capture: one pair a time
    pair = ends;
    // It took no less than no time: the clock of where it left is ahead of the other by what was measured, or less.
    if (p.after == pair.second) bounds.most = std::min(bounds.most.value_or(p.took), p.took);
    if (p.after == pair.first) bounds.least = std::max(bounds.least.value_or(-p.took), -p.took);
  };
  if (says(to, request, demasq)) note(*to);
  if (says(back, reply, masq)) note(*back);
  if (!bounds.least && !bounds.most) return;
  std::vector<Bounds>& said = said_[pair];
  if (said.size() < kSample) said.push_back(bounds);
}

std::optional<ClockSkew> Clocks::skew_of(std::span<const Bounds> said) {
  // `said` is about how far the second is behind: least and most of second minus first.
  ClockSkew skew;
  std::int64_t largest = 0;
  std::size_t others = 0;
  for (const Bounds& b : said) {
    if (b.most && *b.most < -kWorthTelling) {
      const std::int64_t by = -*b.most;
      skew.least = skew.connections == 0 ? by : std::min(skew.least, by);
      largest = std::max(largest, by);
      ++skew.connections;
    } else if (b.most) {
      ++others;
    }
  }
  if (skew.connections < kWitnesses || others != 0 || !about_equal(skew.least, largest)) return std::nullopt;
  for (const Bounds& b : said) {
    if (!b.least) continue;
    // Behind by so much at most. Less than what is proved is no offset but damage, or a clock that was set in between.
    const std::int64_t most = -*b.least;
    if (most < skew.least - kWorthTelling) return std::nullopt;
    skew.most = std::max(skew.most.value_or(most), most);
  }
  return skew;
}

std::vector<ClockSkew> Clocks::skews() const {
  std::vector<ClockSkew> out;
  for (const auto& [pair, said] : said_) {
    std::optional<ClockSkew> skew = skew_of(said);
    if (skew) {
      skew->behind = pair.second, skew->ahead = pair.first;
    } else {
      // The other way round: first minus second.
      std::vector<Bounds> turned;
      turned.reserve(said.size());
      for (const Bounds& b : said) {
        Bounds t;
        if (b.most) t.least = -*b.most;
        if (b.least) t.most = -*b.least;
        turned.push_back(t);
      }
      skew = skew_of(turned);
      if (skew) skew->behind = pair.first, skew->ahead = pair.second;
    }
    if (skew) out.push_back(*skew);
  }
  return out;
}

std::string sentence(const ClockSkew& skew, const std::vector<SourceStatistics>& sources) {
  const auto name = [&](std::uint16_t source) {
    return source < sources.size() ? printable(sources[source].name, 200) : std::string("?");
  };
  const std::string behind = name(skew.behind), ahead = name(skew.ahead);
  std::string text =
      behind + " was timed by a clock that is behind that of " + ahead + ", by " + (skew.is_known() ? "about " : "at least ") +
      to_duration(skew.least) + ": packets of " + with_commas(skew.connections) +
      " connections left the director before they came to it. Times from one capture to the other are wrong by that "
      "much, and faults that show by them may go unnoticed. Synchronise the clocks (NTP) before the next capture";
  if (skew.is_known()) {
    char by[32];
    std::snprintf(by, sizeof by, "%.3f", static_cast<double>(skew.least) / 1e9);
    text += std::string(", or give this one's packets the other's time: editcap -t ") + by + " " + behind + " OUTPUT";
  } else {
    text += ", or move one capture's times by editcap -t";
  }
  return text + ".";
}

}  // namespace lvsnat
