#include "door/batch_access.h"

#include <array>

#include <fmt/core.h>

namespace millrace::door {
namespace {

using columnar::Kind;

template <typename T>
constexpr Kind kind_of() {
  if constexpr (std::is_same_v<T, bool>) return Kind::Boolean;
  if constexpr (std::is_same_v<T, std::int64_t>) return Kind::Int64;
  if constexpr (std::is_same_v<T, double>) return Kind::Float64;
  if constexpr (std::is_same_v<T, std::string>) return Kind::String;
  if constexpr (std::is_same_v<T, Date>) return Kind::Date;
  if constexpr (std::is_same_v<T, Instant>) return Kind::Timestamp;
}

/// The T of a Column<T>.
template <typename>
struct ValueOf;
template <typename T>
struct ValueOf<Column<T>> {
  using Type = T;
};
template <typename C>
using value_of = typename ValueOf<std::remove_cvref_t<C>>::Type;

/// What a lent array points to beside the batch's own memory.
struct Lent {
  std::vector<std::uint8_t> validity;
  std::vector<std::uint8_t> bits;
  std::vector<std::int32_t> offsets;
  std::array<const void*, 3> buffers{};
  std::vector<ArrowArray> children;
  std::vector<ArrowArray*> pointers;
};

void release_lent(ArrowArray* array) {
  auto* lent = static_cast<Lent*>(array->private_data);
  for (ArrowArray& child : lent->children)
    if (child.release != nullptr) child.release(&child);
  delete lent;
  array->release = nullptr;
}

ArrowArray array_of(std::unique_ptr<Lent> lent, std::size_t rows, std::int64_t buffers) {
  for (ArrowArray& child : lent->children) lent->pointers.push_back(&child);
  ArrowArray array{};
  array.length = static_cast<std::int64_t>(rows);
  array.null_count = lent->buffers[0] == nullptr ? 0 : -1;
  array.n_buffers = buffers;
  array.buffers = lent->buffers.data();
  array.n_children = static_cast<std::int64_t>(lent->children.size());
  array.children = lent->pointers.data();
  array.release = release_lent;
  array.private_data = lent.release();
  return array;
}

/// Bit i is 1 where byte i is `one`.
std::vector<std::uint8_t> bits_of(const std::vector<std::uint8_t>& bytes, std::uint8_t one) {
  std::vector<std::uint8_t> bits((bytes.size() + 7) / 8);
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bits[i / 8] |= static_cast<std::uint8_t>((bytes[i] == one ? 1U : 0U) << (i % 8));
  return bits;
}

/// The type of a program's column that holds a column of this kind.
template <typename Visit>
auto with_type_for(Kind kind, Visit visit) {
  switch (kind) {
    case Kind::Boolean:
      return visit.template operator()<bool>();
    case Kind::Int8:
    case Kind::Int16:
    case Kind::Int32:
    case Kind::Int64:
      return visit.template operator()<std::int64_t>();
    case Kind::Float32:
    case Kind::Float64:
    case Kind::Decimal:
      return visit.template operator()<double>();
    case Kind::Date:
      return visit.template operator()<Date>();
    case Kind::Timestamp:
    case Kind::TimestampNtz:
      return visit.template operator()<Instant>();
    default:
      return visit.template operator()<std::string>();
  }
}

template <typename T>
void push_value(Column<T>& to, const columnar::Column& from, std::size_t row) {
  if constexpr (std::is_same_v<T, bool>) {
    to.push(from.boolean(row));
  } else if constexpr (std::is_same_v<T, std::int64_t>) {
    to.push(from.integer(row));
  } else if constexpr (std::is_same_v<T, double>) {
    to.push(from.number(row));
  } else if constexpr (std::is_same_v<T, Date>) {
    to.push(Date(std::chrono::days(from.integer(row))));
  } else if constexpr (std::is_same_v<T, Instant>) {
    to.push(Instant(Duration(from.integer(row))));
  } else if (from.type().is_nested()) {
    to.push(from.to_json(row).dump());
  } else {
    to.push(from.text(row));
  }
}

}  // namespace

columnar::Schema BatchAccess::schema_of(const Batch& batch) {
  std::vector<columnar::Field> fields;
  for (const Batch::Named& column : batch.columns_) {
    const Kind kind = std::visit(
        [](const auto& values) { return kind_of<value_of<decltype(values)>>(); }, column.values);
    fields.push_back({column.name, columnar::simple(kind)});
  }
  return columnar::Schema(std::move(fields));
}

Result<columnar::RecordBatch> BatchAccess::lend(const Batch& batch) {
  const auto lend_column = []<typename T>(const Column<T>& column) {
    auto lent = std::make_unique<Lent>();
    if (!column.nulls_.empty()) {
      lent->validity = bits_of(column.nulls_, 0);
      lent->buffers[0] = lent->validity.data();
    }
    static constexpr std::uint64_t nothing = 0;
    const void* values =
        column.values_.empty() ? &nothing : static_cast<const void*>(column.values_.data());
    lent->buffers[1] = values;
    if constexpr (std::is_same_v<T, bool>) {
      lent->bits = bits_of(column.values_, 1);
      if (!lent->bits.empty()) lent->buffers[1] = lent->bits.data();
    } else if constexpr (Column<T>::kIsText) {
      lent->offsets.reserve(column.size_ + 1);
      lent->offsets.push_back(0);
      lent->offsets.insert(lent->offsets.end(), column.values_.begin(), column.values_.end());
      lent->buffers[1] = lent->offsets.data();
      lent->buffers[2] = column.text_.data();
    }
    return array_of(std::move(lent), column.size_, Column<T>::kIsText ? 3 : 2);
  };
  const auto size_of = [](const auto& values) { return values.size(); };
  for (const Batch::Named& column : batch.columns_)
    if (const std::size_t size = std::visit(size_of, column.values); size != batch.row_count())
      return Error(
          ErrorCode::Invalid,
          fmt::format("column '{}' has {} values, '{}' has {}: push a value or a null into "
                      "every column for every row",
                      column.name, size, batch.columns_[0].name, batch.row_count()));
  auto whole = std::make_unique<Lent>();
  for (const Batch::Named& column : batch.columns_)
    whole->children.push_back(std::visit(lend_column, column.values));
  return columnar::RecordBatch::adopt(std::make_shared<columnar::Schema>(schema_of(batch)),
                                      array_of(std::move(whole), batch.row_count(), 1));
}

Batch BatchAccess::copy(const columnar::RecordBatch& from) {
  Batch batch;
  for (std::size_t i = 0; i < from.schema().size(); ++i) {
    const columnar::Column column = from.column(i);
    with_type_for(column.type().kind, [&]<typename T>() {
      Column<T>& to = batch.add<T>(from.schema()[i].name);
      to.reserve(column.size());
      for (std::size_t row = 0; row < column.size(); ++row) {
        if (column.is_null(row))
          to.push_null();
        else
          push_value(to, column, row);
      }
    });
  }
  return batch;
}

}  // namespace millrace::door
