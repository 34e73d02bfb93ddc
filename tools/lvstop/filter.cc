#include "filter.h"

#include <algorithm>
#include <array>
#include <utility>

namespace lvsnat::top {
namespace {

constexpr std::size_t kMaxText = 1024;
constexpr std::size_t kMaxTerms = 64;

struct FieldName {
  std::string_view name;
  Field field;
  bool number;
};
constexpr std::array kFields{
    FieldName{"cip", Field::cip, false},          FieldName{"client", Field::cip, false},
    FieldName{"vip", Field::vip, false},          FieldName{"rip", Field::rip, false},
    FieldName{"port", Field::port, false},        FieldName{"proto", Field::proto, false},
    FieldName{"state", Field::state, false},      FieldName{"legs", Field::legs, false},
    FieldName{"code", Field::code, false},        FieldName{"age", Field::age, true},
    FieldName{"idle", Field::idle, true},         FieldName{"ms", Field::ms, true},
    FieldName{"director", Field::director, true}, FieldName{"rtt", Field::rtt, true},
    FieldName{"packets", Field::packets, true},   FieldName{"bytes", Field::bytes, true},
    FieldName{"repeats", Field::repeats, true},
};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) { return lower(c); });
  return out;
}
bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Digits with an optional fraction, then a unit; `scale` is the unit's worth when none is written.
std::optional<std::int64_t> parse_quantity(std::string_view text, Field field) {
  double value = 0, place = 1;
  std::size_t i = 0, digits = 0;
  bool fraction = false;
  for (; i < text.size() && (is_digit(text[i]) || (text[i] == '.' && !fraction)); ++i) {
    if (text[i] == '.') {
      fraction = true;
      continue;
    }
    if (++digits > 15) return std::nullopt;
    if (fraction) {
      place /= 10;
      value += (text[i] - '0') * place;
    } else {
      value = value * 10 + (text[i] - '0');
    }
  }
  if (digits == 0) return std::nullopt;
  const std::string_view unit = text.substr(i);
  const bool time = field != Field::packets && field != Field::bytes && field != Field::repeats;
  double scale = 1;
  if (time) {
    const bool seconds = field == Field::age || field == Field::idle;
    if (unit.empty()) {
      scale = seconds ? 1e9 : 1e6;
    } else if (unit == "us") {
      scale = 1e3;
    } else if (unit == "ms") {
      scale = 1e6;
    } else if (unit == "s") {
      scale = 1e9;
    } else if (unit == "m" || unit == "min") {
      scale = 60e9;
    } else if (unit == "h") {
      scale = 3600e9;
    } else {
      return std::nullopt;
    }
  } else if (unit == "k") {
    scale = 1e3;
  } else if (unit == "M") {
    scale = 1e6;
  } else if (unit == "G") {
    scale = 1e9;
  } else if (!unit.empty()) {
    return std::nullopt;
  }
  const double result = value * scale;
  if (!(result < 9e18)) return std::nullopt;
  return static_cast<std::int64_t>(result + 0.5);
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  if (text.empty() || text.size() > 5 || !std::all_of(text.begin(), text.end(), is_digit)) return std::nullopt;
  unsigned value = 0;
  for (const char c : text) value = value * 10 + static_cast<unsigned>(c - '0');
  if (value > 65535) return std::nullopt;
  return static_cast<std::uint16_t>(value);
}

bool contains(std::string_view haystack_any_case, std::string_view needle_lower) {
  return std::search(haystack_any_case.begin(), haystack_any_case.end(), needle_lower.begin(), needle_lower.end(),
                     [](char a, char b) { return lower(a) == b; }) != haystack_any_case.end();
}

std::string_view protocol_word(std::uint8_t protocol) {
  switch (protocol) {
    case 6:
      return "tcp";
    case 17:
      return "udp";
    case 132:
      return "sctp";
    default:
      return "";
  }
}

std::string code_text(int code) { return "lvs" + std::to_string(code); }

}  // namespace

class Filter::Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  std::variant<Filter, FilterError> run() {
    Filter filter;
    filter.text_ = std::string(text_);
    if (text_.size() > kMaxText) return FilterError{kMaxText, "the filter is longer than 1024 bytes"};
    std::vector<Term> group;
    std::size_t terms = 0;
    bool bar = false;
    std::size_t bar_at = 0;
    for (skip(); at_ < text_.size(); skip()) {
      const std::size_t start = at_;
      std::string_view word = take_word();
      if (word == "|") {
        if (group.empty()) return FilterError{start, "nothing stands before this '|'"};
        filter.groups_.push_back(std::move(group));
        group.clear();
        bar = true, bar_at = start;
        continue;
      }
      bar = false;
      if (++terms > kMaxTerms) return FilterError{start, "more than 64 terms"};
      Term term;
      if (auto error = parse_term(word, start, term)) return *error;
      if (term.field == Field::word) filter.needs_words_ = true;
      group.push_back(std::move(term));
    }
    if (bar) return FilterError{bar_at, "nothing follows this '|'"};
    if (!group.empty()) filter.groups_.push_back(std::move(group));
    return filter;
  }

 private:
  void skip() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
  }
  std::string_view take_word() {
    const std::size_t start = at_;
    while (at_ < text_.size() && text_[at_] != ' ' && text_[at_] != '\t') ++at_;
    return text_.substr(start, at_ - start);
  }

  static std::optional<FilterError> parse_term(std::string_view word, std::size_t start, Term& term) {
    if (word.front() == '!' && word.size() == 1) return FilterError{start, "'!' needs something to negate"};
    if (word.front() == '!') {
      term.negated = true;
      word.remove_prefix(1);
      ++start;
    }
    std::size_t letters = 0;
    while (letters < word.size() &&
           ((word[letters] >= 'a' && word[letters] <= 'z') || (word[letters] >= 'A' && word[letters] <= 'Z'))) {
      ++letters;
    }
    const char sign = letters < word.size() ? word[letters] : '\0';
    const bool compares = sign == '>' || sign == '<' || sign == '=';
    if (letters == 0 && compares) return FilterError{start, "a field must stand before '" + std::string(1, sign) + "'"};
    if (letters == 0 || (sign != ':' && !compares)) return parse_values(word, start, term);

    const std::string name = lower(word.substr(0, letters));
    const auto it = std::find_if(kFields.begin(), kFields.end(), [&](const FieldName& f) { return f.name == name; });
    if (it == kFields.end()) {
      // "fd00::2" and "abc::" are words, not fields: an address may begin with letters.
      if (sign == ':' && parse_prefix(word)) return parse_values(word, start, term);
      return FilterError{start, "no field is called \"" + name +
                                    "\" (cip vip rip port proto state legs code age idle ms director rtt packets bytes repeats)"};
    }
    term.field = it->field;
    std::size_t value_at = letters + 1;
    if (compares) {
      if (!it->number && sign != '=')
        return FilterError{start + letters, name + " takes ':', not '" + std::string(1, sign) + "'"};
      term.comparison = sign == '>' ? Comparison::greater : sign == '<' ? Comparison::less : Comparison::equal;
      if (sign != '=' && value_at < word.size() && word[value_at] == '=') {
        term.comparison = sign == '>' ? Comparison::greater_equal : Comparison::less_equal;
        ++value_at;
      }
    }
    if (value_at >= word.size()) return FilterError{start + word.size(), name + " needs a value"};
    return parse_values(word.substr(value_at), start + value_at, term);
  }

  static std::optional<FilterError> parse_values(std::string_view text, std::size_t start, Term& term) {
    for (std::size_t from = 0; from <= text.size();) {
      const std::size_t to = std::min(text.find('|', from), text.size());
      const std::string_view part = text.substr(from, to - from);
      if (part.empty()) return FilterError{start + from, "a value is missing beside '|'"};
      Value value;
      if (auto error = parse_value(part, start + from, term.field, value)) return error;
      term.values.push_back(std::move(value));
      from = to + 1;
    }
    return std::nullopt;
  }

  static std::optional<FilterError> parse_value(std::string_view part, std::size_t at, Field field, Value& value) {
    value.text = lower(part);
    switch (field) {
      case Field::cip:
      case Field::vip:
      case Field::rip:
        if (auto prefix = parse_prefix(part)) {
          value.prefix = prefix;
        } else if (auto endpoint = parse_endpoint(part)) {
          value.prefix = parse_prefix(to_string(endpoint->address));
          value.port = endpoint->port;
        } else if (part.find_first_not_of("0123456789.:/[]") == std::string_view::npos) {
          return FilterError{at, "\"" + std::string(part) + "\" is no address, prefix or endpoint"};
        }
        return std::nullopt;  // else a name
      case Field::port:
        value.port = parse_port(part);
        if (!value.port) return FilterError{at, "a port is a number up to 65535"};
        return std::nullopt;
      case Field::legs:
        if (part.size() != 4) return FilterError{at, "a leg string has four characters, as in 12-- (. for any)"};
        for (std::size_t i = 0; i < 4; ++i) {
          const char c = part[i];
          if (c != static_cast<char>('1' + i) && c != '-' && c != '?' && c != '!' && c != '.') {
            return FilterError{at + i,
                               "leg " + std::to_string(i + 1) + " is one of " + std::to_string(i + 1) + " - ? ! and . for any"};
          }
        }
        return std::nullopt;
      case Field::age:
      case Field::idle:
      case Field::ms:
      case Field::director:
      case Field::rtt:
      case Field::packets:
      case Field::bytes:
      case Field::repeats: {
        const auto number = parse_quantity(part, field);
        if (!number) {
          const bool time = field != Field::packets && field != Field::bytes && field != Field::repeats;
          return FilterError{
              at, "\"" + std::string(part) + "\" is no " + (time ? "time (50, 2s, 300us, 5m)" : "number (10, 4k, 2M)")};
        }
        value.number = *number;
        return std::nullopt;
      }
      default:
        return std::nullopt;
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

std::variant<Filter, FilterError> Filter::parse(std::string_view text) { return Parser(text).run(); }

bool Filter::term_matches(const Term& term, const FilterSubject& s) {
  const auto any = [&](auto&& test) { return std::any_of(term.values.begin(), term.values.end(), test); };
  const auto endpoint = [&](const std::optional<Endpoint>& e) {
    return e && any([&](const Value& v) {
             if (v.port && *v.port != e->port) return false;
             return v.prefix ? v.prefix->contains(e->address) : contains(s.words, v.text);
           });
  };
  const auto number = [&](const std::optional<std::int64_t>& n) {
    return n && any([&](const Value& v) {
             switch (term.comparison) {
               case Comparison::greater:
                 return *n > v.number;
               case Comparison::less:
                 return *n < v.number;
               case Comparison::greater_equal:
                 return *n >= v.number;
               case Comparison::less_equal:
                 return *n <= v.number;
               case Comparison::equal:
                 break;
             }
             return *n == v.number;
           });
  };
  switch (term.field) {
    case Field::cip:
      return endpoint(s.cip);
    case Field::vip:
      return endpoint(s.vip);
    case Field::rip:
      return endpoint(s.rip);
    case Field::port:
      return any([&](const Value& v) {
        return (s.cip && s.cip->port == *v.port) || (s.vip && s.vip->port == *v.port) || (s.rip && s.rip->port == *v.port);
      });
    case Field::proto:
      return any([&](const Value& v) { return v.text == protocol_word(s.protocol) || v.text == std::to_string(s.protocol); });
    case Field::state:
      return any([&](const Value& v) { return contains(s.state, v.text); });
    case Field::legs:
      return s.legs.size() == 4 && any([&](const Value& v) {
               for (std::size_t i = 0; i < 4; ++i) {
                 if (v.text[i] != '.' && v.text[i] != s.legs[i]) return false;
               }
               return true;
             });
    case Field::code:
      return any([&](const Value& v) {
        return std::any_of(s.codes.begin(), s.codes.end(), [&](int code) {
          const std::string text = code_text(code);
          return text.starts_with(v.text) || std::string_view(text).substr(3).starts_with(v.text);
        });
      });
    case Field::age:
      return number(s.age);
    case Field::idle:
      return number(s.idle);
    case Field::ms:
      return number(s.ms);
    case Field::director:
      return number(s.director);
    case Field::rtt:
      return number(s.rtt);
    case Field::packets:
      return number(s.packets);
    case Field::bytes:
      return number(s.bytes);
    case Field::repeats:
      return number(s.repeats);
    case Field::word:
      break;
  }
  return any([&](const Value& v) {
    for (const std::optional<Endpoint>* e : {&s.cip, &s.vip, &s.rip}) {
      if (*e && contains(to_string(**e), v.text)) return true;
    }
    if (contains(s.words, v.text) || contains(s.state, v.text) || contains(s.legs, v.text) || v.text == protocol_word(s.protocol))
      return true;
    return std::any_of(s.codes.begin(), s.codes.end(), [&](int code) { return contains(code_text(code), v.text); });
  });
}

bool Filter::matches(const FilterSubject& subject) const {
  if (groups_.empty()) return true;
  return std::any_of(groups_.begin(), groups_.end(), [&](const std::vector<Term>& group) {
    return std::all_of(group.begin(), group.end(), [&](const Term& term) {
      if ((subject.has & bit(term.field)) == 0) return true;
      return term_matches(term, subject) != term.negated;
    });
  });
}

}  // namespace lvsnat::top
