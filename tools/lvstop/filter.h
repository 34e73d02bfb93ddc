// The filter language of the live view: one line that says which rows stay.
//
//   expression = group { " | " group }           any group suffices
//   group      = term { " " term }               every term must hold
//   term       = [ "!" ] ( field ":" value { "|" value } | field comparison number | word { "|" word } )
//   fields     = cip vip rip port proto state legs code          (text)
//                age idle ms director rtt packets bytes repeats  (numbers)
//   comparison = ">" "<" ">=" "<=" "="
//
// cip, vip and rip take an address, a prefix (10.1.1.0/24), or an endpoint (10.1.1.2:80, [fd00::2]:80); legs takes the
// four characters of a leg string, "." for any; code takes the beginning of a code (LVS1, 101). age and idle count in
// seconds, ms (the real server's answer), director and rtt in milliseconds; "us ms s m h" after the number say
// otherwise; packets and bytes take k, M, G. A word is looked for in addresses, names, state and codes.
//
// Pure values and functions; no regular expressions, so no input can make matching slow.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "lvsnat/address.h"

namespace lvsnat::top {

enum class Field : std::uint8_t {
  word,
  cip,
  vip,
  rip,
  port,
  proto,
  state,
  legs,
  code,
  age,
  idle,
  ms,
  director,
  rtt,
  packets,
  bytes,
  repeats
};

/// What a filter looks at. `has` names the fields that this kind of row knows at all: a term on another field does not
/// hide it. A field that the kind knows and this row lacks (an empty optional) never matches.
struct FilterSubject {
  std::uint32_t has = 0;  // bits 1 << Field
  std::optional<Endpoint> cip, vip, rip;
  std::uint8_t protocol = 0;
  std::string_view state, legs;
  std::span<const int> codes;
  std::optional<std::int64_t> age, idle, ms, director, rtt;  // nanoseconds
  std::optional<std::int64_t> packets, bytes, repeats;
  std::string_view words;  // lower case; what words are looked for in, besides addresses
};
constexpr std::uint32_t bit(Field f) { return 1u << static_cast<unsigned>(f); }

struct FilterError {
  std::size_t position = 0;  // byte in the text, 0-based
  std::string message;
};

class Filter {
 public:
  /// The empty filter lets everything pass.
  static std::variant<Filter, FilterError> parse(std::string_view text);

  [[nodiscard]] bool matches(const FilterSubject&) const;
  [[nodiscard]] bool empty() const { return groups_.empty(); }
  [[nodiscard]] const std::string& text() const { return text_; }
  /// True when a word must be looked for: the subject then needs `words`.
  [[nodiscard]] bool needs_words() const { return needs_words_; }

 private:
  enum class Comparison : std::uint8_t { equal, greater, less, greater_equal, less_equal };
  struct Value {
    std::string text;  // lower case
    std::optional<Prefix> prefix;
    std::optional<std::uint16_t> port;
    std::int64_t number = 0;
  };
  struct Term {
    bool negated = false;
    Field field = Field::word;
    Comparison comparison = Comparison::equal;
    std::vector<Value> values;
  };
  class Parser;
  static bool term_matches(const Term&, const FilterSubject&);

  std::string text_;
  std::vector<std::vector<Term>> groups_;
  bool needs_words_ = false;
};

}  // namespace lvsnat::top
