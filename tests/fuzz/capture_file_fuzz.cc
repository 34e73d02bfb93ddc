// A whole capture file through the reader, whatever its format: ours, libpcap's, packed or not.
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <string>

#include "fuzz/fuzz.h"
#include "lvsnat/capture.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lvsnat;
  using fuzz::demand;
  // A file of its own each time: the reader must meet it as it meets a user's.
  const int memory = memfd_create("input", MFD_CLOEXEC);
  if (memory < 0 || write(memory, data, size) != static_cast<ssize_t>(size) || lseek(memory, 0, SEEK_SET) != 0) std::abort();
  auto source = open_capture_file("/proc/self/fd/" + std::to_string(memory));
  if (source) {
    std::array<Frame, 64> frames;
    std::uint64_t seen = 0;
    while (const std::size_t count = (*source)->read(frames)) {
      for (std::size_t i = 0; i < count; ++i) {
        const Frame& frame = frames[i];
        demand(frame.vantage < (*source)->vantages().size(), "a frame's vantage is known");
        demand(frame.captured == 0 || frame.data != nullptr, "a frame has its bytes");
        unsigned sum = 0;
        for (std::uint32_t byte = 0; byte < frame.captured; ++byte) sum += frame.data[byte];
        volatile unsigned touched = sum;
        (void)touched;
      }
      seen += count;
    }
    demand((*source)->finished(), "a file that gives no more is finished");
    const auto statistics = (*source)->statistics();
    demand(statistics.size() == 1, "one file, one entry");
    demand(statistics[0].packets == seen, "all packets are counted");
    demand(!statistics[0].problem || fuzz::clean(*statistics[0].problem), "no control characters in what was wrong");
    demand(!statistics[0].refused || seen == 0, "a refused file gave nothing");
    for (const Vantage& vantage : (*source)->vantages()) demand(fuzz::clean(vantage.interface), "a clean interface name");
  } else {
    demand(!source.error().message.empty() && fuzz::clean(source.error().message), "a clean sentence says why");
  }
  source = Error{};
  close(memory);
  return 0;
}
