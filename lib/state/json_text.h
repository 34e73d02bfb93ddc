// JSON from outside: bounded in size, depth and number of values before nlohmann's parser sees it, so
// that hostile text can exhaust neither stack nor memory. Internal to lib/state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "lvsnat/address.h"
#include "lvsnat/result.h"

namespace lvsnat {

inline constexpr std::size_t kMaxStateFile = 64u << 20;  // bytes of one file
inline constexpr unsigned kMaxJsonDepth = 64;
inline constexpr std::size_t kMaxJsonValues = 4'000'000;

/// Errors: limit (says which), malformed (line and column). The text's last value wins where a key stands twice.
Result<nlohmann::json> parse_json(std::string_view text, std::size_t max_bytes = kMaxStateFile,
                                  std::size_t max_values = kMaxJsonValues);

/// Typed members of an object; a member of another type is as good as missing. Strings are printable and cut at `limit` bytes.
std::string text_of(const nlohmann::json& object, const char* key, std::size_t limit = 256);
/// Integers, also where they stand as a decimal or 0x string; nullopt beyond [0, max].
std::optional<std::uint64_t> number_of(const nlohmann::json& object, const char* key, std::uint64_t max = UINT64_MAX);
bool flag_of(const nlohmann::json& object, const char* key);  // true, or null as iproute2 prints bare words
std::optional<Address> address_of(const nlohmann::json& object, const char* key);
/// True when the array member `key` holds the string `word`.
bool lists(const nlohmann::json& object, const char* key, std::string_view word);

}  // namespace lvsnat
