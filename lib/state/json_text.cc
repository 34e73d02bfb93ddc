#include "state/json_text.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace lvsnat {
namespace {

std::string position(std::string_view text, std::size_t offset) {
  offset = std::min(offset, text.size());
  const std::string_view before = text.substr(0, offset);
  const auto line = static_cast<std::uint64_t>(std::count(before.begin(), before.end(), '\n')) + 1;
  const auto newline = before.rfind('\n');
  const auto column = before.size() - (newline == std::string_view::npos ? 0 : newline + 1) + 1;
  return "line " + std::to_string(line) + ", column " + std::to_string(column);
}

/// Walks the text once without a stack: strings are skipped, brackets and commas counted.
Status check_limits(std::string_view text, std::size_t max_bytes, std::size_t max_values) {
  if (text.size() > max_bytes) return Error{ErrorCode::limit, "more than " + with_commas(max_bytes) + " bytes"};
  unsigned depth = 0;
  std::size_t values = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
      }
      continue;
    }
    switch (c) {
      case '"':
        in_string = true;
        break;
      case '[':
      case '{':
        if (++depth > kMaxJsonDepth) {
          return Error{ErrorCode::limit, "nested deeper than " + std::to_string(kMaxJsonDepth) + " at " + position(text, i)};
        }
        [[fallthrough]];
      case ',':
        if (++values > max_values) return Error{ErrorCode::limit, "more than " + with_commas(max_values) + " values"};
        break;
      case ']':
      case '}':
        if (depth > 0) --depth;
        break;
      default:
        break;
    }
  }
  return ok();
}

}  // namespace

Result<nlohmann::json> parse_json(std::string_view text, std::size_t max_bytes, std::size_t max_values) {
  if (const Status limits = check_limits(text, max_bytes, max_values); !limits) return limits.error();
  // nlohmann reports by exceptions only; they end here.
  try {
    return nlohmann::json::parse(text);
  } catch (const nlohmann::json::parse_error& e) {
    return Error{ErrorCode::malformed, "no JSON at " + position(text, e.byte > 0 ? e.byte - 1 : 0)};
  } catch (const nlohmann::json::exception& e) {
    return Error{ErrorCode::malformed, "no JSON: " + printable(e.what(), 200)};
  }
}

std::string text_of(const nlohmann::json& object, const char* key, std::size_t limit) {
  if (!object.is_object()) return {};
  const auto member = object.find(key);
  if (member == object.end()) return {};
  if (const auto* text = member->get_ptr<const std::string*>()) return printable(*text, limit);
  if (member->is_number_integer())
    return member->is_number_unsigned() ? std::to_string(member->get<std::uint64_t>())
                                        : std::to_string(member->get<std::int64_t>());
  return {};
}

std::optional<std::uint64_t> number_of(const nlohmann::json& object, const char* key, std::uint64_t max) {
  if (!object.is_object()) return std::nullopt;
  const auto member = object.find(key);
  if (member == object.end()) return std::nullopt;
  std::uint64_t value = 0;
  if (member->is_number_unsigned()) {
    value = member->get<std::uint64_t>();
  } else if (const auto* text = member->get_ptr<const std::string*>()) {
    const bool hex = text->starts_with("0x");
    const char* begin = text->data() + (hex ? 2 : 0);
    const char* end = text->data() + text->size();
    const auto [stop, error] = std::from_chars(begin, end, value, hex ? 16 : 10);
    if (error != std::errc{} || stop != end || begin == end) return std::nullopt;
  } else {
    return std::nullopt;
  }
  if (value > max) return std::nullopt;
  return value;
}

bool flag_of(const nlohmann::json& object, const char* key) {
  if (!object.is_object()) return false;
  const auto member = object.find(key);
  return member != object.end() && (member->is_null() || (member->is_boolean() && member->get<bool>()));
}

std::optional<Address> address_of(const nlohmann::json& object, const char* key) {
  if (!object.is_object()) return std::nullopt;
  const auto member = object.find(key);
  if (member == object.end()) return std::nullopt;
  const auto* text = member->get_ptr<const std::string*>();
  return text == nullptr ? std::nullopt : parse_address(*text);
}

bool lists(const nlohmann::json& object, const char* key, std::string_view word) {
  if (!object.is_object()) return false;
  const auto member = object.find(key);
  if (member == object.end() || !member->is_array()) return false;
  return std::any_of(member->begin(), member->end(), [word](const nlohmann::json& item) {
    const auto* text = item.get_ptr<const std::string*>();
    return text != nullptr && *text == word;
  });
}

}  // namespace lvsnat
