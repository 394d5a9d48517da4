#include "quality/samples.h"

#include <algorithm>

#include <fmt/core.h>

#include "quality/literal.h"
#include "sql/names.h"

namespace millrace::quality {
namespace {

using columnar::RecordBatch;

/// Columns of the answer, each once.
class Columns {
 public:
  std::size_t place_of(const std::string& name) {
    const auto found = std::find(names_.begin(), names_.end(), name);
    if (found != names_.end()) return static_cast<std::size_t>(found - names_.begin());
    names_.push_back(name);
    return names_.size() - 1;
  }
  const std::vector<std::string>& names() const { return names_; }

 private:
  std::vector<std::string> names_;
};

struct Placed {
  const SampleRequest* request;
  std::vector<std::size_t> columns;
  std::size_t flag = 0;  // the column that holds its condition
};

Json named_values(const RecordBatch& rows, std::size_t row, const std::vector<std::string>& names,
                  const std::vector<std::size_t>& places) {
  Json object = Json::object();
  for (std::size_t i = 0; i < names.size(); ++i)
    object.set(names[i], rows.column(places[i]).to_json(row));
  return object;
}

Json shown_value(const RecordBatch& rows, std::size_t row, const Placed& placed) {
  switch (placed.request->shape) {
    case SampleShape::Value:
      return rows.column(placed.columns.front()).to_json(row);
    case SampleShape::Pair: {
      Json pair = Json::array();
      for (const std::size_t place : placed.columns) pair.push(rows.column(place).to_json(row));
      return pair;
    }
    case SampleShape::Object:
      break;
  }
  return named_values(rows, row, placed.request->columns, placed.columns);
}

std::string statement(const std::string& batch, const Columns& columns,
                      const std::vector<SampleRequest>& requests,
                      const std::vector<std::string>& order_by) {
  std::string select;
  std::string where;
  for (const std::string& name : columns.names()) select += sql::quote_identifier(name) + ", ";
  for (const SampleRequest& request : requests) {
    select += fmt::format("coalesce({}, false), ", request.condition);
    where += (where.empty() ? "(" : " OR (") + request.condition + ")";
  }
  select.resize(select.size() - 2);
  std::string sql = fmt::format("SELECT {} FROM {} WHERE {}", select, batch, where);
  for (std::size_t i = 0; i < order_by.size(); ++i)
    sql += (i == 0 ? " ORDER BY " : ", ") + sql::quote_identifier(order_by[i]);
  // With one request the engine keeps only the first rows instead of sorting them all.
  if (requests.size() == 1) sql += fmt::format(" LIMIT {}", requests.front().wanted);
  return sql;
}

}  // namespace

Result<std::vector<std::vector<Sample>>> fetch_samples(
    engine::Session& session, const std::string& batch, const std::vector<SampleRequest>& requests,
    const std::vector<std::string>& order_by, const std::vector<std::string>& index_columns) {
  Columns columns;
  std::vector<Placed> placed;
  std::vector<std::size_t> index;
  index.reserve(index_columns.size());
  for (const std::string& name : index_columns) index.push_back(columns.place_of(name));
  for (const SampleRequest& request : requests) {
    placed.push_back({&request, {}, 0});
    for (const std::string& name : request.columns)
      placed.back().columns.push_back(columns.place_of(name));
  }
  std::size_t missing = 0;
  for (std::size_t i = 0; i < placed.size(); ++i) {
    placed[i].flag = columns.names().size() + i;
    missing += requests[i].wanted;
  }

  std::vector<std::vector<Sample>> samples(requests.size());
  const auto reader = TRY(session.query(statement(batch, columns, requests, order_by)));
  while (missing > 0) {
    const auto rows = TRY(reader->next());
    if (!rows) break;
    for (std::size_t row = 0; row < rows->row_count() && missing > 0; ++row)
      for (std::size_t i = 0; i < placed.size(); ++i) {
        if (samples[i].size() == requests[i].wanted || !rows->column(placed[i].flag).boolean(row))
          continue;
        Sample sample{shown_value(*rows, row, placed[i]), Json()};
        if (!index.empty()) {
          sample.index = named_values(*rows, row, requests[i].columns, placed[i].columns);
          const Json keys = named_values(*rows, row, index_columns, index);
          for (const auto& [name, value] : keys.as_object()) sample.index.set(name, value);
        }
        samples[i].push_back(std::move(sample));
        --missing;
      }
  }
  return samples;
}

}  // namespace millrace::quality
