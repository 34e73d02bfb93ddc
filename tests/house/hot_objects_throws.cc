// Must be noticed by the hot object check: throws.
#include <optional>

int house_throws(const std::optional<int>& value) { return value.value(); }
