#include "model.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "sample.h"

namespace lvsnat::top {
namespace {

TEST(Model, TalliesOfServicesAndRealServers) {
  const auto s = sample::broken();
  ASSERT_EQ(s->services.size(), 1u);
  const ServiceRow& service = s->services[0];
  EXPECT_EQ(service.tally.percent(), 50);
  EXPECT_EQ(service.tally.health(), Health::some);
  ASSERT_EQ(service.real_servers.size(), 3u);
  EXPECT_EQ(service.real_servers[0].tally.health(), Health::none);
  EXPECT_EQ(service.real_servers[0].tally.codes, std::vector<int>{101});
  EXPECT_EQ(service.real_servers[1].tally.health(), Health::good);
  EXPECT_TRUE(service.real_servers[1].tally.codes.empty()) << "an innocent real server is not accused";
  EXPECT_EQ(service.real_servers[2].tally.health(), Health::unknown);
  EXPECT_FALSE(service.real_servers[2].tally.percent().has_value()) << "nothing seen is not 0 %";
  EXPECT_EQ(service.real_servers[0].peers_response, 1'200'000);
}

TEST(Model, AFindingAboutNoServiceTouchesNoService) {
  const auto s = sample::broken();
  for (const int code : s->services[0].tally.codes) EXPECT_NE(code, 202);
}

TEST(Model, PercentNeverRoundsToAClaim) {
  Tally t;
  t.healthy = 999'999, t.broken = 1;
  EXPECT_EQ(t.percent(), 99);
  t.healthy = 1, t.broken = 999'999;
  EXPECT_EQ(t.percent(), 1);
}

TEST(Model, TheListIsBoundedAndKeepsWhatIsWrong) {
  sample::Parts p = sample::parts();
  SnapshotBuilder builder(p.report, sample::kNow, 10);
  std::vector<Connection> table;
  for (std::uint32_t i = 0; i < 1000; ++i) {
    const bool broken = i % 250 == 7;
    table.push_back(sample::connection(i, "192.168.1.254:48734", "10.1.1.3:80", broken ? "12--" : "1234", 1 + i % 50));
    builder.count(table.back(), {});
  }
  const std::vector<std::uint32_t> chosen = builder.choose();
  ASSERT_EQ(chosen.size(), 10u);
  EXPECT_TRUE(std::is_sorted(chosen.begin(), chosen.end()));
  for (const std::uint32_t i : chosen) builder.list(table[i], {});
  p.observed.tracked = 1000;
  const auto s = builder.finish(std::move(p.observed));
  ASSERT_EQ(s->connections.size(), 10u);
  std::size_t broken = 0;
  for (const ConnectionRow& row : s->connections) broken += is_broken(row.connection) ? 1u : 0u;
  EXPECT_EQ(broken, 4u);
  std::uint32_t begun = 0;
  for (const std::uint32_t n : s->history) begun += n;
  EXPECT_EQ(begun, 1000u) << "the sums cover what the list leaves out";
}

TEST(Model, ShortTextsStayShort) {
  EXPECT_EQ(short_duration(850), "1us");
  EXPECT_EQ(short_duration(12'000), "12us");
  EXPECT_EQ(short_duration(1'200'000), "1.2ms");
  EXPECT_EQ(short_duration(3'100'000'000), "3.1s");
  EXPECT_EQ(short_duration(900 * kSecond), "15m");
  EXPECT_EQ(short_count(812), "812");
  EXPECT_EQ(short_count(41'200), "41.2k");
  for (std::int64_t v = 1; v < std::int64_t{1} << 60; v *= 3) EXPECT_LE(short_duration(v).size(), 6u) << v;
  for (std::uint64_t v = 1; v < std::uint64_t{1} << 63; v *= 3) EXPECT_LE(short_count(v).size(), 6u) << v;
  EXPECT_LE(short_count(~std::uint64_t{0}).size(), 6u);
}

}  // namespace
}  // namespace lvsnat::top
