// What control groups leave of the machine's memory.
#include "common/cgroup.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace lvsnat::tool {
namespace {

using Files = std::vector<std::string>;

constexpr const char* kUnified = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

TEST(MemoryLimitFiles, OfTheOwnGroupAndOfAllAboveIt) {
  EXPECT_EQ(memory_limit_files("0::/system.slice/lvs.service\n", kUnified),
            (Files{"/sys/fs/cgroup/system.slice/lvs.service/memory.max", "/sys/fs/cgroup/system.slice/memory.max",
                   "/sys/fs/cgroup/memory.max"}));
  EXPECT_EQ(memory_limit_files("0::/\n", kUnified), (Files{"/sys/fs/cgroup/memory.max"}));
}

TEST(MemoryLimitFiles, OfVersionOne) {
  const std::string groups = "9:name=systemd:/\n4:cpu,memory:/box/a b\n2:cpuset:/other\n0::/\n";
  const std::string mounts =
      "22 1 254:1 / / rw - ext4 /dev/vda1 rw\n"
      "32 31 0:29 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset\n"
      "35 31 0:32 / /sys/fs/cgroup/mem\\040ory rw,relatime - cgroup cgroup rw,cpu,memory\n";
  EXPECT_EQ(memory_limit_files(groups, mounts),
            (Files{"/sys/fs/cgroup/mem ory/box/a b/memory.limit_in_bytes", "/sys/fs/cgroup/mem ory/box/memory.limit_in_bytes",
                   "/sys/fs/cgroup/mem ory/memory.limit_in_bytes"}));
}

TEST(MemoryLimitFiles, InAContainerTheMountIsTheOwnGroup) {
  const std::string mount = "30 23 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
  EXPECT_EQ(memory_limit_files("0::/docker/abc\n", mount), (Files{"/sys/fs/cgroup/memory.max"}));
  EXPECT_EQ(memory_limit_files("0::/docker/abc/child\n", mount),
            (Files{"/sys/fs/cgroup/child/memory.max", "/sys/fs/cgroup/memory.max"}));
  EXPECT_EQ(memory_limit_files("0::/docker/abcdef\n", mount), (Files{"/sys/fs/cgroup/memory.max"})) << "a neighbour";
  EXPECT_EQ(memory_limit_files("0::/../..\n", kUnified), (Files{"/sys/fs/cgroup/memory.max"})) << "above what is to be seen";
  EXPECT_EQ(memory_limit_files("0::/../etc\n", kUnified), (Files{"/sys/fs/cgroup/memory.max"}));
}

TEST(MemoryLimitFiles, NonsenseNamesNone) {
  EXPECT_EQ(memory_limit_files("", kUnified), Files());
  EXPECT_EQ(memory_limit_files("0::/\n", ""), Files());
  EXPECT_EQ(memory_limit_files("0\n::\n:::::\n\n", "a\n- - -\n30 23 0:26 / relative rw - cgroup2 cgroup2 rw\n"), Files());
  EXPECT_EQ(memory_limit_files("0::nowhere", kUnified), (Files{"/sys/fs/cgroup/memory.max"}));
  std::string deep = "0::", many;
  for (int i = 0; i < 10'000; ++i) {
    deep += "/x";
    many += kUnified;
  }
  EXPECT_LE(memory_limit_files(deep, many).size(), 512U);
}

TEST(MemoryLimit, IsANumberOrNone) {
  EXPECT_EQ(memory_limit("536870912\n"), 536'870'912U);
  EXPECT_EQ(memory_limit("0"), 0U);
  EXPECT_EQ(memory_limit("9223372036854771712\n"), 9'223'372'036'854'771'712U) << "version 1 says so where there is none";
  EXPECT_EQ(memory_limit("max\n"), std::nullopt);
  EXPECT_EQ(memory_limit(""), std::nullopt);
  EXPECT_EQ(memory_limit("-1"), std::nullopt);
  EXPECT_EQ(memory_limit("12 apples"), std::nullopt);
  EXPECT_EQ(memory_limit("99999999999999999999999\n"), std::nullopt);
}

}  // namespace
}  // namespace lvsnat::tool
