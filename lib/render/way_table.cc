#include "render/way_table.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/paragraph.h"
#include "base/text.h"
#include "lvsnat/finding.h"

namespace lvsnat {
namespace {

constexpr std::size_t kNetworks = 24;  // of one entry, without -v
constexpr std::size_t kEntries = 40;

bool is_host(const Prefix& prefix) { return prefix.length == (prefix.address.is_v4() ? 32 : 128); }

std::string text_of(const Prefix& prefix) { return is_host(prefix) ? to_string(prefix.address) : to_string(prefix); }

std::string clients_of(const ReplyWay& way, bool others, bool verbose) {
  if (way.rest) return others ? "all other clients" : "every client";
  if (way.clients.size() == 1 && way.clients.front().length == 0) return "every client";
  const std::uint64_t all = way.clients.size() + way.clients_left_out;
  const std::size_t shown = verbose ? way.clients.size() : std::min(way.clients.size(), kNetworks);
  std::string out;
  if (all > 2) out = with_commas(all) + " client networks: ";
  for (std::size_t i = 0; i < shown; ++i) out += (i == 0 ? "" : ", ") + text_of(way.clients[i]);
  if (shown < all) {
    out += ", and " + with_commas(all - shown) + " more";
    if (shown < way.clients.size()) out += " (-v lists them)";
  }
  return out;
}

std::string way_words(const ReplyWay& way) {
  const std::string dev = way.interface.empty() ? std::string() : " dev " + way.interface;
  const std::string hop = way.gateway ? to_string(*way.gateway) : std::string("no gateway");
  const std::string left = way.expires ? ", " + std::to_string(*way.expires) + " s left of it when it was read" : std::string();
  // A certainty only where somebody said that these are clients.
  const std::string past = way.asked || way.rest ? "PAST THE DIRECTOR " : "past the director, ";
  std::string out;
  switch (way.way) {
    case ReplyWay::Way::director:
      out = way.gateway ? "by the director " + hop + dev : "to the director itself" + dev;
      break;
    case ReplyWay::Way::gateway:
      out = (way.code != 0 ? past : std::string()) + "by " + hop + dev;
      if (way.code == 0) out += " (nobody said whether that is the director)";
      break;
    case ReplyWay::Way::direct:
      out = way.code != 0 ? past + "straight out of " + way.interface
                          : "straight out of " + way.interface + ", without the director";
      if (way.no_clients_expected) out += ": a fault only if clients of the service are there";
      break;
    case ReplyWay::Way::nowhere:
      out = "NOWHERE: no route";
      break;
    case ReplyWay::Way::self:
      return "an address of this real server itself";
    case ReplyWay::Way::unknown:
      return "not known: the tables were not read";
  }
  if (way.redirected) out += ", because of an ICMP redirect" + left;
  std::string by = way.route;
  if (!way.rule.empty()) by += (by.empty() ? "rule " : "; rule ") + way.rule;
  if (!by.empty()) out += " [" + by + "]";
  if (way.code != 0) out += "  " + code_name(way.code);
  return out;
}

}  // namespace

bool every_way_is_right(const Report& report) {
  return std::all_of(report.reply_ways.begin(), report.reply_ways.end(), [](const ReplyWay& way) {
    return way.way == ReplyWay::Way::director || way.way == ReplyWay::Way::self || way.no_clients_expected;
  });
}

void append_way_table(std::string& out, const Report& report, std::size_t width, bool verbose) {
  std::size_t shown = 0;
  for (std::size_t i = 0; i < report.reply_ways.size(); ++i) {
    const ReplyWay& way = report.reply_ways[i];
    const bool first = i == 0 || report.reply_ways[i - 1].real_server != way.real_server;
    if (++shown > kEntries && !verbose) {
      append_paragraph(out, "  ", "  ",
                       "... and " + with_commas(report.reply_ways.size() - kEntries) + " more (-v tells all of them)", width);
      return;
    }
    if (first) append_paragraph(out, "  ", "  ", "replies from " + to_string(way.real_server) + " to", width);
    const bool others = std::any_of(report.reply_ways.begin(), report.reply_ways.end(), [&way](const ReplyWay& other) {
      return other.real_server == way.real_server && !other.rest;
    });
    append_paragraph(out, "    ", "      ", clients_of(way, others, verbose), width);
    append_paragraph(out, "        ", "        ", way_words(way), width);
  }
}

}  // namespace lvsnat
