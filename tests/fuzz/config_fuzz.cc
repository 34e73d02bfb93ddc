// Files and options in which an admin wrote the cluster down. Input: which reader, then its text.
#include <string>

#include "fuzz/fuzz.h"
#include "lvsnat/config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lvsnat;
  using fuzz::demand;
  fuzz::Bytes bytes(data, size);
  const std::uint8_t reader = bytes.u8() % 5;
  const std::string_view text = bytes.rest();
  ConfigOptions options;
  options.read_system_files = false;
  options.hosts_text = "192.168.1.110 lvs\n10.1.1.2 real-server1\n";
  options.services_text = "http 80/tcp www\ntelnet 23/tcp\n";
  options.hostname = "director";
  options.max_services = 1'000;
  options.max_destinations = 10'000;
  const auto check = [](const auto& result) {
    if (!result) demand(!result.error().message.empty() && fuzz::clean(result.error().message), "a clean sentence says why");
  };
  switch (reader) {
    case 0:
      check(parse_ipvsadm_save(text, "input", options));
      break;
    // Includes find nothing in a folder that is none; absolute ones are looked for as in life.
    case 1:
      if (text.find("/") == std::string_view::npos) check(parse_keepalived(text, "input", "/nonexistent", options));
      break;
    case 2:
      check(parse_lvs_conf(text, "input", options));
      break;
    case 3:
      check(parse_service_option(text));
      break;
    default:
      check(parse_name_option(text));
      break;
  }
  return 0;
}
