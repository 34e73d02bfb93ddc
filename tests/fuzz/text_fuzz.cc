// What makes foreign text fit for a terminal, and the small readers of numbers and addresses.
#include <string>

#include "base/text.h"
#include "fuzz/fuzz.h"
#include "lvsnat/address.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lvsnat;
  using fuzz::demand;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string shown = printable(text, 200);
  demand(fuzz::clean(shown), "printable() leaves nothing that could steer a terminal");
  demand(printable(shown, shown.size()) == shown, "printable() twice is printable() once");
  std::uint64_t number = 0;
  if (parse_number(text, 65'535, number)) demand(number <= 65'535, "a number keeps its bound");
  // No address is written as '-', and :: is none.
  if (const auto address = parse_address(text); address && !address->is_none()) {
    demand(parse_address(to_string(*address)) == address, "an address reads as it is written");
  }
  return 0;
}
