// Which connections have their explanation, and what it is. A flood's broken connections are tens of thousands, and what is said
// of them is one of a few things: a connection takes twelve bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

namespace lvsnat {

class Claims {
 public:
  /// `broken`: the fault is an error.
  void add(std::uint32_t record, int code, bool broken);
  void erase(std::uint32_t record);
  [[nodiscard]] bool contains(std::uint32_t record) const { return !codes(record).empty(); }
  /// Of the findings that accuse it, in order of accusation; valid until the next add().
  [[nodiscard]] std::span<const int> codes(std::uint32_t record) const { return list(find(record) >> 1); }
  [[nodiscard]] bool is_broken(std::uint32_t record) const { return (find(record) & 1) != 0; }
  [[nodiscard]] bool empty() const { return count_ == 0; }

 private:
  struct Slot {
    std::uint32_t record = 0;
    std::uint32_t said = 0;  // number of the list << 1 | broken; 0: nothing
    bool used = false;
  };
  /// As Slot::said.
  [[nodiscard]] std::uint32_t find(std::uint32_t record) const { return slots_.empty() ? 0 : slots_[place(record)].said; }
  [[nodiscard]] std::size_t place(std::uint32_t record) const;
  [[nodiscard]] std::span<const int> list(std::uint32_t number) const {
    return number == 0 ? std::span<const int>{} : std::span<const int>(lists_[number - 1]);
  }
  std::uint32_t longer(std::uint32_t number, int code);

  std::vector<Slot> slots_;  // a power of two, half of them used at most
  std::size_t used_ = 0, count_ = 0;
  std::vector<std::vector<int>> lists_;                            // of codes, numbered from 1 on; 0: the empty one
  std::map<std::pair<std::uint32_t, int>, std::uint32_t> longer_;  // list and code: the list with that code at its end
  struct Recent {
    std::uint32_t from = 0;
    int code = 0;
    std::uint32_t to = 0;
  };
  Recent recent_;  // of these, what was asked for last; a code of 0 is none
};

}  // namespace lvsnat
