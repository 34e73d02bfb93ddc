#include "table.h"

#include <gtest/gtest.h>

namespace lvsnat::top {
namespace {

const std::vector<Column> kColumns{{"LEGS", 4, 4, Align::left, 0},
                                   {"CLIENT", 10, 30, Align::left, 0},
                                   {"AGE", 4, 6, Align::right, 1},
                                   {"EXTRA", 8, 8, Align::left, 2}};

TEST(Table, ColumnsLeaveFromTheRightAndTheFirstStay) {
  const std::vector<TableRow> rows{{{"12--", {}}, {"192.168.1.254", {}}, {"3.1s", {}}, {"x", {}}}};
  EXPECT_EQ(layout(kColumns, rows, 80).size(), 4u);
  EXPECT_EQ(layout(kColumns, rows, 30).size(), 3u);
  const auto narrow = layout(kColumns, rows, 19);
  ASSERT_EQ(narrow.size(), 2u);
  EXPECT_EQ(narrow[0].column, 0u);
  EXPECT_EQ(narrow[0].width, 4);
}

TEST(Table, NothingEverStandsOutsideTheWidth) {
  const std::vector<TableRow> rows{{{"12--", {}}, {"2001:db8:1111:2222:3333:4444:5555:6666", {}}, {"3.1s", {}}, {"x", {}}}};
  for (int width = 1; width < 100; ++width) {
    for (const PlacedColumn& p : layout(kColumns, rows, width)) {
      EXPECT_GE(p.width, 1) << width;
      EXPECT_LE(p.at + p.width, width) << width;
    }
  }
}

TEST(Table, SparklineScalesToItsLargest) {
  EXPECT_EQ(sparkline(std::vector<int>{0, 1, 2, 4}, 4, false), " .-#");
  EXPECT_EQ(sparkline(std::vector<int>{0, 0, 0}, 2, true), "  ");
  EXPECT_EQ(sparkline(std::vector<int>{9, 1, 1}, 2, true), "\u2588\u2588");
}

}  // namespace
}  // namespace lvsnat::top
