// Words for the enumerators that every output shares. An output never spells one of them itself.
#include <string_view>

#include "lvsnat/connection.h"
#include "lvsnat/finding.h"
#include "lvsnat/report.h"

namespace lvsnat {

std::string_view name(Leg leg) noexcept {
  switch (leg) {
    case Leg::request:
      return "request";
    case Leg::demasq:
      return "demasq";
    case Leg::reply:
      return "reply";
    case Leg::masq:
      return "masq";
  }
  return "unknown";
}

std::string_view name(ConnectionState state) noexcept {
  switch (state) {
    case ConnectionState::half_open:
      return "half-open";
    case ConnectionState::established:
      return "established";
    case ConnectionState::closing:
      return "closing";
    case ConnectionState::closed:
      return "closed";
    case ConnectionState::reset:
      return "reset";
    case ConnectionState::mid_stream:
      return "mid-stream";
  }
  return "unknown";
}

std::string_view name(Severity severity) noexcept {
  switch (severity) {
    case Severity::info:
      return "info";
    case Severity::warning:
      return "warning";
    case Severity::error:
      return "error";
  }
  return "unknown";
}

std::string_view name(Confidence confidence) noexcept {
  switch (confidence) {
    case Confidence::possible:
      return "possible";
    case Confidence::likely:
      return "likely";
    case Confidence::certain:
      return "certain";
  }
  return "unknown";
}

std::string_view name(Where where) noexcept {
  switch (where) {
    case Where::director:
      return "director";
    case Where::real_server:
      return "real-server";
    case Where::client:
      return "client";
    case Where::router:
      return "router";
  }
  return "unknown";
}

std::string_view name(ReplyWay::Way way) noexcept {
  switch (way) {
    case ReplyWay::Way::director:
      return "director";
    case ReplyWay::Way::gateway:
      return "gateway";
    case ReplyWay::Way::direct:
      return "direct";
    case ReplyWay::Way::nowhere:
      return "nowhere";
    case ReplyWay::Way::self:
      return "self";
    case ReplyWay::Way::unknown:
      break;
  }
  return "unknown";
}

std::string_view name(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::ok:
      return "ok";
    case Verdict::warning:
      return "warning";
    case Verdict::error:
      return "error";
    case Verdict::unknown:
      return "unknown";
  }
  return "unknown";
}

}  // namespace lvsnat
