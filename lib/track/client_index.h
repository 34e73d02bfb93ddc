// Where the newest record of each client endpoint stands: a hash table by cache lines.
//
// Eight hashes stand in a line, and behind them the eight records that they lead to: one comparison asks all of them, without a
// loop whose end could not be foreseen. A line fills from its beginning; what finds it full goes on to the next one. An entry is
// the record's number plus one, 0 an empty one: memory comes zero-filled, and entry 0 leads to a head that nobody uses.
//
// Hot. Storage is handed in by the owner, who brings a larger one between batches. Threads: one.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace lvsnat::track {

struct alignas(64) IndexLine {
  static constexpr std::uint32_t kSlots = 8;
  std::uint32_t hash[kSlots];
  std::uint32_t entry[kSlots];
};
static_assert(sizeof(IndexLine) == 64);

class ClientIndex {
 public:
  /// `lines`: a power of two of them, zero-filled, borrowed.
  explicit ClientIndex(std::span<IndexLine> lines) noexcept { use(lines); }

  [[gnu::always_inline]] void prefetch(std::uint32_t hash) const noexcept { __builtin_prefetch(&line_of(hash)); }
  /// The first slot with this hash, or the empty one where looking for it ends. A slot stays where it is until something leaves.
  [[nodiscard, gnu::always_inline]] inline std::uint32_t* look(std::uint32_t hash) const noexcept {
    IndexLine* line = &line_of(hash);
    std::uint32_t found = matches(*line, hash);
    while (found == 0 && line->entry[IndexLine::kSlots - 1] != 0) [[unlikely]] {
        line = after(line);
        found = matches(*line, hash);
      }
    if (found != 0) [[likely]]
      return &line->entry[std::countr_zero(found)];
    std::uint32_t* slot = line->entry;
    while (*slot != 0) ++slot;
    return slot;
  }
  /// The first entry with this hash for which `is_it(entry)`; 0: none.
  template <typename IsIt>
  [[nodiscard]] std::uint32_t find(std::uint32_t hash, const IsIt& is_it) const noexcept {
    for (IndexLine* line = &line_of(hash);; line = after(line)) {
      for (std::uint32_t found = matches(*line, hash); found != 0; found &= found - 1) {
        const std::uint32_t entry = line->entry[std::countr_zero(found)];
        if (entry == 0) return 0;  // an empty slot's hash may be this one
        if (is_it(entry)) return entry;
      }
      if (line->entry[IndexLine::kSlots - 1] == 0) return 0;
    }
  }
  /// Into a slot that look() found empty.
  void fill(std::uint32_t* slot, std::uint32_t hash, std::uint32_t entry) noexcept {
    slot[-std::ptrdiff_t{IndexLine::kSlots}] = hash;
    *slot = entry;
    ++used_;
  }
  void insert(std::uint32_t hash, std::uint32_t entry) noexcept;
  /// `from` is there.
  void replace(std::uint32_t hash, std::uint32_t from, std::uint32_t to) noexcept;
  /// `entry` is there. Slots move.
  void erase(std::uint32_t hash, std::uint32_t entry) noexcept;

  /// The more there are in it, the longer looking takes.
  [[nodiscard]] bool wants_more() const noexcept { return used_ * std::size_t{16} >= lines_.size() * IndexLine::kSlots * 13; }
  /// Moves everything into larger storage.
  void regrow(std::span<IndexLine> larger) noexcept;

 private:
  static constexpr std::uint32_t kBytes = sizeof(IndexLine);
  void use(std::span<IndexLine> lines) noexcept {
    lines_ = lines;
    mask_ = static_cast<std::uint32_t>((lines.size() - 1) * kBytes);
  }
  /// The bits of a hash above those that tell bytes of a line.
  [[nodiscard, gnu::always_inline]] IndexLine& line_of(std::uint32_t hash) const noexcept {
    return *reinterpret_cast<IndexLine*>(reinterpret_cast<char*>(lines_.data()) + (hash & mask_));
  }
  [[nodiscard]] IndexLine* after(IndexLine* line) const noexcept { return line == &lines_.back() ? lines_.data() : line + 1; }
  /// A bit for each slot of a line that has this hash. Empty ones have 0, as a hash may be.
  [[nodiscard, gnu::always_inline]] static std::uint32_t matches(const IndexLine& line, std::uint32_t hash) noexcept {
#ifdef __SSE2__
    const __m128i wanted = _mm_set1_epi32(static_cast<int>(hash));
    const __m128i low = _mm_cmpeq_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(line.hash)), wanted);
    const __m128i high = _mm_cmpeq_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(line.hash + 4)), wanted);
    const __m128i words = _mm_packs_epi32(low, high);
    return static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_packs_epi16(words, words))) & 0xff;
#else
    std::uint32_t found = 0;
    for (std::uint32_t at = 0; at < IndexLine::kSlots; ++at) found |= static_cast<std::uint32_t>(line.hash[at] == hash) << at;
    return found;
#endif
  }
  // Slots by number, for what is not hot: they follow one another over the ends of lines.
  [[nodiscard]] std::uint32_t home_of(std::uint32_t hash) const noexcept { return (hash & mask_) / kBytes * IndexLine::kSlots; }
  [[nodiscard]] std::uint32_t slot_mask() const noexcept {
    return static_cast<std::uint32_t>(lines_.size() * IndexLine::kSlots - 1);
  }
  [[nodiscard]] std::uint32_t& entry_at(std::uint32_t slot) const noexcept {
    return lines_[slot / IndexLine::kSlots].entry[slot % IndexLine::kSlots];
  }
  [[nodiscard]] std::uint32_t& hash_at(std::uint32_t slot) const noexcept {
    return lines_[slot / IndexLine::kSlots].hash[slot % IndexLine::kSlots];
  }
  [[nodiscard]] std::uint32_t slot_of(std::uint32_t hash, std::uint32_t entry) const noexcept;

  std::span<IndexLine> lines_;
  std::uint32_t mask_ = 0;
  std::uint32_t used_ = 0;  // slots
};

}  // namespace lvsnat::track
