#include <fmt/core.h>

#include "base/json_unique_members.h"
#include "base/suggest.h"
#include "serve/row_columns.h"
#include "serve/scoring.h"

namespace millrace::serve {

namespace {

using model::FeatureEncoder;
using model::FeatureRows;

Error invalid(std::string message) {
  return Error(ErrorCode::Invalid, std::move(message));
}

Status append_by_position(const FeatureEncoder& encoder, const Json& values,
                          const std::vector<std::size_t>& columns, std::size_t row,
                          FeatureRows& rows) {
  if (!values.is_array()) {
    return invalid(
        fmt::format("row {}: expected an array of values, found {}", row, values.type_name()));
  }
  if (values.as_array().size() != columns.size()) {
    return wrong_width(encoder, row, values.as_array().size());
  }
  const std::size_t begin = rows.values.size();
  rows.values.resize(begin + rows.width);
  for (std::size_t i = 0; i < columns.size(); ++i) {
    rows.values[begin + columns[i]] = TRY(encoder.encode(columns[i], values.as_array()[i], row));
  }
  return {};
}

Status append_by_name(const FeatureEncoder& encoder, const Json& record, std::size_t row,
                      FeatureRows& rows) {
  if (!record.is_object()) {
    return invalid(
        fmt::format("row {}: expected an object of features, found {}", row, record.type_name()));
  }
  std::vector<std::string> names;
  for (const auto& [name, value] : record.as_object()) names.push_back(name);
  const std::vector<std::size_t> columns =
      TRY_DOING(fmt::format("row {}", row), columns_of(encoder, names));
  const std::size_t begin = rows.values.size();
  rows.values.resize(begin + rows.width);
  for (std::size_t i = 0; i < columns.size(); ++i) {
    rows.values[begin + columns[i]] =
        TRY(encoder.encode(columns[i], record.as_object()[i].second, row));
  }
  return {};
}

Result<const Json*> rows_at(const Json& json, std::string_view name) {
  const Json& rows = json[name];
  if (rows.is_array()) return &rows;
  return invalid(fmt::format("'{}' must be an array of rows, found {}", name, rows.type_name()));
}

Result<FeatureRows> read_instances(const FeatureEncoder& encoder, const Json& instances) {
  FeatureRows rows{.values = {}, .width = encoder.features().size()};
  const std::vector<std::size_t> columns = columns_by_position(encoder);
  for (const Json& instance : instances.as_array()) {
    const std::size_t row = rows.row_count() + 1;
    if (instance.is_object()) {
      TRY(append_by_name(encoder, instance, row, rows));
    } else {
      TRY(append_by_position(encoder, instance, columns, row, rows));
    }
  }
  return rows;
}

Result<FeatureRows> read_records(const FeatureEncoder& encoder, const Json& records) {
  FeatureRows rows{.values = {}, .width = encoder.features().size()};
  for (const Json& record : records.as_array()) {
    TRY(append_by_name(encoder, record, rows.row_count() + 1, rows));
  }
  return rows;
}

Result<FeatureRows> read_split(const FeatureEncoder& encoder, const Json& split) {
  const Json* names = TRY(rows_at(split, "columns"));
  std::vector<std::string> columns;
  for (const Json& name : names->as_array()) {
    if (!name.is_string()) {
      return invalid(fmt::format("a column's name must be text, found {}", name.type_name()));
    }
    columns.push_back(name.as_string());
  }
  const std::vector<std::size_t> order = TRY_DOING("'columns'", columns_of(encoder, columns));
  FeatureRows rows{.values = {}, .width = encoder.features().size()};
  for (const Json& values : TRY(rows_at(split, "data"))->as_array()) {
    TRY(append_by_position(encoder, values, order, rows.row_count() + 1, rows));
  }
  return rows;
}

/// Python and others write NaN and Infinity into what they call JSON.
Error not_json(Error error, std::string_view body) {
  if (body.find("NaN") == std::string_view::npos && body.find("Infinity") == std::string_view::npos)
    return error;
  return invalid(error.message() +
                 "; JSON has no NaN and no Infinity: send null for a number that is not known");
}

}  // namespace

Result<model::FeatureRows> read_json(const FeatureEncoder& encoder, std::string_view body) {
  static const std::vector<std::string> forms = {"instances", "dataframe_split",
                                                 "dataframe_records"};
  const Result<Json> json = parse_json_with_unique_members(body);
  if (!json) return not_json(json.error(), body);
  if (!json->is_object() || json->as_object().size() != 1) {
    return invalid(
        "expected an object with one member: 'instances', 'dataframe_split' or "
        "'dataframe_records'");
  }
  const std::string& form = json->as_object().front().first;
  if (form == "instances") return read_instances(encoder, *TRY(rows_at(*json, form)));
  if (form == "dataframe_records") return read_records(encoder, *TRY(rows_at(*json, form)));
  if (form == "dataframe_split") return read_split(encoder, (*json)[form]);
  return invalid(fmt::format("'{}' is no form of rows{}", form.substr(0, 40),
                             suggestion(form.substr(0, 40), forms)));
}

}  // namespace millrace::serve
