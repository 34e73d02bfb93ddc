// A set of the tracker's records: a bit for each.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace lvsnat {

class RecordSet {
 public:
  /// Without room of its own for `records`, the set grows as it is filled.
  explicit RecordSet(std::size_t records = 0) : words_((records + 63) / 64) {}

  void insert(std::uint32_t id) {
    if (id / 64 >= words_.size()) [[unlikely]]
      words_.resize(id / 64 + 1);
    words_[id / 64] |= std::uint64_t{1} << (id % 64);
  }
  /// All of a word at once: records 64 * at and after, the lowest bit first. There must be room for them.
  void set_word(std::size_t at, std::uint64_t bits) { words_[at] = bits; }
  [[nodiscard]] std::uint64_t word(std::size_t at) const noexcept { return at < words_.size() ? words_[at] : 0; }
  [[nodiscard]] bool contains(std::uint32_t id) const noexcept {
    return id / 64 < words_.size() && (words_[id / 64] >> (id % 64) & 1) != 0;
  }
  [[nodiscard]] std::size_t count() const noexcept {
    std::size_t sum = 0;
    for (const std::uint64_t word : words_) sum += static_cast<std::size_t>(std::popcount(word));
    return sum;
  }
  /// The lowest one; 0 if there is none.
  [[nodiscard]] std::uint32_t first() const noexcept {
    for (std::size_t at = 0; at < words_.size(); ++at) {
      if (words_[at] != 0) return static_cast<std::uint32_t>(at * 64) + static_cast<std::uint32_t>(std::countr_zero(words_[at]));
    }
    return 0;
  }
  /// In rising order; of [from, to).
  template <typename Visit>
  void for_each(Visit visit) const {
    for (std::size_t at = 0; at < words_.size(); ++at) visit_word(at, words_[at], visit);
  }
  template <typename Visit>
  void for_each(std::uint32_t from, std::uint32_t to, Visit visit) const {
    for (std::size_t at = from / 64; at < words_.size() && at <= to / 64; ++at) {
      visit_word(at, words_[at] & at_least(at, from) & ~at_least(at, to), visit);
    }
  }
  /// Those of either set, in rising order; from `from` on.
  template <typename Visit>
  static void for_each(const RecordSet& a, const RecordSet& b, Visit visit) {
    for_each(a, b, 0, visit);
  }
  template <typename Visit>
  static void for_each(const RecordSet& a, const RecordSet& b, std::uint32_t from, Visit visit) {
    for (std::size_t at = from / 64; at < a.words_.size() || at < b.words_.size(); ++at)
      visit_word(at, (a.word(at) | b.word(at)) & at_least(at, from), visit);
  }

 private:
  /// Of word `at`, the bits of `id` and all after it.
  static std::uint64_t at_least(std::size_t at, std::uint32_t id) noexcept {
    if (at != id / 64) return at > id / 64 ? ~std::uint64_t{0} : 0;
    return ~std::uint64_t{0} << (id % 64);
  }
  template <typename Visit>
  static void visit_word(std::size_t at, std::uint64_t word, Visit& visit) {
    for (; word != 0; word &= word - 1)
      visit(static_cast<std::uint32_t>(at * 64) + static_cast<std::uint32_t>(std::countr_zero(word)));
  }

  std::vector<std::uint64_t> words_;
};

}  // namespace lvsnat
