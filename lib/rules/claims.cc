#include "rules/claims.h"

#include <algorithm>

namespace lvsnat {

void Claims::add(std::uint32_t record, int code, bool broken) {
  if (used_ * 2 >= slots_.size()) {
    const std::vector<Slot> before = std::exchange(slots_, std::vector<Slot>(std::max<std::size_t>(slots_.size() * 2, 64)));
    used_ = 0;
    for (const Slot& slot : before) {
      if (slot.said == 0) continue;
      slots_[place(slot.record)] = slot;
      ++used_;
    }
  }
  Slot& slot = slots_[place(record)];
  if (!slot.used) ++used_;
  if (slot.said == 0) ++count_;
  slot.used = true;
  slot.record = record;
  slot.said = longer(slot.said >> 1, code) << 1 | (slot.said & 1) | (broken ? 1 : 0);
}

void Claims::erase(std::uint32_t record) {
  if (find(record) == 0) return;
  slots_[place(record)].said = 0;  // its place stays used, for those that were put behind it
  --count_;
}

/// Where it stands, or would. Records are asked for in rising order, as a rule, so sixteen in a row stand together.
std::size_t Claims::place(std::uint32_t record) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = ((record / 16 * 0x9e3779b97f4a7c15) >> 32 << 4 | record % 16) & mask;
  while (slots_[at].used && slots_[at].record != record) at = (at + 1) & mask;
  return at;
}

/// The list with this code at its end, or the same if it has the code.
std::uint32_t Claims::longer(std::uint32_t number, int code) {
  const std::span<const int> codes = list(number);
  if (std::find(codes.begin(), codes.end(), code) != codes.end()) return number;
  if (recent_.code == code && recent_.from == number) return recent_.to;
  std::uint32_t& known = longer_[{number, code}];
  if (known == 0) {
    std::vector<int> more(codes.begin(), codes.end());
    more.push_back(code);
    lists_.push_back(std::move(more));
    known = static_cast<std::uint32_t>(lists_.size());
  }
  recent_ = {number, code, known};
  return known;
}

}  // namespace lvsnat
