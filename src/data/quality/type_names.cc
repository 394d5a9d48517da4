#include "quality/type_names.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/text.h"
#include "sql/names.h"

namespace millrace::quality {
namespace {

using columnar::Kind;

struct Family {
  std::string_view name;  // in lower case
  std::vector<Kind> kinds;
};

const std::vector<Family>& families() {
  static const std::vector<Kind> integers = {Kind::Int8, Kind::Int16, Kind::Int32, Kind::Int64};
  static const std::vector<Kind> floats = {Kind::Float32, Kind::Float64};
  static const std::vector<Kind> moments = {Kind::Timestamp, Kind::TimestampNtz};
  static const std::vector<Family> all_families = {
      // Python and pandas
      {"int", integers},
      {"int_", integers},
      {"int8", {Kind::Int8}},
      {"int16", {Kind::Int16}},
      {"int32", {Kind::Int32}},
      {"int64", {Kind::Int64}},
      {"float", floats},
      {"float_", floats},
      {"float32", {Kind::Float32}},
      {"float64", {Kind::Float64}},
      {"str", {Kind::String}},
      {"bool_", {Kind::Boolean}},
      {"datetime64", moments},
      {"datetime64[ns]", moments},
      {"datetime64[us]", moments},
      {"bytes", {Kind::Binary}},
      // SQLAlchemy
      {"double_precision", {Kind::Float64}},
      {"datetime", moments},
      {"numeric", {Kind::Decimal}},
      {"decimal", {Kind::Decimal}},
      // Spark
      {"bytetype", {Kind::Int8}},
      {"shorttype", {Kind::Int16}},
      {"integertype", {Kind::Int32}},
      {"longtype", {Kind::Int64}},
      {"floattype", {Kind::Float32}},
      {"doubletype", {Kind::Float64}},
      {"decimaltype", {Kind::Decimal}},
      {"stringtype", {Kind::String}},
      {"binarytype", {Kind::Binary}},
      {"booleantype", {Kind::Boolean}},
      {"datetype", {Kind::Date}},
      {"timestamptype", {Kind::Timestamp}},
      {"timestampntztype", {Kind::TimestampNtz}},
  };
  return all_families;
}

const Family* family_of(std::string_view name) {
  const std::string lower = fold_case(name);
  const auto found = std::find_if(families().begin(), families().end(),
                                  [&](const Family& family) { return family.name == lower; });
  return found == families().end() ? nullptr : &*found;
}

}  // namespace

bool is_type_name(std::string_view name) {
  return family_of(name) != nullptr || columnar::parse_type(name).ok();
}

bool type_fits(const columnar::DataType& type, std::string_view name) {
  if (const Family* family = family_of(name))
    return std::find(family->kinds.begin(), family->kinds.end(), type.kind) != family->kinds.end();
  const auto parsed = columnar::parse_type(name);
  return parsed.ok() && *parsed == type;
}

}  // namespace millrace::quality
