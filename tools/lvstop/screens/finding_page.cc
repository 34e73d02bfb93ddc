#include "screens/finding_page.h"

#include <algorithm>

#include "base/text.h"

namespace lvsnat::top {
namespace {

std::string where_text(const Finding& f, Where where) {
  if (where == Where::real_server && f.subject.real_server) return "on real server " + printable(*f.subject.real_server);
  switch (where) {
    case Where::director:
      return "on the director";
    case Where::real_server:
      return "on the real server";
    case Where::client:
      return "on the client";
    case Where::router:
      return "on the router";
  }
  return {};
}

void label(std::vector<Line>& lines, std::string_view what, std::string_view text, int width, Style style = {}) {
  std::string line(what);
  line.resize(10, ' ');
  wrap_into(lines, line + std::string(text), width, style, 10);
}

}  // namespace

std::vector<Line> finding_lines(const Finding& f, int width) {
  std::vector<Line> lines;
  wrap_into(lines, code_name(f.code) + " " + printable(f.title), width, {tone_of(f.severity), true, false}, 7);
  std::string about = std::string(name(f.severity)) + ", " + std::string(name(f.confidence));
  if (f.count != 0) about += ", seen " + with_commas(f.count) + (f.count == 1 ? " time" : " times");
  if (f.legs) about += ", legs " + f.legs->str();
  wrap_into(lines, about, width, {Tone::faint, false, false});
  std::string subject;
  const auto add = [&](std::string_view what, const std::optional<std::string>& value) {
    if (value) subject += (subject.empty() ? "" : ", ") + std::string(what) + " " + printable(*value);
  };
  add("service", f.subject.service), add("real server", f.subject.real_server), add("client", f.subject.client);
  add("interface", f.subject.interface), add("gateway", f.subject.gateway), add("director", f.subject.director);
  if (!subject.empty()) label(lines, "About", subject, width);
  if (!f.cause.empty()) label(lines, "Cause", printable(f.cause), width);
  for (std::size_t i = 0; i < f.evidence.size(); ++i) {
    const Evidence& e = f.evidence[i];
    std::string text = printable(e.text);
    std::string at;
    if (e.time) at = to_clock(*e.time);
    if (e.source && e.frame) {
      // The folders are in the host view; here they would bury the sentence.
      const std::string file = printable(e.source->substr(e.source->rfind('/') + 1), 128);
      at += (at.empty() ? "" : ", ") + ("frame " + std::to_string(*e.frame) + " of " + file);
    }
    if (!at.empty()) text += " (" + at + ")";
    label(lines, i == 0 ? "Proof" : "", text, width);
  }
  for (std::size_t i = 0; i < f.cure.size(); ++i) {
    const Cure& cure = f.cure[i];
    label(lines, i == 0 ? "Cure" : "", where_text(f, cure.where) + ":", width);
    label(lines, "", "  " + printable(cure.command), width, {Tone::accent, false, false});
    if (cure.persistent) label(lines, "", "  to last: " + printable(*cure.persistent), width);
  }
  for (std::size_t i = 0; i < f.unchecked.size(); ++i) label(lines, i == 0 ? "Unchecked" : "", printable(f.unchecked[i]), width);
  for (std::size_t i = 0; i < f.consequences.size(); ++i) {
    const Consequence& c = f.consequences[i];
    std::string text = code_name(c.code) + " " + std::to_string(c.count) + " times";
    if (c.subject.real_server) text += ", real server " + printable(*c.subject.real_server);
    if (c.subject.service) text += ", service " + printable(*c.subject.service);
    label(lines, i == 0 ? "So also" : "", text, width);
  }
  return lines;
}

std::vector<Line> cure_lines(const Finding& f, int width) {
  std::vector<Line> lines;
  wrap_into(lines, code_name(f.code) + " " + printable(f.title), width, {tone_of(f.severity), true, false}, 7);
  if (f.cure.empty()) wrap_into(lines, "No command is known that would cure this; e explains it.", width);
  for (const Cure& cure : f.cure) {
    lines.push_back({"", {}});
    lines.push_back({where_text(f, cure.where) + ":", {Tone::faint, false, false}});
    std::string_view rest = cure.command;
    while (true) {
      const std::size_t end = std::min(rest.find('\n'), rest.size());
      wrap_into(lines, printable(rest.substr(0, end)), width, {Tone::accent, false, false});
      if (end == rest.size()) break;
      rest.remove_prefix(end + 1);
    }
    if (cure.persistent) {
      lines.push_back({"to survive a reboot:", {Tone::faint, false, false}});
      wrap_into(lines, printable(*cure.persistent), width, {}, 2);
    }
  }
  lines.push_back({"", {}});
  wrap_into(lines, "Nothing is executed: type or paste what you have understood.", width, {Tone::faint, false, false});
  return lines;
}

}  // namespace lvsnat::top
