// What a kernel answers: rtnetlink and IPVS messages, whole bodies. Input: which message, then its body.
#include <string>

#include "fuzz/fuzz.h"
#include "lvsnat/state.h"
#include "state/ipvs_messages.h"
#include "state/route_messages.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lvsnat;
  using fuzz::demand;
  fuzz::Bytes input(data, size);
  const std::uint8_t kind = input.u8() % 13;
  const std::string_view rest = input.rest();
  const lvsnat::Bytes body(reinterpret_cast<const std::uint8_t*>(rest.data()), rest.size());
  KernelState state;
  DeviceNames names;
  names.names[1] = "lo";
  names.names[2] = "eth0";
  LinkRelations relations;
  RouteAnswer answer;
  ServiceTimeouts timeouts;
  switch (kind) {
    case 0:
      read_link_message(body, state, names, relations);
      resolve_links(state, names, relations);
      break;
    case 1:
      read_address_message(body, names, state);
      break;
    case 2:
      read_route_message(body, names, state);
      break;
    case 3:
      read_rule_message(body, state);
      break;
    case 4:
      read_neighbour_message(body, names, state);
      break;
    case 5:
      read_exception_message(body, names, 100, state);
      break;
    case 6:
      read_answer_message(body, names, 100, answer);
      break;
    case 7:
      if (auto message = read_service_message(body)) state.ipvs.services.push_back(message->service);
      break;
    case 8:
      read_destination_message(body, false);
      break;
    case 9:
      read_timeouts_message(body, timeouts);
      break;
    case 10:
      read_daemon_message(body);
      break;
    case 11:
      read_info_message(body, state.ipvs);
      break;
    default:
      read_family_message(body, "IPVS");
      break;
  }
  const std::string kept = write_snapshot(state);
  const auto again = read_snapshot(kept);
  demand(again.has_value(), "our own snapshot is readable");
  demand(write_snapshot(*again) == kept, "a snapshot read and written again is the same");
  return 0;
}
