#pragma once

// Tables in a program: rows in columns, and the session of the embedded engine that takes and gives
// them.
//
//   Batch clicks;
//   auto& user = clicks.add<std::int64_t>("user_id");
//   auto& plan = clicks.add<std::string>("plan");
//   user.push(7);
//   plan.push("free");
//   TRY(context.write("clicks", clicks));
//   TRY(context.execute("COPY clicks TO 'clicks.parquet'"));
//
//   Batches answer = TRY(context.query("SELECT user_id, plan FROM 'clicks.parquet'"));
//   while (const std::optional<Batch> batch = TRY(answer.next())) {
//     const auto* plans = TRY(batch->column<std::string>("plan"));
//     for (std::size_t row = 0; row < batch->row_count(); ++row) print(plans->at(row).value_or("?"));
//   }

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/time.h"

namespace millrace {

/// A day of the calendar: `Date{std::chrono::year{2013} / 12 / 1}`.
using Date = std::chrono::sys_days;

namespace door {
struct BatchAccess;
}  // namespace door

/// What a column can hold, and what SQL calls it: bool BOOLEAN, int64_t BIGINT, double DOUBLE,
/// string VARCHAR, Date DATE, Instant TIMESTAMP WITH TIME ZONE.
template <typename T>
concept ColumnValue =
    std::is_same_v<T, bool> || std::is_same_v<T, std::int64_t> || std::is_same_v<T, double> ||
    std::is_same_v<T, std::string> || std::is_same_v<T, Date> || std::is_same_v<T, Instant>;

/// The values of one column, each one there or null.
template <ColumnValue T>
class Column {
 public:
  static constexpr bool kIsText = std::is_same_v<T, std::string>;
  /// Text is lent: it lies in the column.
  using Value = std::conditional_t<kIsText, std::string_view, T>;

  /// A value, or a null for std::nullopt. Text is UTF-8, together less than 2 GiB in a batch.
  void push(std::optional<Value> value) {
    if (!value.has_value()) return push_null();
    if (!nulls_.empty()) nulls_.push_back(0);
    store(*value);
    ++size_;
  }
  void push_null() {
    nulls_.resize(size_, 0);
    nulls_.push_back(1);
    store(Value());
    ++size_;
  }

  std::size_t size() const { return size_; }
  bool is_null(std::size_t row) const { return !nulls_.empty() && nulls_[row] != 0; }
  /// Precondition: row < size().
  std::optional<Value> at(std::size_t row) const {
    if (is_null(row)) return std::nullopt;
    if constexpr (kIsText) {
      const std::int32_t begin = row == 0 ? 0 : values_[row - 1];
      return std::string_view(text_).substr(static_cast<std::size_t>(begin),
                                            static_cast<std::size_t>(values_[row] - begin));
    } else if constexpr (std::is_same_v<T, Instant>) {
      return Instant(Duration(values_[row]));
    } else if constexpr (std::is_same_v<T, Date>) {
      return Date(std::chrono::days(values_[row]));
    } else {
      return static_cast<T>(values_[row]);
    }
  }

  /// Takes all values out; the memory stays for the next ones.
  void clear() {
    values_.clear();
    nulls_.clear();
    text_.clear();
    size_ = 0;
  }
  void reserve(std::size_t rows) { values_.reserve(rows); }

 private:
  friend struct door::BatchAccess;
  // As they travel: a truth as a byte, a moment as its microseconds, a day as its number since 1970,
  // of a text where it ends in text_.
  using Stored = std::conditional_t<
      std::is_same_v<T, bool>, std::uint8_t,
      std::conditional_t<kIsText || std::is_same_v<T, Date>, std::int32_t,
                         std::conditional_t<std::is_same_v<T, double>, double, std::int64_t>>>;

  void store(Value value) {
    if constexpr (kIsText) {
      INVARIANT(text_.size() + value.size() < (std::size_t{1} << 31U),
                "a batch is written before a column of it holds 2 GiB of text");
      text_.append(value);
      values_.push_back(static_cast<std::int32_t>(text_.size()));
    } else if constexpr (std::is_same_v<T, Instant> || std::is_same_v<T, Date>) {
      values_.push_back(static_cast<Stored>(value.time_since_epoch().count()));
    } else {
      values_.push_back(static_cast<Stored>(value));
    }
  }

  std::vector<Stored> values_;
  std::vector<std::uint8_t> nulls_;  // empty as long as there is none
  std::string text_;
  std::size_t size_ = 0;
};

/// Some rows of a table: columns of equal length, each with a name.
class Batch {
 public:
  /// A new column behind those that are there. The reference stays good as long as the batch, also
  /// where the batch is moved to.
  template <ColumnValue T>
  Column<T>& add(std::string name) {
    columns_.push_back({std::move(name), Column<T>()});
    return *std::get_if<Column<T>>(&columns_.back().values);
  }

  std::size_t column_count() const { return columns_.size(); }
  const std::string& name(std::size_t column) const { return columns_.at(column).name; }
  /// Of the first column; the others have as many.
  std::size_t row_count() const;
  /// The column of that name, which the batch keeps. Integers of all widths are int64_t, floats and
  /// decimals double, wall clocks without a zone Instants as if of UTC; lists, structs and maps are
  /// JSON text, and bytes a string. Errors: NotFound; Invalid (it holds another type).
  template <ColumnValue T>
  Result<const Column<T>*> column(std::string_view name) const {
    const Named* named = TRY(find(name));
    const auto* found = std::get_if<Column<T>>(&named->values);
    if (found == nullptr) return other_type(*named, AnyColumn(Column<T>()).index());
    return found;
  }

  /// Takes all rows out; columns and memory stay for the next ones.
  void clear();

 private:
  friend struct door::BatchAccess;
  using AnyColumn = std::variant<Column<bool>, Column<std::int64_t>, Column<double>,
                                 Column<std::string>, Column<Date>, Column<Instant>>;
  struct Named {
    std::string name;
    AnyColumn values;
  };
  Result<const Named*> find(std::string_view name) const;
  static Error other_type(const Named& column, std::size_t expected);

  std::deque<Named> columns_;
};

/// Batches that come one after the other, all with the same columns; a function that gives the next
/// one, or nothing at the end, can be it.
class Batches {
 public:
  using Next = std::function<Result<std::optional<Batch>>()>;
  template <typename Function>
    requires std::is_invocable_r_v<Result<std::optional<Batch>>, Function&>
  Batches(Function next) : next_(std::move(next)) {}

  /// The next rows, or nothing at the end.
  Result<std::optional<Batch>> next() { return next_(); }

 private:
  Next next_;
};

/// SQL and tables in a session of the embedded engine (DuckDB), which is a process of its own: a
/// program that links this stays small. Files are read and written relative to the working
/// directory; times are UTC. Calls from several threads take turns.
class Tables {
 public:
  virtual ~Tables() = default;

  /// Runs SQL statements. Errors: Invalid (the engine's message), Exhausted, Cancelled.
  virtual Result<> execute(std::string_view sql) = 0;
  /// The answer of one statement, in batches of some thousand rows that are made as they are asked
  /// for. The session's next call ends it: what has not been read then is lost, and asking for it
  /// an error (Invalid).
  virtual Result<Batches> query(std::string_view sql) = 0;
  /// The answer of one statement as a JSON array of objects, for small answers (10,000 rows).
  virtual Result<Json> rows(std::string_view sql) = 0;

  /// Makes the rows a table of this session, in the place of one of that name, for SQL to read.
  /// Batches are sent as they come, so there may be more of them than memory: the engine spills,
  /// where it has a folder for it (a task's session does).
  /// Returns how many rows. Errors: Invalid (no batch, or columns that differ in length, or from
  /// the first batch's), Exhausted, what `rows` gives; and then nothing has changed. What `rows`
  /// throws is thrown on.
  virtual Result<std::int64_t> write(std::string_view name, Batches rows) = 0;
  Result<std::int64_t> write(std::string_view name, const Batch& rows);
};

struct SessionOptions {
  int threads = 0;                 // 0: as many as the machine has
  std::uint64_t memory_bytes = 0;  // 0: three quarters of the machine's
  std::string project = "";  // a folder in whose .millrace/spill it spills; empty: it does not
};

/// A session for a program that is no task. In one, use the task's Context. The engine is the
/// `millrace` that $MILLRACE names, the one beside this program, or the one on the path. Errors:
/// NotFound, Unavailable, Unsupported (a millrace of another version).
Result<std::unique_ptr<Tables>> open_session(const SessionOptions& options = {});

}  // namespace millrace
