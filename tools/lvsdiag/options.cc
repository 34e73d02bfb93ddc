#include "lvsdiag/options.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <CLI/CLI.hpp>

#include "base/text.h"

namespace lvsnat::tool {
namespace {

constexpr const char* kDescription =
    "lvsdiag - does this LVS-NAT work; if not: which leg breaks, for whom, why,\n"
    "and what cures it.";

constexpr const char* kExamples =
    "  sudo lvsdiag                            on the director, while a client tries\n"
    "  lvsdiag -r eth0.pcap -r eth1.pcap       captures of both sides of a director\n"
    "  tcpdump -i any -w - | lvsdiag -r -      ... or of all interfaces at once\n"
    "  lvsdiag -r any.pcap --config keepalived.conf\n"
    "  lvsdiag -r any.pcap --evidence proof.pcapng    the proof, for Wireshark\n"
    "  lvsdiag -r any.pcap --format json       the same for a script\n"
    "  sudo lvsdiag probe                      do answers to clients come back here?\n"
    "  lvsdiag explain LVS101                  what a finding means\n";

constexpr const char* kFooter =
    "Exit status: 0 healthy, 1 warnings, 2 errors, 3 nothing could be diagnosed (bad\n"
    "usage, unreadable input, no privilege, no traffic of any service).\n"
    "Legs, as in 12--: 1 client to VIP, 2 client to real server, 3 real server to\n"
    "client, 4 VIP to client; - not seen, ? could not be seen from here, ! seen and\n"
    "wrong.";

}  // namespace

std::variant<DiagnosisOptions, int> parse_diagnosis_options(int argc, char** argv) {
  DiagnosisOptions o;
  std::string duration;
  CLI::App app(kDescription, "lvsdiag");
  app.footer(kFooter);
  add_common_options(app, o);
  app.add_option("--for", duration, "Watch live traffic this long (15s, 5m, 1h; default 30s; 0: until interrupted)")
      ->type_name("DURATION")
      ->group("Where packets come from");
  app.add_option("--connections", o.connections, "Write a line of JSON for every connection")
      ->type_name("FILE")
      ->group("What comes out");
  app.add_option("--evidence", o.evidence, "Write the packets that findings cite, each with a comment (pcapng)")
      ->type_name("FILE")
      ->group("What comes out");
  app.add_option("--with", o.reports, "Take a JSON report of lvstrace into the diagnosis")
      ->allow_extra_args(false)
      ->take_all()
      ->type_name("FILE")
      ->group("What is known of the cluster (else services are inferred from the packets)");

  std::vector<std::string> clients;
  app.add_option("--client", clients, "Predict, or probe, for this client (repeatable); default those seen, or an example")
      ->allow_extra_args(false)
      ->take_all()
      ->type_name("CIP")
      ->group("What is known of the cluster (else services are inferred from the packets)");

  app.require_subcommand(0, 1);
  app.fallthrough();
  const auto verb = [&app, &o](const char* name, Verb value, const char* help) {
    CLI::App* sub = app.add_subcommand(name, help);
    sub->fallthrough();
    sub->callback([&o, value] { o.verb = value; });
    return sub;
  };
  verb("check", Verb::check, "Diagnose kernel state alone, without packets");
  verb("snapshot", Verb::snapshot, "Save kernel state for --state")
      ->add_option("FILE", o.snapshot, "Where to; default standard output");
  verb("rules", Verb::rules, "List every finding that can be made");
  verb("explain", Verb::explain, "Print the page of a finding")
      ->add_option("ID", o.finding, "Its code or id: LVS101, reply-bypasses-director")
      ->required();
  verb("probe", Verb::probe, "Test the way back from real servers by sending them a packet")
      ->add_option("RIP", o.real_servers, "Which; default those of the services");
  app.set_version_flag("--version", std::string("lvsdiag ") + LVSNAT_VERSION, "The version");
  set_help(app, kExamples);

  if (const auto status = parse_command_line(app, argc, argv)) return *status;
  if (!duration.empty()) {
    const auto parsed = parse_duration(duration);
    if (!parsed) return bad_usage("lvsdiag", "--for: " + parsed.error().message);
    o.duration = *parsed;
  }
  for (const std::string& client : clients) {
    const auto address = parse_address(client);
    if (!address) return bad_usage("lvsdiag", "--client " + printable(client, 200) + ": no IP address");
    o.clients.push_back(*address);
  }
  std::string wrong = contradiction(o);
  if (wrong.empty() && !o.evidence.empty() && std::find(o.read.begin(), o.read.end(), "-") != o.read.end()) {
    wrong = "--evidence reads its captures a second time, which standard input does not allow: save it to a file first";
  }
  if (!wrong.empty()) return bad_usage("lvsdiag", wrong);
  return o;
}

}  // namespace lvsnat::tool
