// The saved output of a host's commands and files of /proc, each by its own reader. Input: which one, then its text.
#include <array>
#include <functional>
#include <string>

#include "fuzz/fuzz.h"
#include "lvsnat/state.h"
#include "state/command_text.h"
#include "state/ip_json.h"
#include "state/ipvsadm_text.h"
#include "state/nft_rules.h"
#include "state/proc_net.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lvsnat;
  using fuzz::demand;
  using Reader = Reading (*)(std::string_view, KernelState&);
  static constexpr Reader kReaders[] = {
      parse_ip_address,
      parse_ip_link,
      [](std::string_view text, KernelState& state) { return parse_ip_route(text, false, state); },
      [](std::string_view text, KernelState& state) { return parse_ip_route(text, true, state); },
      [](std::string_view text, KernelState& state) { return parse_ip_rule(text, false, state); },
      [](std::string_view text, KernelState& state) { return parse_ip_rule(text, true, state); },
      parse_ip_neighbour,
      parse_ip_exceptions,
      parse_route_cache_text,
      [](std::string_view text, KernelState& state) { return parse_ip_route_get(split_command_output(text), "cip", state); },
      parse_sysctl,
      [](std::string_view text, KernelState& state) { return parse_conntrack(split_command_output(text), state); },
      parse_ss,
      [](std::string_view text, KernelState& state) { return parse_traceroute(split_command_output(text), "cip", state); },
      parse_ipvsadm_list,
      parse_ipvsadm_stats,
      parse_ipvsadm_connections,
      parse_ipvsadm_timeout,
      parse_proc_ip_vs,
      parse_proc_ip_vs_conn,
      parse_proc_ip_vs_stats,
      parse_proc_route,
      parse_proc_arp,
      parse_proc_counters,
      parse_proc_modules,
      [](std::string_view text, KernelState&) {
        const auto rules = parse_nft_json(text);
        return Reading{rules.has_value(), rules ? std::string() : rules.error().message};
      },
      [](std::string_view text, KernelState&) {
        (void)parse_nft_text(text);
        return Reading{true, {}};
      },
  };
  fuzz::Bytes bytes(data, size);
  const Reader read = kReaders[bytes.u8() % std::size(kReaders)];
  KernelState state;
  const Reading reading = read(bytes.rest(), state);
  demand(fuzz::clean(reading.problem), "what was wrong is said in clean words");
  // Whatever was read can be kept, and read again as it was.
  const std::string kept = write_snapshot(state);
  const auto again = read_snapshot(kept);
  demand(again.has_value(), "our own snapshot is readable");
  demand(write_snapshot(*again) == kept, "a snapshot read and written again is the same");
  return 0;
}
