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
  [[nodiscard]] bool contains(std::uint32_t id) const noexcept {
    return id / 64 < words_.size() && (words_[id / 64] >> (id % 64) & 1) != 0;
  }
  [[nodiscard]] std::size_t count() const noexcept {
    std::size_t sum = 0;
    for (const std::uint64_t word : words_) sum += static_cast<std::size_t>(std::popcount(word));
    return sum;
  }
  /// In rising order.
  template <typename Visit>
  void for_each(Visit visit) const {
    for (std::size_t at = 0; at < words_.size(); ++at) visit_word(at, words_[at], visit);
  }
  /// Those of either set, in rising order.
  template <typename Visit>
  static void for_each(const RecordSet& a, const RecordSet& b, Visit visit) {
    for (std::size_t at = 0; at < a.words_.size() || at < b.words_.size(); ++at) visit_word(at, a.word(at) | b.word(at), visit);
  }

 private:
  [[nodiscard]] std::uint64_t word(std::size_t at) const noexcept { return at < words_.size() ? words_[at] : 0; }
  template <typename Visit>
  static void visit_word(std::size_t at, std::uint64_t word, Visit& visit) {
    for (; word != 0; word &= word - 1)
      visit(static_cast<std::uint32_t>(at * 64) + static_cast<std::uint32_t>(std::countr_zero(word)));
  }

  std::vector<std::uint64_t> words_;
};

}  // namespace lvsnat
