// The live view's filter language. A filter that was understood is tried on a row with every field and on one with none.
#include <array>
#include <string>
#include <variant>

#include "filter.h"
#include "fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lvsnat;
  using fuzz::demand;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto parsed = top::Filter::parse(text);
  if (const auto* error = std::get_if<top::FilterError>(&parsed)) {
    demand(error->position <= text.size(), "the place of an error lies in the text");
    demand(!error->message.empty(), "an error says what is wrong");
    return 0;
  }
  const auto& filter = std::get<top::Filter>(parsed);
  constexpr std::array codes{101, 202};
  top::FilterSubject row;
  (void)filter.matches(row);
  row.has = ~0U;
  row.cip = Endpoint{*parse_address("192.0.2.1"), 40'000};
  row.vip = Endpoint{*parse_address("2001:db8::1"), 80};
  row.rip = Endpoint{*parse_address("10.1.1.2"), 8080};
  row.protocol = 6;
  row.state = "established";
  row.legs = "12--";
  row.codes = codes;
  row.age = row.idle = row.ms = row.director = row.rtt = 1'000'000;
  row.packets = row.bytes = row.repeats = 7;
  row.words = "192.0.2.1 established";
  const bool once = filter.matches(row);
  demand(filter.matches(row) == once, "a filter answers the same twice");
  const auto again = top::Filter::parse(filter.text());
  demand(std::holds_alternative<top::Filter>(again), "a filter's own text is a filter");
  demand(std::get<top::Filter>(again).matches(row) == once, "a filter's own text means the same");
  return 0;
}
