// A report as a colleague would tell it: the verdict, what is wrong for whom and how that is known, what to type, and only then
// the tables.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/paragraph.h"
#include "base/text.h"
#include "lvsnat/packet.h"
#include "lvsnat/render.h"
#include "render/way_table.h"

namespace lvsnat {
namespace {

// A report stays readable whatever the traffic: the rest is counted, and -v or JSON tells all.
constexpr std::size_t kFullFindings = 20;
constexpr std::size_t kTableRows = 60;
constexpr std::size_t kProofs = 6;
constexpr std::size_t kTwinProofs = 2;  // of a finding that repeats an earlier one for another real server
constexpr std::size_t kGaps = 5;

constexpr std::string_view kIndent = "           ";  // where a finding's words begin
constexpr std::string_view kPaste = "    ";          // where commands begin

constexpr std::string_view kRed = "\x1b[1;31m", kYellow = "\x1b[1;33m", kGreen = "\x1b[1;32m", kBlue = "\x1b[1;34m",
                           kBold = "\x1b[1m", kPlain = "\x1b[0m";

std::string plural(std::uint64_t count, std::string_view one, std::string_view many = {}) {
  return with_commas(count) + " " + (count == 1 ? std::string(one) : many.empty() ? std::string(one) + "s" : std::string(many));
}

/// Fits six columns: 999999, 1.23M, 45.6G.
std::string short_count(std::uint64_t value) {
  if (value < 1'000'000) return std::to_string(value);
  static constexpr std::array<char, 5> kUnits{'M', 'G', 'T', 'P', 'E'};
  double scaled = static_cast<double>(value) / 1e6;
  std::size_t unit = 0;
  while (scaled >= 999.5 && unit + 1 < kUnits.size()) {
    scaled /= 1000;
    ++unit;
  }
  std::array<char, 32> text{};
  const int n = std::snprintf(text.data(), text.size(), "%.*f%c",
                              scaled < 9.995   ? 2
                              : scaled < 99.95 ? 1
                                               : 0,
                              scaled, kUnits[unit]);
  return {text.data(), static_cast<std::size_t>(n)};
}

std::string without_stop(std::string_view title) {
  std::string out = printable(title);
  while (!out.empty() && out.back() == '.') out.pop_back();
  return out;
}

std::string_view severity_word(Severity severity) {
  switch (severity) {
    case Severity::error:
      return "ERROR";
    case Severity::warning:
      return "WARNING";
    case Severity::info:
      break;
  }
  return "NOTE";
}

std::string_view severity_color(Severity severity) {
  switch (severity) {
    case Severity::error:
      return kRed;
    case Severity::warning:
      return kYellow;
    case Severity::info:
      break;
  }
  return kBlue;
}

std::string_view confidence_words(Confidence confidence) {
  switch (confidence) {
    case Confidence::certain:
      return "certain";
    case Confidence::likely:
      return "likely: it explains everything that was seen, but is not proved";
    case Confidence::possible:
      break;
  }
  return "possible: from here it can be neither proved nor ruled out";
}

std::string where_words(Where where, const Subject& subject) {
  switch (where) {
    case Where::director:
      return "on the director";
    case Where::real_server:
      return subject.real_server ? "on the real server " + printable(*subject.real_server) : "on the real server";
    case Where::client:
      return "on the client";
    case Where::router:
      break;
  }
  return "on the router";
}

std::string joined(const std::vector<std::string>& parts, std::string_view last_separator = " and ") {
  std::string out;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i != 0) out += i + 1 == parts.size() ? last_separator : std::string_view(", ");
    out += parts[i];
  }
  return out;
}

class TextReport {
 public:
  TextReport(const Report& report, const TextOptions& options)
      : report_(report), options_(options), width_(static_cast<std::size_t>(std::max(options.width, 40))) {}

  std::string str() {
    verdict();
    if (options_.quiet) {
      for (const Finding& finding : report_.findings) one_line(finding);
      return std::move(out_);
    }
    for (const std::string& note : report_.notes) paragraph("", "", note);
    const std::size_t full = options_.verbose ? report_.findings.size() : std::min(report_.findings.size(), kFullFindings);
    for (std::size_t i = 0; i < full; ++i) finding(report_.findings[i]);
    if (full < report_.findings.size()) {
      heading("And, in short (-v tells all of it)");
      for (std::size_t i = full; i < report_.findings.size(); ++i) one_line(report_.findings[i]);
    }
    differences();
    way_back();
    hops();
    ways();
    prediction();
    services();
    latencies();
    captured();
    director();
    not_read();
    host_names();
    go_on();
    return std::move(out_);
  }

 private:
  void paragraph(std::string_view first, std::string_view rest, std::string_view text) {
    append_paragraph(out_, first, rest, text, width_);
  }
  /// "  cause    words", continued under the words.
  void labelled(std::string_view label, std::string_view text) {
    paragraph(left("  " + std::string(label), kIndent.size() - 1) + " ", kIndent, text);
  }
  void heading(std::string_view text) {
    out_ += '\n';
    const std::size_t at = out_.size();
    out_.append(text).append("\n");
    paint(at, text.size(), kBold);
  }
  /// Colours what already stands in the output, so that colour never counts as width.
  void paint(std::size_t at, std::size_t length, std::string_view color) {
    if (!options_.color) return;
    out_.insert(at + length, kPlain);
    out_.insert(at, color);
  }

  // ---- state

  void differences() {
    constexpr std::size_t kMost = 12;
    if (report_.differences.empty()) return;
    heading("Configured and running differ");
    const std::size_t shown = options_.verbose ? report_.differences.size() : std::min(report_.differences.size(), kMost);
    for (std::size_t i = 0; i < shown; ++i) paragraph("  ", "    ", report_.differences[i]);
    if (shown < report_.differences.size())
      paragraph("  ", "  ", "... and " + std::to_string(report_.differences.size() - shown) + " more (-v tells all of them)");
  }

  void not_read() {
    constexpr std::size_t kMost = 12;
    if (report_.not_read.empty()) return;
    heading("Not read of the kernel's state, and what it would have told");
    const std::size_t shown = options_.verbose ? report_.not_read.size() : std::min(report_.not_read.size(), kMost);
    for (std::size_t i = 0; i < shown; ++i) {
      const Gap& gap = report_.not_read[i];
      paragraph("  ", "    ", gap.what + " (" + gap.why + ")" + (gap.would_tell.empty() ? "" : ": " + gap.would_tell));
    }
    if (shown < report_.not_read.size())
      paragraph("  ", "  ", "... and " + std::to_string(report_.not_read.size() - shown) + " more (-v tells all of them)");
  }

  /// A real server's replies, client by client.
  void ways() {
    if (report_.reply_ways.empty()) return;
    heading("Where the replies go");
    append_way_table(out_, report_, width_, options_.verbose);
  }

  // ---- prediction

  /// Before any packet was seen: the four legs of each destination, and what decides each.
  void prediction() {
    constexpr std::size_t kBlocks = 16;
    if (report_.packets.total != 0 || report_.prediction.empty()) return;
    heading("What will become of a connection, by the settings");
    std::size_t shown = 0;
    for (const Forecast& f : report_.prediction) {
      if (++shown > kBlocks && !options_.verbose) {
        paragraph("  ", "  ",
                  "... and " + plural(report_.prediction.size() - kBlocks, "destination") + " more (-v tells all of them)");
        break;
      }
      paragraph("\n  ", "    ",
                f.service + " to " + to_string(f.real_server) + ", from " + (f.example ? "a client such as " : "") +
                    to_string(f.client));
      for (const Leg leg : kLegs) {
        const ForecastLeg& l = f.legs[index(leg)];
        std::string path = l.in_device + (l.in_device.empty() || l.out_device.empty() ? "" : " > ") + l.out_device;
        std::string text = l.decides;
        for (const std::string& doubt : l.doubts) text += (text.empty() ? "" : "; ") + doubt;
        const std::string label = "    " + std::to_string(index(leg) + 1) + " " + left(std::string(name(leg)), 8) +
                                  left(l.fate, 12) + left(path.empty() ? "-" : path, 13) + " ";
        paragraph(label, std::string(std::min<std::size_t>(label.size(), 40), ' '), text);
      }
    }
  }

  // ---- probes

  [[nodiscard]] static std::string outcome_words(const WayBackResult& r) {
    using Outcome = WayBackResult::Outcome;
    const auto tries = [](unsigned n) { return n == 1 ? std::string("1 try") : std::to_string(n) + " tries"; };
    std::vector<std::string> devices;
    for (const std::string& dev : r.came_by) {
      if (!dev.empty()) devices.push_back(dev);
    }
    const std::string by = devices.empty() ? "" : " by " + joined(devices);
    const std::string after = r.round_trip ? " after " + to_duration(*r.round_trip) : "";
    switch (r.outcome) {
      case Outcome::returned:
        return "came back" + by + after + (r.refused ? ", as an ICMP error" : "");
      case Outcome::elsewhere:
        return "came back" + by + after + ", not by " + r.interface;
      case Outcome::past:
        return "THE REPLY WENT TO ANOTHER HOST";
      case Outcome::silent:
        return "NO REPLY in " + tries(r.tries) + "; it answers this director's own echo requests (" +
               std::to_string(r.own_answers) + " of " + std::to_string(r.own_tries) + ")";
      case Outcome::mute:
        return "cannot be tested: it is there, and answers no echo request at all";
      case Outcome::down:
        return "NOBODY THERE: ARP or neighbour discovery is not answered";
      case Outcome::translated:
        return "not tested: leaves with the source " + to_string(r.left_as) + " (full NAT)";
      case Outcome::not_sent:
        return "not tested: the request did not leave this host";
      case Outcome::untested:
        break;
    }
    return "not tested to the end";
  }

  void way_back() {
    if (report_.way_back.empty()) return;
    heading("The way-back test");
    std::size_t shown = 0;
    for (const WayBackResult& r : report_.way_back) {
      if (++shown > 4 * kTableRows && !options_.verbose) {
        paragraph("  ", "  ", "... and " + plural(report_.way_back.size() - shown + 1, "more test") + " (-v tells all of them)");
        break;
      }
      paragraph("  " + left(to_string(r.rip), 16) + " from " + left(to_string(r.client), 16) + " ", std::string(20, ' '),
                outcome_words(r));
    }
  }

  /// "10.1.1.9  icmp 0.4 ms, udp 0.3 ms": protocols with the same answer stand together.
  [[nodiscard]] static std::string answers_words(std::span<const TraceAnswer> answers) {
    std::vector<std::pair<std::string, std::string>> hosts;  // who, and how
    for (const TraceAnswer& a : answers) {
      const bool silent = a.kind == TraceAnswer::Kind::none || a.kind == TraceAnswer::Kind::not_sent;
      std::string who = a.kind == TraceAnswer::Kind::none       ? "*"
                        : a.kind == TraceAnswer::Kind::not_sent ? "not sent"
                                                                : to_string(a.from);
      if (a.kind == TraceAnswer::Kind::unreachable) who += ", unreachable (code " + std::to_string(a.code) + ")";
      const std::string how = std::string(name(a.protocol)) + (!silent && a.round_trip ? " " + to_duration(*a.round_trip) : "");
      const auto known = std::find_if(hosts.begin(), hosts.end(), [&who](const auto& h) { return h.first == who; });
      if (known == hosts.end()) {
        hosts.emplace_back(std::move(who), how);
      } else {
        known->second += ", " + how;
      }
    }
    std::string out;
    for (const auto& [who, how] : hosts) out += (out.empty() ? "" : "; ") + who + "  " + how;
    return out;
  }

  /// One line a hop and round, and redirects where they came.
  void hops() {
    for (const HopTrace& trace : report_.hops) {
      heading("Hops from " + to_string(trace.rip) + " to " + to_string(trace.client));
      std::size_t redirect = 0;
      const auto redirects_until = [&](Timestamp time) {
        for (; redirect < trace.redirects.size() && trace.redirects[redirect].time < time; ++redirect) {
          const HopTrace::Redirect& r = trace.redirects[redirect];
          paragraph(std::string(14, ' '), std::string(14, ' '),
                    "ICMP redirect from " + to_string(r.from) + ": " + to_string(trace.client) +
                        (r.gateway == trace.client ? " directly" : " by " + to_string(r.gateway)));
        }
      };
      const std::span<const TraceAnswer> all(trace.answers);
      for (std::size_t i = 0; i < all.size();) {
        const TraceAnswer& first = all[i];
        std::size_t n = i;
        while (n < all.size() && all[n].round == first.round && all[n].hop == first.hop) ++n;
        redirects_until(first.sent);
        const std::span<const TraceAnswer> answers = all.subspan(i, n - i);
        const auto& own = report_.director.addresses;
        const bool straight = first.hop == 1 && std::find(own.begin(), own.end(), trace.client) == own.end() &&
                              std::any_of(answers.begin(), answers.end(),
                                          [](const TraceAnswer& a) { return a.kind == TraceAnswer::Kind::reached; });
        const bool begins = i == 0 || all[i - 1].round != first.round;
        paragraph((begins ? "  round " + std::to_string(first.round) + " " : std::string(10, ' ')) +
                      right(std::to_string(first.hop), 2) + "  ",
                  std::string(14, ' '), answers_words(answers) + (straight ? "  NOT BY THE DIRECTOR" : ""));
        i = n;
      }
      redirects_until(std::numeric_limits<Timestamp>::max());
    }
  }

  // ---- verdict

  [[nodiscard]] std::string where_to() const {
    std::uint64_t used = 0, servers = 0;
    const ServiceTally* only = nullptr;
    for (const ServiceTally& service : report_.services) {
      if (service.connections == 0) continue;
      ++used;
      only = &service;
      for (const DestinationTally& d : service.destinations) servers += d.connections != 0 ? 1 : 0;
    }
    if (used == 0) return {};
    std::string out = used == 1 ? " to " + to_string(only->service) : " to " + plural(used, "service");
    if (servers != 0) out += " through " + plural(servers, "real server");
    return out;
  }

  [[nodiscard]] bool has(int code) const {
    return std::any_of(report_.findings.begin(), report_.findings.end(), [code](const Finding& f) { return f.code == code; });
  }

  /// lvstrace found nothing worse than a note.
  [[nodiscard]] std::string way_back_sentence() const {
    if (!every_way_is_right(report_)) return "Nothing wrong was found, but not every way could be judged: see below.";
    const bool asked =
        std::any_of(report_.reply_ways.begin(), report_.reply_ways.end(), [](const ReplyWay& way) { return way.asked; });
    return asked ? "Healthy: replies to these clients go back through the director."
                 : "Healthy: replies to every client outside the networks listed below go back through the director.";
  }

  [[nodiscard]] std::string ok_sentence() const {
    const ConnectionTally& c = report_.connections;
    if (report_.tool == "lvstrace" && !report_.reply_ways.empty()) return way_back_sentence();
    if (!report_.way_back.empty()) {
      std::set<Address> back, all;
      for (const WayBackResult& r : report_.way_back) {
        all.insert(r.rip);
        if (r.outcome == WayBackResult::Outcome::returned) back.insert(r.rip);
      }
      if (back.empty()) return "The way-back test found nothing wrong, and no reply that came back: see why below.";
      return back.size() == all.size()
                 ? "Replies of " + plural(back.size(), "real server") + " came back to this director."
                 : "Replies of " + std::to_string(back.size()) + " of " + plural(all.size(), "real server") +
                       " came back to this director; the others could not be tested.";
    }
    if (c.total == 0) {
      return report_.sources.empty() ? "Nothing wrong was found in the settings; no traffic was looked at."
                                     : "Nothing wrong was found; no connection of any service was seen.";
    }
    std::vector<std::string> seen;
    for (const Leg leg : kLegs) {
      if (c.legs[index(leg)] != 0) seen.push_back(std::to_string(index(leg) + 1));
    }
    if (seen.size() < kLegs.size() || has(902)) {
      return "Nothing wrong was seen in " + plural(c.total, "connection") + where_to() + ", but these captures show only " +
             (seen.size() == 1 ? "leg " : "legs ") + joined(seen) + " of the four.";
    }
    if (c.healthy == 0) {
      return "Nothing wrong was seen, but none of " + plural(c.total, "connection") + where_to() +
             " could be followed to a verdict.";
    }
    std::string out = "This LVS-NAT is healthy: " + plural(c.healthy, "connection") + where_to() + ", all four legs seen.";
    if (c.undecided != 0) out += " " + with_commas(c.undecided) + " more could not be judged: too little of them was captured.";
    return out;
  }

  [[nodiscard]] std::string warning_sentence(std::uint64_t warnings, const Finding* first) const {
    const ConnectionTally& c = report_.connections;
    std::string out;
    if (c.healthy != 0) {
      out = "This LVS-NAT works (" + with_commas(c.healthy) + " of " + plural(c.total, "connection") + " complete), with " +
            plural(warnings, "warning");
    } else {
      out = "No error, but " + plural(warnings, "warning");
    }
    if (first != nullptr) out += ": " + without_stop(first->title) + " (" + code_name(first->code) + ")";
    return out + ".";
  }

  [[nodiscard]] std::string error_sentence(std::uint64_t errors, const Finding* first) const {
    const ConnectionTally& c = report_.connections;
    const bool doubtful = c.broken == 0 && std::all_of(report_.findings.begin(), report_.findings.end(), [](const Finding& f) {
                            return f.severity != Severity::error || f.confidence == Confidence::possible;
                          });
    std::string out = doubtful ? "Possibly broken:" : "Broken:";
    if (c.broken != 0) {
      out += " " + with_commas(c.broken) + " of " + plural(c.total, "connection") + where_to() +
             (c.broken == 1 ? " fails." : " fail.");
    }
    if (first != nullptr) out += " " + without_stop(first->title) + " (" + code_name(first->code) + ").";
    if (errors > 1) out += " " + plural(errors - 1, "more error") + " below.";
    return out;
  }

  void verdict() {
    std::uint64_t errors = 0, warnings = 0;
    const Finding *first_error = nullptr, *first_warning = nullptr;
    for (const Finding& f : report_.findings) {
      if (f.severity == Severity::error && errors++ == 0) first_error = &f;
      if (f.severity == Severity::warning && warnings++ == 0) first_warning = &f;
    }
    std::string text;
    std::string_view color = kGreen;
    switch (report_.verdict) {
      case Verdict::ok:
        text = ok_sentence();
        break;
      case Verdict::warning:
        text = warning_sentence(warnings, first_warning);
        color = kYellow;
        break;
      case Verdict::error:
        text = error_sentence(errors, first_error);
        color = kRed;
        break;
      case Verdict::unknown:
        text = "Nothing could be diagnosed";
        if (!report_.findings.empty()) {
          text += ": " + without_stop(report_.findings.front().title) + " (" + code_name(report_.findings.front().code) + ")";
        }
        text += ".";
        color = kYellow;
        break;
    }
    const std::size_t at = out_.size();
    paragraph("", "", text);
    paint(at, out_.size() - at - 1, color);
  }

  // ---- findings

  void one_line(const Finding& f) {
    const std::string_view word = severity_word(f.severity);
    const std::size_t at = out_.size();
    paragraph(left(word, 8) + left(code_name(f.code), 8), "                ", f.title);
    paint(at, word.size(), severity_color(f.severity));
  }

  [[nodiscard]] static std::string for_whom(const Subject& subject) {
    std::vector<std::string> parts;
    const auto add = [&parts](std::string_view what, const std::optional<std::string>& value) {
      if (value && !value->empty()) parts.push_back(std::string(what) + *value);
    };
    add("", subject.service);
    add("real server ", subject.real_server);
    add("client ", subject.client);
    add("director ", subject.director);
    add("interface ", subject.interface);
    return joined(parts, ", ");
  }

  [[nodiscard]] static std::string extent(const Finding& f) {
    std::string out;
    if (f.legs) out = f.legs->str() + "  " + legs_in_words(*f.legs);
    if (f.count == 0) return out;
    // What has legs counts connections; questions, redirects and retransmissions count themselves, 2xx and 3xx settings; 9xx
    // count nothing.
    const int family = f.code / 100;
    if (family == 1 && f.legs) {
      out += " (" + plural(f.count, "connection") + ")";
    } else if (family != 9 && f.count > 1) {
      out += (out.empty() ? "" : " (") + plural(f.count, "time") + (f.legs ? ")" : "");
    }
    return out;
  }

  /// A capture's file name without its folder, where that still tells it from the others.
  [[nodiscard]] std::string short_source(const std::string& source) const {
    const std::size_t slash = source.find_last_of('/');
    if (slash == std::string::npos || slash + 1 == source.size()) return source;
    const std::string base = source.substr(slash + 1);
    const auto same_base = [&base](const SourceStatistics& s) { return s.name == base || s.name.ends_with("/" + base); };
    return std::count_if(report_.sources.begin(), report_.sources.end(), same_base) > 1 ? source : base;
  }

  [[nodiscard]] std::string place(const Evidence& evidence) const {
    std::vector<std::string> parts;
    if (evidence.source) {
      parts.push_back(short_source(*evidence.source) +
                      (evidence.frame.value_or(0) != 0 ? "#" + std::to_string(*evidence.frame) : std::string()));
    } else if (evidence.frame.value_or(0) != 0) {
      parts.push_back("frame " + std::to_string(*evidence.frame));
    }
    if (evidence.time) parts.push_back(to_clock(*evidence.time));
    if (evidence.leg) parts.push_back("leg " + std::to_string(index(*evidence.leg) + 1));
    return parts.empty() ? std::string() : " (" + joined(parts, ", ") + ")";
  }

  /// The finding before this one that tells the same story of another real server: its cause and cure need no second telling.
  [[nodiscard]] const Finding* twin_of(const Finding& f) const {
    if (!f.subject.real_server) return nullptr;
    for (const Finding& earlier : report_.findings) {
      if (&earlier == &f) return nullptr;
      if (earlier.code != f.code || earlier.severity != f.severity || !earlier.subject.real_server) continue;
      const auto same = [&](std::string text, const std::string& of_earlier) {
        const std::string& mine = *f.subject.real_server;
        for (std::size_t at = text.find(mine); at != std::string::npos;
             at = text.find(mine, at + earlier.subject.real_server->size())) {
          text.replace(at, mine.size(), *earlier.subject.real_server);
        }
        return text == of_earlier;
      };
      bool twins = earlier.cure.size() == f.cure.size() && same(f.cause, earlier.cause);
      for (std::size_t i = 0; twins && i < f.cure.size(); ++i) twins = same(f.cure[i].command, earlier.cure[i].command);
      if (twins) return &earlier;
    }
    return nullptr;
  }

  void proof(const Finding& f, std::size_t limit) {
    const std::size_t shown = options_.verbose ? f.evidence.size() : std::min(f.evidence.size(), limit);
    for (std::size_t i = 0; i < shown; ++i) {
      const Evidence& e = f.evidence[i];
      paragraph(i == 0 ? "  proof    - " : "           - ", "             ", e.text + place(e));
      if (options_.verbose && options_.describe && e.source && e.frame.value_or(0) != 0) {
        const std::string frame = options_.describe(*e.source, *e.frame);
        if (!frame.empty()) paragraph("             > ", "               ", frame);
      }
    }
    if (shown < f.evidence.size()) {
      paragraph(kIndent, kIndent, "- " + plural(f.evidence.size() - shown, "more proof") + " with -v");
    }
  }

  void cure(const Finding& f) {
    std::string_view label = "cure";
    std::optional<Where> at;
    for (const Cure& c : f.cure) {
      if (at != c.where) {
        labelled(label, where_words(c.where, f.subject) + ":");
        label = "";
      }
      at = c.where;
      append_verbatim(out_, kPaste, c.command);
    }
    // What to type now stands together, what has to be written down comes after it.
    at.reset();
    for (const Cure& c : f.cure) {
      if (!c.persistent) continue;
      if (at != c.where) labelled(at ? "" : "keep it", where_words(c.where, f.subject) + ", to survive a reboot:");
      at = c.where;
      append_verbatim(out_, kPaste, *c.persistent);
    }
  }

  void finding(const Finding& f) {
    out_ += '\n';
    const std::size_t at = out_.size();
    const std::string head = std::string(severity_word(f.severity)) + " " + code_name(f.code);
    paragraph(head + "  ", "  ", f.title);
    paint(at, head.size(), severity_color(f.severity));
    const std::string whom = for_whom(f.subject);
    if (!whom.empty()) labelled("for", whom);
    if (f.subject.gateway) {
      // Where it is the gateway itself, or a second owner of an address, that is in question, nothing goes anywhere instead.
      const bool instead = f.code != 117 && f.code != 118 && f.code != 119;
      labelled(instead         ? "instead"
               : f.code == 117 ? "besides"
                               : "gateway",
               (instead ? "packets go to " : "") + *f.subject.gateway);
    }
    const std::string seen = extent(f);
    if (!seen.empty()) labelled("seen", seen);
    if (f.code / 100 != 9) labelled("sure", confidence_words(f.confidence));
    if (const Finding* twin = twin_of(f); twin != nullptr && !options_.verbose) {
      proof(f, kTwinProofs);
      labelled("cause",
               "and cure as for " + *twin->subject.real_server + " above, with " + *f.subject.real_server + " in its place");
      return;
    }
    proof(f, kProofs);
    if (!f.cause.empty()) labelled("cause", f.cause);
    cure(f);
    if (!f.unchecked.empty()) {
      out_ += "  What would settle it:\n";
      for (const std::string& question : f.unchecked) paragraph("           - ", "             ", question);
    }
    if (!f.because.empty()) labelled("named by", because(f));
    if (!f.consequences.empty()) labelled("so also", consequences(f));
    labelled("more", "lvsdiag explain " + code_name(f.code));
  }

  [[nodiscard]] static std::string because(const Finding& f) {
    std::vector<std::string> parts;
    for (const Consequence& c : f.because) parts.push_back(code_name(c.code));
    return joined(parts) + " of the real server's own report (lvsdiag explain " + code_name(f.because.front().code) + ")";
  }

  [[nodiscard]] static std::string consequences(const Finding& f) {
    std::vector<std::string> parts;
    for (const Consequence& c : f.consequences) {
      std::string part = code_name(c.code);
      if (c.subject.real_server) {
        part += " for " + *c.subject.real_server;
      } else if (c.subject.client) {
        part += " for " + *c.subject.client;
      }
      if (c.count > 1) part += " (" + with_commas(c.count) + ")";
      parts.push_back(std::move(part));
    }
    return joined(parts) + (parts.size() == 1 ? ", which follows from this and needs no cure of its own"
                                              : ", which follow from this and need no cure of their own");
  }

  // ---- tables

  /// One row: a name, then right-aligned cells. A name that does not fit stands on a line of its own.
  void row(std::string_view text, std::size_t name_width, const std::vector<std::string>& cells, std::size_t cell_width) {
    const std::string clean = printable(text);
    if (columns(clean) > name_width) {
      out_.append(clean).append("\n").append(name_width, ' ');
    } else {
      out_ += left(clean, name_width);
    }
    for (const std::string& cell : cells) {
      out_ += ' ';
      out_ += right(cell, cell_width);
    }
    out_ += '\n';
  }

  template <typename Tally>
  [[nodiscard]] static std::vector<std::string> counts(const Tally& tally) {
    std::vector<std::string> cells;
    for (const std::uint64_t n : {tally.connections, tally.healthy, tally.broken, tally.undecided})
      cells.push_back(short_count(n));
    for (const std::uint64_t n : tally.legs) cells.push_back(short_count(n));
    return cells;
  }

  [[nodiscard]] static std::string destination_name(const ServiceTally& service, const DestinationTally& tally) {
    const Destination& d = tally.destination;
    std::string text = to_string(Endpoint{d.rip, d.port != 0 ? d.port : service.service.port});
    if (d.method != Method::masq && d.method != Method::unknown) text += " " + std::string(name(d.method));
    if (d.weight == 0) text += " draining";
    return text;
  }

  void services() {
    if (report_.services.empty()) return;
    heading("Services and real servers");
    const std::size_t name_width = std::max<std::size_t>(width_, 80) - 8 * 7;
    row("", name_width, {"conns", "ok", "broken", "open", "leg 1", "leg 2", "leg 3", "leg 4"}, 6);
    std::size_t rows = 0, unused = 0, left_out = 0;
    for (const ServiceTally& service : report_.services) {
      if (!options_.verbose && service.connections == 0 && report_.connections.total != 0) {
        ++unused;
        continue;
      }
      if (!options_.verbose && rows + 1 + service.destinations.size() > kTableRows && rows != 0) {
        ++left_out;
        continue;
      }
      std::string title = to_string(service.service);
      row(title, name_width, counts(service), 6);
      ++rows;
      for (const DestinationTally& d : service.destinations) {
        if (!options_.verbose && rows >= kTableRows) break;
        row("  " + destination_name(service, d), name_width, counts(d), 6);
        ++rows;
      }
      if (service.without_destination != 0) {
        row("  no real server seen", name_width, {short_count(service.without_destination)}, 6);
      }
    }
    if (unused != 0) paragraph("", "", plural(unused, "service") + " without any connection not listed (-v lists all).");
    if (left_out != 0) paragraph("", "", plural(left_out, "more service") + " not listed (-v lists all).");
    if (std::find(report_.origin.begin(), report_.origin.end(), Origin::inferred) != report_.origin.end()) {
      paragraph("", "", "Services were inferred from the packets; nobody declared them.");
    }
    if (report_.connections.undecided != 0) {
      paragraph("", "", "open: not judged, because too little was captured or it had not ended.");
    }
  }

  void latency_row(std::string_view text, std::size_t name_width, const std::optional<Latency>& latency) {
    if (!latency) return;
    row(text, name_width,
        {short_count(latency->count), to_duration(latency->p50), to_duration(latency->p90), to_duration(latency->p99),
         to_duration(latency->max)},
        8);
  }

  void latencies() {
    const ConnectionTally& c = report_.connections;
    if (!c.director_request && !c.director_reply && !c.real_server && !c.client) return;
    heading("Where the time goes");
    const std::size_t name_width = std::max<std::size_t>(width_, 80) - 5 * 9;
    row("", name_width, {"count", "median", "90 %", "99 %", "longest"}, 8);
    latency_row("director, request (1 to 2)", name_width, c.director_request);
    latency_row("director, reply (3 to 4)", name_width, c.director_reply);
    latency_row("real servers (2 to 3)", name_width, c.real_server);
    std::size_t rows = 0;
    for (const ServiceTally& service : report_.services) {
      for (const DestinationTally& d : service.destinations) {
        if (!options_.verbose && rows >= kTableRows) break;
        const std::string text = "  " + destination_name(service, d);
        if (d.real_server) latency_row(text, name_width, d.real_server);
        if (d.response) latency_row(d.real_server ? "    first data" : text + " first data", name_width, d.response);
        rows += (d.real_server ? 1U : 0U) + (d.response ? 1U : 0U);
      }
    }
    latency_row("clients (4 to 1)", name_width, c.client);
  }

  // ---- capture

  [[nodiscard]] static std::string source_words(const SourceStatistics& s) {
    if (s.refused) return "not read: " + s.problem.value_or("it is no capture that can be read");
    std::string out = plural(s.packets, "packet");
    if (s.first && s.last) {
      const std::string begin = to_rfc3339(*s.first);
      out += " in " + to_duration(*s.last - *s.first) + " from " + begin.substr(0, 10) + " " + begin.substr(11, 8) + " UTC";
    }
    if (s.dropped) out += s.dropped == 0 ? ", none dropped" : ", " + with_commas(*s.dropped) + " DROPPED before they were seen";
    if (s.malformed != 0) out += ", " + with_commas(s.malformed) + " malformed";
    if (s.truncated) out += ", ends inside a packet";
    if (s.damaged) out += ", DAMAGED";
    if (s.problem) out += "; " + *s.problem;
    return out;
  }

  void captured() {
    if (report_.sources.empty()) return;
    heading("What was captured");
    for (const SourceStatistics& s : report_.sources) {
      const std::string interface = s.interface && *s.interface != s.name ? " (" + *s.interface + ")" : std::string();
      paragraph("  ", "    ", s.name + interface + ": " + source_words(s));
      for (std::size_t i = 0; i < std::min(s.gaps.size(), kGaps); ++i) {
        paragraph("    ", "      ",
                  "blind from " + to_clock(s.gaps[i].from) + " to " + to_clock(s.gaps[i].to) + ": " + s.gaps[i].why);
      }
      if (s.gaps.size() > kGaps) paragraph("    ", "      ", plural(s.gaps.size() - kGaps, "more gap"));
    }
    not_understood();
    set_aside();
  }

  void not_understood() {
    static constexpr std::array<std::string_view, Packet::kKinds> kKindWords{"TCP, UDP or SCTP",
                                                                             "ICMP",
                                                                             "ARP",
                                                                             "neighbour discovery",
                                                                             "tunnelled",
                                                                             "later fragments",
                                                                             "other IP",
                                                                             "not IP",
                                                                             "cut too short by the snaplen",
                                                                             "malformed",
                                                                             "of an unknown link type or encapsulation"};
    const auto& n = report_.packets.by_kind;
    std::vector<std::string> parts;
    const std::size_t first = options_.verbose ? 0 : static_cast<std::size_t>(Packet::Kind::truncated);
    for (std::size_t kind = first; kind < n.size(); ++kind) {
      if (n[kind] != 0) parts.push_back(with_commas(n[kind]) + " " + std::string(kKindWords[kind]));
    }
    if (!parts.empty()) paragraph("  ", "    ", (options_.verbose ? "Packets: " : "Not understood: ") + joined(parts) + ".");
    if (report_.packets.duplicates != 0) {
      paragraph("  ", "    ", plural(report_.packets.duplicates, "copy", "copies") + " of packets seen before, counted once.");
    }
  }

  void set_aside() {
    const ConnectionTally& c = report_.connections;
    std::vector<std::string> parts;
    if (c.health_checks != 0) parts.push_back(plural(c.health_checks, "health check"));
    if (c.direct != 0) parts.push_back(with_commas(c.direct) + " straight to a real server");
    if (c.own_service != 0) parts.push_back(with_commas(c.own_service) + " to the director itself");
    if (c.unrelated != 0) parts.push_back(with_commas(c.unrelated) + " that pass no service");
    if (!parts.empty()) paragraph("  ", "    ", "Other connections: " + joined(parts) + ".");
    const std::uint64_t evicted = c.evicted_half_open + c.evicted_closed + c.evicted_other;
    if (evicted != 0 || c.untracked_packets != 0) {
      paragraph("  ", "    ",
                "The table of connections was full: " + plural(evicted, "connection") + " given up (" +
                    with_commas(c.evicted_half_open) + " half open, " + with_commas(c.evicted_closed) + " closed, " +
                    with_commas(c.evicted_other) + " others), " + plural(c.untracked_packets, "packet") +
                    " not followed. A higher --max-connections keeps them.");
    }
  }

  void director() {
    if (!options_.verbose) return;
    const Report::Director& d = report_.director;
    const auto line = [this](std::string_view what, const auto& values) {
      std::vector<std::string> texts;
      for (const auto& value : values) texts.push_back(to_string(value));
      if (!texts.empty()) paragraph("  ", "    ", std::string(what) + ": " + joined(texts, ", "));
    };
    if (d.addresses.empty() && d.outside_macs.empty() && d.inside_macs.empty() && d.gateways.empty() && report_.origin.empty())
      return;
    heading("The director");
    line("addresses", d.addresses);
    line("outside MACs", d.outside_macs);
    line("inside MACs", d.inside_macs);
    line("gateway of the real servers", d.gateways);
    std::vector<std::string> origins;
    for (const Origin o : report_.origin) origins.emplace_back(name(o));
    if (!origins.empty()) paragraph("  ", "    ", "services known from: " + joined(origins, ", "));
  }

  void host_names() {
    if (options_.names.empty()) return;
    heading("Names");
    for (const auto& [address, host_name] : options_.names) paragraph("  ", "    ", address + "  " + host_name);
  }

  void go_on() {
    if (report_.findings.empty() || report_.connections.total == 0 || report_.tool != "lvsdiag") return;
    const bool cites = std::any_of(report_.findings.begin(), report_.findings.end(), [](const Finding& f) {
      return std::any_of(f.evidence.begin(), f.evidence.end(), [](const Evidence& e) { return e.frame.value_or(0) != 0; });
    });
    out_ += '\n';
    paragraph("", "",
              std::string("To go on: --connections FILE writes a line for every connection") +
                  (cites ? ", --evidence FILE.pcapng the packets cited above." : "."));
  }

  const Report& report_;
  const TextOptions& options_;
  std::size_t width_;
  std::string out_;
};

}  // namespace

std::string legs_in_words(const LegString& legs) {
  static constexpr std::array<std::array<std::string_view, 2>, 9> kKnown{{
      {"1234", "all four legs seen"},
      {"12--", "forwarded to the real server; no reply came back to the director"},
      {"123-", "the reply came back to the director and never left it"},
      {"123!", "the reply left the director with a wrong source address"},
      {"1---", "the request reached the director; nothing left it"},
      {"1??4", "only the clients' side was captured"},
      {"?23?", "only the real servers' side was captured"},
      {"?2-?", "forwarded to the real server; no reply on the real servers' side"},
      {"1?\?-", "nothing came back to the client; the real servers' side was not captured"},
  }};
  for (const auto& [text, meaning] : kKnown) {
    if (legs.str() == text) return std::string(meaning);
  }
  static constexpr std::array<std::string_view, 4> kNames{"request", "forwarded request", "reply", "masqueraded reply"};
  std::vector<std::string> seen, missing, hidden, wrong;
  for (const Leg leg : kLegs) {
    const char c = legs[leg];
    (c == '-' ? missing : c == '?' ? hidden : c == '!' ? wrong : seen).emplace_back(kNames[index(leg)]);
  }
  std::vector<std::string> parts;
  if (!seen.empty()) parts.push_back(joined(seen) + " seen");
  if (!missing.empty()) parts.push_back(joined(missing) + " missing");
  if (!wrong.empty()) parts.push_back(joined(wrong) + " wrong");
  if (!hidden.empty()) parts.push_back(joined(hidden) + " not visible here");
  return joined(parts, "; ");
}

std::string render_text(const Report& report, const TextOptions& options) { return TextReport(report, options).str(); }

}  // namespace lvsnat
