#include "options.h"

#include <cstring>

#include <langinfo.h>

#include <CLI/CLI.hpp>

namespace lvsnat::top {
namespace {

constexpr const char* kDescription =
    "lvstop - what happens on this LVS-NAT director now: services, real servers,\nconnections with their four legs, findings, "
    "live.";

constexpr const char* kExamples =
    "  lvstop                                   live, all interfaces\n"
    "  lvstop -i eth0 -i eth1                   live, the two sides of a director\n"
    "  lvstop -r eth0.pcap -r eth1.pcap         captures, read to their end\n"
    "  lvstop -r any.pcap --play --speed 4      ... replayed four times as fast\n"
    "  lvstop --once --view connections --show 'legs:12--'\n"
    "                                           a table of the connections without replies\n";

constexpr const char* kFooter =
    "Keys: 1 overview, 2 connections, 3 findings, 4 real servers, 5 host and capture; Enter\n"
    "opens, Esc goes back, ? helps, / searches, \\ filters, p freezes, q quits.\n"
    "Exit status: 0 after q; with --once 0 healthy, 1 warnings, 2 errors, 3 nothing could be\n"
    "diagnosed.";

}  // namespace

std::variant<Options, int> parse_options(int argc, char** argv) {
  Options o;
  std::string view, show, duration;
  CLI::App app(kDescription, "lvstop");
  app.set_version_flag("--version", std::string("lvstop ") + LVSNAT_VERSION, "The version");
  app.footer(kFooter);
  tool::add_common_options(app, o);
  const char* group = "The screen";
  app.add_flag("--once", o.once, "Print the view as text and end, with the verdict as status (so it does without a terminal)")
      ->group(group);
  app.add_option("--for", duration, "With --once, watch live traffic this long (15s, 5m, 1h; default 5s)")
      ->type_name("DURATION")
      ->group(group);
  app.add_option("--view", view, "Begin with (or print) overview, connections, findings, real-servers or host")
      ->type_name("NAME")
      ->group(group);
  app.add_option("--show", show, "Filter of the view, as \\ takes it: 'legs:12-- rip:10.1.1.2 ms>50'")
      ->type_name("EXPR")
      ->group(group);
  app.add_flag("--play", o.play, "With -r: in real time, not at once to the end")->group(group);
  app.add_option("--speed", o.speed, "With --play: so many times as fast")
      ->check(CLI::Range(1.0 / 64, 4096.0))
      ->type_name("N")
      ->group(group);
  app.add_option("--history", o.history_mib, "Packets kept for ladders and saving; default 64")
      ->check(CLI::Range(1, 4096))
      ->type_name("MiB")
      ->group(group);
  app.add_flag("-U,--ascii", o.ascii, "ASCII only, whatever the locale says")->group(group);
  tool::set_help(app, kExamples);
  if (const auto status = tool::parse_command_line(app, argc, argv)) return *status;

  if (const std::string wrong = tool::contradiction(o); !wrong.empty()) return tool::bad_usage("lvstop", wrong);
  o.unicode = !o.ascii && std::strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
  if (!view.empty()) {
    const auto found = find_view(view);
    if (!found)
      return tool::bad_usage("lvstop", "--view " + view + ": there are overview, connections, findings, real-servers and host");
    o.view = *found;
  }
  if (!show.empty()) {
    auto parsed = Filter::parse(show);
    if (const auto* error = std::get_if<FilterError>(&parsed)) {
      return tool::bad_usage("lvstop", "--show, column " + std::to_string(error->position + 1) + ": " + error->message);
    }
    o.show = std::get<Filter>(std::move(parsed));
  }
  if (!duration.empty()) {
    const auto parsed = tool::parse_duration(duration);
    if (!parsed) return tool::bad_usage("lvstop", "--for: " + parsed.error().message);
    o.duration = *parsed;
  }
  if (o.play && o.read.empty()) return tool::bad_usage("lvstop", "--play needs a capture to replay: -r FILE");
  if (o.format == tool::Format::json || o.format == tool::Format::nagios) {
    return tool::bad_usage("lvstop", "lvstop prints text or ndjson; lvsdiag -r has json and nagios");
  }
  return o;
}

}  // namespace lvsnat::top
