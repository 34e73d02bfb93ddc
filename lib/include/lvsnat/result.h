// Errors are values. `Result<T>` holds a T or an Error; bad packets are data and never errors,
// broken promises between our own functions abort.
//
// Threads: plain values, no shared state. Nothing here throws, save std::bad_alloc.
#pragma once

#include <cstdlib>
#include <string>
#include <utility>
#include <variant>

namespace lvsnat {

enum class ErrorCode {
  usage,          // a malformed option, address, filter, ...
  not_found,      // no such file, interface, id
  no_permission,  // a capability or file mode is missing; the message says which
  io,             // reading or writing failed half-way
  malformed,      // the input is not what it claims to be; the message has file and line or offset
  unsupported,    // well-formed, but not something this build or kernel can do
  limit,          // a size, depth or count limit was met; the message names it
};

/// What was being done, then why it failed: "reading eth0.pcap: file ends inside a record header".
struct Error {
  ErrorCode code = ErrorCode::io;
  std::string message;
};

/// A T or an Error. Member names follow std::expected, which may replace it one day.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : held_(std::in_place_index<0>, std::move(value)) {}      // NOLINT(google-explicit-constructor): return value;
  Result(Error error) : held_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor): return error;

  [[nodiscard]] bool has_value() const noexcept { return held_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  [[nodiscard]] T& value() & { return *checked(); }
  [[nodiscard]] const T& value() const& { return *const_cast<Result*>(this)->checked(); }
  [[nodiscard]] T&& value() && { return std::move(*checked()); }
  [[nodiscard]] T& operator*() & { return value(); }
  [[nodiscard]] const T& operator*() const& { return value(); }
  [[nodiscard]] T&& operator*() && { return std::move(*this).value(); }
  [[nodiscard]] T* operator->() { return checked(); }
  [[nodiscard]] const T* operator->() const { return const_cast<Result*>(this)->checked(); }

  [[nodiscard]] const Error& error() const {
    const Error* e = std::get_if<1>(&held_);
    if (e == nullptr) std::abort();  // asked for the error of a success
    return *e;
  }

 private:
  T* checked() {
    T* v = std::get_if<0>(&held_);
    if (v == nullptr) std::abort();  // asked for the value of an error
    return v;
  }
  std::variant<T, Error> held_;
};

/// For operations that return nothing: `return ok();` or `return Error{...};`.
struct Done {};
using Status = Result<Done>;
inline Status ok() { return Done{}; }

}  // namespace lvsnat
