// Frames of a scenario, as the director's interfaces would have captured them.
//
// Ownership: a Capture owns its bytes; its frames point into them and stay valid while it lives (also
// when it is moved). Threads: plain values. Errors: "FILE:LINE: why" where a line cannot become a frame.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lvsnat/frame.h"
#include "lvsnat/result.h"
#include "lvsnat/source.h"
#include "support/scenario.h"

namespace lvsnat::scenario {

/// The scenario's zero as a capture time: 2024-01-01T00:00:00Z.
inline constexpr Timestamp kBegin = 1'704'067'200 * kSecond;

struct Capture {
  Capture() = default;
  Capture(Capture&&) = default;  // the frames' pointers survive a move but not a copy
  Capture& operator=(Capture&&) = default;
  std::vector<std::vector<std::uint8_t>> bytes;  // one per frame
  std::vector<Frame> frames;                     // in time order, numbered from 1 within each vantage
  std::vector<Vantage> vantages;                 // one per captured segment, or one for `any`
  std::vector<SourceStatistics> statistics;      // one per vantage
};

/// Frames on segments that are not captured are left out: the same packets serve every vantage.
Result<Capture> build(const Case&);

/// The frames of one vantage as a pcap file (nanoseconds, host byte order), for tests of programs.
std::string to_pcap(const Capture&, std::uint16_t vantage);

}  // namespace lvsnat::scenario
