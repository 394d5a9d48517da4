#pragma once

// Result<T>: a value, or the Error that explains its absence.
//
// Three kinds of failure, three forms:
//   the world or the user's input failed     Result<T> / Status, passed up with TRY
//   our own code is wrong                    INVARIANT: the process ends where the bug is seen
//   an outcome that the caller branches on   a plain value (a failed expectation is a Verdict)

#include <cstdint>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace millrace {

/// What the caller can do about a failure. The story goes into the message.
enum class ErrorCode : std::uint8_t {
  Invalid,        // what the user wrote cannot be right, now or later
  NotFound,       // a named thing is absent
  AlreadyExists,  // a name is taken
  Conflict,       // an optimistic commit lost its race; reload and try again
  Denied,         // credentials or a fence do not allow it
  Unavailable,    // the other side did not answer; it may next time
  Timeout,        // our own deadline passed
  Exhausted,      // a slot, quota, memory or disk ran out; it may free up
  Cancelled,      // someone asked us to stop
  DataQuality,    // the data failed a check that guards the next step
  Corruption,     // bytes at rest do not parse or do not match their checksum
  Unsupported,    // a correct request for something that we do not do
  Internal,       // a library threw what it should not have
};

/// The code's name in snake_case, as it stands in JSON ("data_quality"), and back.
std::string_view to_string(ErrorCode code);
std::optional<ErrorCode> error_code_from(std::string_view name);

/// The one table that decides retries; the scheduler asks nothing else.
constexpr bool is_retryable(ErrorCode code) {
  switch (code) {
    case ErrorCode::Conflict:
    case ErrorCode::Unavailable:
    case ErrorCode::Timeout:
    case ErrorCode::Exhausted:
    case ErrorCode::Internal:
      return true;
    default:
      return false;
  }
}

class [[nodiscard]] Error {
 public:
  Error(ErrorCode code, std::string message,
        std::source_location where = std::source_location::current())
      : code_(code), where_(where), message_(std::move(message)) {}

  ErrorCode code() const { return code_; }
  const std::string& message() const { return message_; }
  /// The line of our code that made the error: for the log, not for the user.
  std::source_location where() const { return where_; }

  /// Says what we were doing: "reading clicks/part-0: no space left on device".
  Error&& while_doing(std::string_view activity) && {
    message_.insert(0, ": ").insert(0, activity);
    return std::move(*this);
  }

 private:
  ErrorCode code_;
  std::source_location where_;
  std::string message_;
};

/// The value of a failed Result was asked for (failure says of which), or the error of one that did
/// not fail. It does not return.
[[noreturn]] void result_misread(const Error* failure);

template <typename T = void>
class [[nodiscard]] Result {
  static_assert(!std::is_reference_v<T>, "return a pointer or a value");

 public:
  using Value = T;

  Result(T value) : value_(std::move(value)), ok_(true) {}
  Result(Error error) : error_(std::move(error)), ok_(false) {}
  template <typename U>
    requires(!std::is_same_v<std::remove_cvref_t<U>, Result> &&
             !std::is_same_v<std::remove_cvref_t<U>, Error> && std::is_convertible_v<U, T>)
  Result(U&& value) : value_(std::forward<U>(value)), ok_(true) {}

  Result(Result&& other) noexcept : ok_(other.ok_) { take(other); }
  Result& operator=(Result&& other) noexcept {
    if (this == &other) return *this;
    drop();
    ok_ = other.ok_;
    take(other);
    return *this;
  }
  ~Result() { drop(); }

  bool ok() const { return ok_; }
  explicit operator bool() const { return ok_; }

  // The value where ok(), the error where not: asking for the other one ends the process.
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(value()); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  const Error& error() const& {
    if (ok_) [[unlikely]]
      result_misread(nullptr);
    return error_;
  }
  Error&& error() && {
    if (ok_) [[unlikely]]
      result_misread(nullptr);
    return std::move(error_);
  }

  T value_or(T fallback) && { return ok_ ? std::move(value_) : std::move(fallback); }

 private:
  T& value() {
    if (!ok_) [[unlikely]]
      result_misread(&error_);
    return value_;
  }
  const T& value() const {
    if (!ok_) [[unlikely]]
      result_misread(&error_);
    return value_;
  }
  void take(Result& other) noexcept {
    static_assert(std::is_nothrow_move_constructible_v<T>, "what a Result holds moves freely");
    if (ok_)
      std::construct_at(&value_, std::move(other.value_));
    else
      std::construct_at(&error_, std::move(other.error_));
  }
  void drop() noexcept {
    if (ok_)
      std::destroy_at(&value_);
    else
      std::destroy_at(&error_);
  }

  // Not a std::variant: a third of what the compiler had to do for one.
  union {
    T value_;
    Error error_;
  };
  bool ok_;
};

struct Done {};

template <>
class [[nodiscard]] Result<void> {
 public:
  using Value = void;

  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }

  // As of a Result with a value: asking for what is not there ends the process.
  Done operator*() && {
    if (!ok()) [[unlikely]]
      result_misread(&*error_);
    return {};
  }
  const Error& error() const& {
    if (ok()) [[unlikely]]
      result_misread(nullptr);
    return *error_;
  }
  Error&& error() && {
    if (ok()) [[unlikely]]
      result_misread(nullptr);
    return *std::move(error_);
  }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

[[noreturn]] void invariant_failed(const char* condition, std::string_view why,
                                   std::source_location where);

}  // namespace millrace

/// TRY(expression): its value; or return its Error from the enclosing function. Not behind another
/// member of a braced list: gcc 12 does not destroy the members that were made before it returns.
#define TRY(...) MILLRACE_TRY_NAMED(MILLRACE_JOIN(try_result_, __COUNTER__), __VA_ARGS__)
#define MILLRACE_TRY_NAMED(name, ...)               \
  __extension__({                                   \
    auto name = (__VA_ARGS__);                      \
    if (!name.ok()) return std::move(name).error(); \
    *std::move(name);                               \
  })

/// TRY_DOING(activity, expression): like TRY, and the Error says what we were doing.
#define TRY_DOING(activity, ...) \
  MILLRACE_TRY_DOING_NAMED(MILLRACE_JOIN(try_result_, __COUNTER__), activity, __VA_ARGS__)
#define MILLRACE_TRY_DOING_NAMED(name, activity, ...)                     \
  __extension__({                                                         \
    auto name = (__VA_ARGS__);                                            \
    if (!name.ok()) return std::move(name).error().while_doing(activity); \
    *std::move(name);                                                     \
  })
#define MILLRACE_JOIN(a, b) MILLRACE_JOIN_NOW(a, b)
#define MILLRACE_JOIN_NOW(a, b) a##b

/// INVARIANT(condition, why): kept in release builds; why is for whoever reads the crash.
#define INVARIANT(condition, why)     \
  ((condition) ? static_cast<void>(0) \
               : ::millrace::invariant_failed(#condition, why, std::source_location::current()))
