#include "lvstrace/options.h"

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <CLI/CLI.hpp>

namespace lvsnat::tool {
namespace {

constexpr const char* kDescription =
    "lvstrace - on a real server: do replies to clients go back through the director,\n"
    "always; if not: which route, rule, redirect or cached exception takes them elsewhere.";

constexpr const char* kExamples =
    "  lvstrace                                 every client whose replies would go past the director\n"
    "  lvstrace --client 192.168.1.254          the way of replies to one client\n"
    "  lvstrace --client 10.0.0.0/8 --director 10.1.1.9\n"
    "  lvstrace -i eth0 --for 1m                also: whom replies are really sent to\n"
    "  lvstrace --state DIR -r eth0.pcap        the same from files, anywhere\n"
    "  lvstrace --format json                   for a script, or for 'lvsdiag --with FILE'\n";

constexpr const char* kFooter =
    "The client is the source address that this real server sees. Nothing is sent unless\n"
    "--probe is given, and nothing is ever changed.\n"
    "Exit status: 0 every reply goes by the director, 1 warnings, 2 errors, 3 nothing could\n"
    "be judged (bad usage, unreadable input).";

}  // namespace

std::variant<TraceOptions, int> parse_trace_options(int argc, char** argv) {
  TraceOptions o;
  std::string duration;
  CLI::App app(kDescription, "lvstrace");
  app.set_version_flag("--version", std::string("lvstrace ") + LVSNAT_VERSION, "The version");
  app.footer(kFooter);
  const std::string asked = "What is asked";
  const auto repeatable = [&app, &asked](const char* flag, std::vector<std::string>& into, const char* type, const char* help) {
    app.add_option(flag, into, help)->allow_extra_args(false)->take_all()->type_name(type)->group(asked);
  };
  repeatable("--client", o.clients, "CIP|CIDR",
             "Replies to this client or network (repeatable); default: to every client there can be");
  repeatable("--director", o.directors, "DIP", "An address of a director (repeatable); default: learnt from requests or routes");
  app.add_flag("--probe", o.probe, "Also trace the hops to each --client with packets of our own, a few a second")->group(asked);
  add_common_options(app, o);
  app.add_option("--for", duration, "Watch -i this long (15s, 5m, 1h; default 30s; 0: until interrupted)")
      ->type_name("DURATION")
      ->group("Where packets come from");
  set_help(app, kExamples);
  if (const auto status = parse_command_line(app, argc, argv)) return *status;
  if (!duration.empty()) {
    const auto parsed = parse_duration(duration);
    if (!parsed) return bad_usage("lvstrace", "--for: " + parsed.error().message);
    o.duration = *parsed;
  }
  if (const std::string wrong = contradiction(o); !wrong.empty()) return bad_usage("lvstrace", wrong);
  return o;
}

}  // namespace lvsnat::tool
