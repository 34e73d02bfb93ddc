// The table for programs that load this library on demand.
#include "lvsnat/capture.h"

const lvsnat::CaptureInterface* lvsnat_capture_interface() noexcept {
  static constexpr lvsnat::CaptureInterface table = {
      lvsnat::CaptureInterface::kAbiVersion,
      &lvsnat::open_capture_file,
      &lvsnat::open_live,
      &lvsnat::merge_sources,
      &lvsnat::check_filter,
      &lvsnat::describe_frame,
      &lvsnat::CaptureWriter::create,
      &lvsnat::ProbeSender::open,
      &lvsnat::capture_now,
      &lvsnat::wall_clock_set_by,
  };
  return &table;
}
