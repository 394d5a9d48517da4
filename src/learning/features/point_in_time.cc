#include "features/point_in_time.h"

#include <algorithm>
#include <set>

#include <fmt/core.h>

#include "base/suggest.h"
#include "base/text.h"
#include "features/members.h"
#include "sql/names.h"

namespace millrace::features {
namespace {

using columnar::Field;
using columnar::Kind;
using columnar::Schema;
using sql::quote_identifier;

// Names of our own inside the SELECT; the dot keeps them apart from names of users.
constexpr const char* kEvent = "\"pit.event\"";
constexpr const char* kCreated = "\"pit.created\"";
constexpr const char* kAvailable = "\"pit.available\"";
constexpr const char* kDeleted = "\"pit.deleted\"";

std::string key_name(std::size_t i) {
  return fmt::format("\"pit.key{}\"", i);
}
std::string version_name(std::size_t i) {
  return fmt::format("\"pit.v{}\"", i);
}

std::string micros(Duration duration) {
  return fmt::format("to_microseconds({})", duration.count());
}

bool is_time(const columnar::DataType& type) {
  return type.kind == Kind::Timestamp || type.kind == Kind::TimestampNtz || type.kind == Kind::Date;
}

Result<const Field*> column_of(const Schema& schema, const std::string& name,
                               const std::string& relation) {
  if (const auto i = schema.index_of(name)) return &schema[*i];
  return Error(ErrorCode::NotFound, fmt::format("{} has no column '{}'{}", relation, name,
                                                suggestion(name, schema.names())));
}

Status column_is_there(const Schema& schema, const std::string& name, const std::string& relation) {
  TRY(column_of(schema, name, relation));
  return {};
}

Status expect_time(const Schema& schema, const std::string& name, const std::string& relation) {
  const Field* field = TRY(column_of(schema, name, relation));
  if (is_time(field->type)) return {};
  return Error(ErrorCode::Invalid, fmt::format("{}: the column {} is {}; a time is a TIMESTAMP, a "
                                               "TIMESTAMP WITH TIME ZONE or a DATE",
                                               relation, name, columnar::to_sql(field->type)));
}

/// Whether values of the two types can be equal without a conversion that loses some.
bool comparable(const columnar::DataType& a, const columnar::DataType& b) {
  if (a == b || (a.is_numeric() && b.is_numeric())) return true;
  return is_time(a) && is_time(b);
}

Result<Schema> schema_of(engine::Session& session, const engine::RelationName& name) {
  return TRY(session.bind("SELECT * FROM " + TRY(sql::quoted_table_name(name)))).result;
}

Status expect_flag(const Schema& schema, const std::string& name, const std::string& relation) {
  const Field* deleted = TRY(column_of(schema, name, relation));
  if (deleted->type.kind == Kind::Boolean) return {};
  return Error(ErrorCode::Invalid, fmt::format("the column {} is {}; deleted_column is BOOLEAN",
                                               name, columnar::to_sql(deleted->type)));
}

Status expect_feature(const Schema& schema, const ViewFeature& feature,
                      const std::string& relation) {
  const Field* field = TRY(column_of(schema, feature.name, relation));
  if (!feature.type || *feature.type == field->type) return {};
  return Error(ErrorCode::Invalid, fmt::format("the feature {} is declared {} and is {} in {}",
                                               feature.name, columnar::to_sql(*feature.type),
                                               columnar::to_sql(field->type), relation));
}

/// What the view says of its source, apart from the keys.
void check_source(const FeatureView& view, const Schema& source, std::vector<Error>& errors) {
  Mistakes mistakes("feature view " + view.name, errors);
  for (const std::string* name : {&view.timestamp_field, &view.created_timestamp_column})
    if (!name->empty()) mistakes.note(expect_time(source, *name, view.source));
  if (!view.deleted_column.empty())
    mistakes.note(expect_flag(source, view.deleted_column, view.source));
  for (const ViewFeature& feature : view.features)
    mistakes.note(expect_feature(source, feature, view.source));
}

/// Names were parsed when the join was bound; a name given later is one of ours.
std::string checked_name(const engine::RelationName& name) {
  const auto quoted = sql::quoted_table_name(name);
  INVARIANT(quoted.ok(), "a relation's name is checked before it stands in SQL");
  return *quoted;
}

bool has_name(const std::vector<std::string>& list, const std::string& name) {
  return std::ranges::any_of(list,
                             [&](const std::string& one) { return same_ignoring_case(one, name); });
}

/// Naive times are UTC, and so is the session: every time becomes a TIMESTAMP. DuckDB would CAST a
/// TIMESTAMP WITH TIME ZONE by ICU's calendar, UTC or not: 30 times dearer. An infinite time becomes
/// null; neither counts.
std::string as_timestamp(const std::string& column) {
  return "make_timestamp(epoch_us(" + column + "))";
}

}  // namespace

Result<PointInTimeJoin> PointInTimeJoin::bind(engine::Session& session, const TrainingSet& set,
                                              std::span<const FeatureView> views) {
  std::vector<Error> errors;
  PointInTimeJoin join = bind_all(session, set, views, errors);
  if (!errors.empty()) return errors.front();
  return join;
}

std::vector<Error> PointInTimeJoin::check(engine::Session& session, const TrainingSet& set,
                                          std::span<const FeatureView> views) {
  std::vector<Error> errors;
  bind_all(session, set, views, errors);
  // A view that is joined twice has its mistakes twice.
  std::set<std::string> said;
  std::erase_if(errors, [&](const Error& error) { return !said.insert(error.message()).second; });
  return errors;
}

PointInTimeJoin PointInTimeJoin::bind_all(engine::Session& session, const TrainingSet& set,
                                          std::span<const FeatureView> views,
                                          std::vector<Error>& errors) {
  PointInTimeJoin join;
  join.set_ = set;
  auto labels = schema_of(session, set.labels);
  if (!labels.ok()) {
    errors.push_back(std::move(labels).error().while_doing("training set " + set.name));
    return join;
  }
  join.bind_labels(*labels, views, errors);
  for (const FeatureReference& reference : set.features) {
    const auto found = std::find_if(join.views_.begin(), join.views_.end(), [&](const View& view) {
      return view.view.name == reference.view && view.references.front().on == reference.on;
    });
    if (found != join.views_.end()) {
      found->references.push_back(reference);
      continue;
    }
    const FeatureView& view = view_named(reference.view, views);
    auto source = schema_of(session, view.source);
    if (!source.ok()) {
      errors.push_back(std::move(source).error().while_doing("feature view " + view.name));
      continue;
    }
    check_source(view, *source, errors);
    const std::string place =
        fmt::format("training set {}: feature {}:{}", set.name, reference.view, reference.feature);
    join.views_.push_back(
        {view, bind_keys(reference, view, *source, *labels, place, errors), {reference}});
  }
  return join;
}

void PointInTimeJoin::bind_labels(const Schema& labels, std::span<const FeatureView> views,
                                  std::vector<Error>& errors) {
  Mistakes mistakes("training set " + set_.name, errors);
  const auto add = [&](const std::string& name) {
    if (name.empty() || has_name(label_columns_, name)) return;
    mistakes.note(column_is_there(labels, name, set_.labels));
    label_columns_.push_back(name);
  };
  for (const std::string& name : set_.key) add(name);
  for (const std::string& name : joined_columns(set_, views)) add(name);
  add(set_.timestamp);
  if (labels.index_of(set_.timestamp).has_value())
    mistakes.note(expect_time(labels, set_.timestamp, set_.labels));
  add(set_.label);
  add(set_.split);
  for (const KnownColumn& column : set_.request_columns) add(column.name);
}

/// A column that the labels do not have was missed by bind_labels already.
std::vector<PointInTimeJoin::JoinKey> PointInTimeJoin::bind_keys(
    const FeatureReference& reference, const FeatureView& view, const Schema& source,
    const Schema& labels, const std::string& place, std::vector<Error>& errors) {
  Mistakes of_the_view("feature view " + view.name, errors);
  Mistakes of_the_reference(place, errors);
  std::vector<JoinKey> keys;
  for (const std::string& key : view.join_keys) {
    const auto mapped = std::find_if(reference.on.begin(), reference.on.end(),
                                     [&](const auto& pair) { return pair.first == key; });
    JoinKey join{key, mapped == reference.on.end() ? key : mapped->second, false};
    const Field* here = of_the_view.value(column_of(source, key, view.source));
    const auto there = labels.index_of(join.label_column);
    if (here != nullptr && there && !comparable(here->type, labels[*there].type))
      of_the_reference.note(
          Error(ErrorCode::Invalid,
                fmt::format("the join key {} is {} in {}, and {} is {} in the labels; cast one in "
                            "its SQL model",
                            key, columnar::to_sql(here->type), view.source, join.label_column,
                            columnar::to_sql(labels[*there].type))));
    join.floating = here != nullptr && here->type.is_floating();
    keys.push_back(std::move(join));
  }
  return keys;
}

PointInTimeJoin::KeyText PointInTimeJoin::key_text(const View& bound, const Options& options) {
  KeyText text;
  for (std::size_t i = 0; i < bound.keys.size(); ++i) {
    const JoinKey& key = bound.keys[i];
    const std::string column = quote_identifier(key.view_column);
    text.names += (i == 0 ? "" : ", ") + key_name(i);
    text.select += (i == 0 ? "" : ", ") + column + " AS " + key_name(i);
    text.where += (i == 0 ? "" : " AND ") +
                  (key.floating ? "NOT isnan(" + column + ")" : column + " IS NOT NULL");
    const auto known = options.entities.find(key.label_column);
    if (known == options.entities.end() || known->second.empty()) continue;
    std::string list;
    for (const std::string& value : known->second) list += (list.empty() ? "" : ", ") + value;
    text.where += fmt::format(" AND {} IN ({})", column, list);
  }
  return text;
}

/// Versions of a view that are the best known when they become available, by key.
std::string PointInTimeJoin::versions(const View& bound, const Options& options) const {
  const FeatureView& view = bound.view;
  const bool has_created = !view.created_timestamp_column.empty();
  const bool as_known = has_created && view.mode == Mode::AsKnown;
  const std::string event = as_timestamp(quote_identifier(view.timestamp_field));
  const std::string created =
      has_created ? as_timestamp(quote_identifier(view.created_timestamp_column)) : event;
  KeyText keys = key_text(bound, options);
  keys.where += " AND isfinite(" + event + ")";
  if (as_known) keys.where += " AND isfinite(" + created + ")";

  const std::string available = as_known ? fmt::format("greatest({}, {})", event, created) : event;
  std::string inner =
      fmt::format("{}, {} AS {}, {} AS {}", keys.select, event, kEvent, available, kAvailable);
  std::string order = fmt::format("{}, {}", kAvailable, kEvent);
  const auto add = [&](const std::string& sql, const char* name, const char* nulls) {
    inner += fmt::format(", {} AS {}", sql, name);
    order += fmt::format(", {}{}", name, nulls);
  };
  if (has_created) add(created, kCreated, " NULLS FIRST");
  if (!view.deleted_column.empty())
    add("coalesce(" + quote_identifier(view.deleted_column) + ", false)", kDeleted, "");
  for (const ViewFeature& feature : view.features) {
    inner += ", " + quote_identifier(feature.name);
    order += ", " + quote_identifier(feature.name) + " NULLS FIRST";
  }
  return fmt::format(
      "SELECT * FROM (SELECT {0} FROM {1} WHERE {2}) WINDOW w AS (PARTITION BY {3} ORDER BY {4}) "
      "QUALIFY {5} >= max({5}) OVER (w ROWS UNBOUNDED PRECEDING) AND lead({6}) OVER w IS DISTINCT "
      "FROM {6}",
      inner, checked_name(view.source), keys.where, keys.names, order, kEvent, kAvailable);
}

/// One row for each key of a view without time: the one with the greatest values.
std::string PointInTimeJoin::dimension(const View& bound, const Options& options) const {
  const KeyText keys = key_text(bound, options);
  std::string features;
  std::string order;
  for (const ViewFeature& feature : bound.view.features) {
    features += ", " + quote_identifier(feature.name);
    order += (order.empty() ? "" : ", ") + quote_identifier(feature.name) + " DESC NULLS LAST";
  }
  return fmt::format(
      "SELECT {0}{1} FROM {2} WHERE {3} QUALIFY row_number() OVER (PARTITION BY {4} ORDER BY {5}) "
      "= "
      "1",
      keys.select, features, checked_name(bound.view.source), keys.where, keys.names, order);
}

std::string PointInTimeJoin::join(const View& bound, std::size_t i) const {
  const bool timed = !bound.view.timestamp_field.empty();
  std::string sql = fmt::format(" {} JOIN {} ON ", timed ? "ASOF LEFT" : "LEFT", version_name(i));
  for (std::size_t k = 0; k < bound.keys.size(); ++k)
    sql += fmt::format("{}l.{} = {}.{}", k == 0 ? "" : " AND ",
                       quote_identifier(bound.keys[k].label_column), version_name(i), key_name(k));
  if (timed) {
    const std::string time = as_timestamp("l." + quote_identifier(set_.timestamp));
    sql += fmt::format(" AND {} >= {}.{}",
                       set_.embargo.count() == 0 ? time : time + " - " + micros(set_.embargo),
                       version_name(i), kAvailable);
  }
  return sql;
}

std::string PointInTimeJoin::output(const View& bound, std::size_t i,
                                    const FeatureReference& reference) const {
  const FeatureView& view = bound.view;
  const std::string value = version_name(i) + "." + quote_identifier(reference.feature);
  std::string condition;
  if (view.ttl)
    condition =
        fmt::format("{}.{} >= {} - {}", version_name(i), kEvent,
                    as_timestamp("l." + quote_identifier(set_.timestamp)), micros(*view.ttl));
  if (!view.deleted_column.empty())
    condition +=
        fmt::format("{}NOT {}.{}", condition.empty() ? "" : " AND ", version_name(i), kDeleted);
  return fmt::format(
      "{} AS {}",
      condition.empty() ? value : fmt::format("CASE WHEN {} THEN {} END", condition, value),
      quote_identifier(reference.alias));
}

std::string PointInTimeJoin::select(const Options& options) const {
  std::string with;
  std::string columns;
  std::string from = fmt::format(
      " FROM {} AS l", checked_name(options.labels.empty() ? set_.labels : options.labels));
  for (const std::string& name : label_columns_)
    columns += (columns.empty() ? "l." : ", l.") + quote_identifier(name);
  for (std::size_t i = 0; i < views_.size(); ++i) {
    const View& view = views_[i];
    with += fmt::format(
        "{} {} AS ({})", with.empty() ? "WITH" : ",", version_name(i),
        view.view.timestamp_field.empty() ? dimension(view, options) : versions(view, options));
    from += join(view, i);
  }
  // Features in the order in which the set lists them, whichever view they come from.
  for (const FeatureReference& reference : set_.features)
    for (std::size_t i = 0; i < views_.size(); ++i)
      for (const FeatureReference& here : views_[i].references)
        if (here.alias == reference.alias) columns += ", " + output(views_[i], i, here);
  std::string order;
  for (const std::string& name : label_columns_)
    order += (order.empty() ? " ORDER BY l." : ", l.") + quote_identifier(name);
  return fmt::format("{}{}SELECT {}{}{}", with, with.empty() ? "" : " ", columns, from, order);
}

Status check_dimensions(engine::Session& session, const TrainingSet& set,
                        std::span<const FeatureView> views) {
  std::vector<std::string> checked;
  for (const FeatureReference& reference : set.features) {
    const FeatureView& view = view_named(reference.view, views);
    if (!view.timestamp_field.empty() || has_name(checked, view.name)) continue;
    checked.push_back(view.name);
    std::string keys;
    std::string known;
    for (const std::string& key : view.join_keys) {
      keys += (keys.empty() ? "" : ", ") + quote_identifier(key);
      known += (known.empty() ? "" : " AND ") + quote_identifier(key) + " IS NOT NULL";
    }
    std::string features;
    for (const ViewFeature& feature : view.features)
      features += ", " + quote_identifier(feature.name);
    const auto rows = TRY(session.collect(
        fmt::format(
            "SELECT count(*), min(k) FROM (SELECT CAST(ROW({0}) AS VARCHAR) AS k FROM (SELECT "
            "DISTINCT {0}{1} FROM {2} WHERE {3}) GROUP BY {0} HAVING count(*) > 1)",
            keys, features, checked_name(view.source), known),
        1));
    const std::int64_t twice = rows.front().column(0).integer(0);
    if (twice > 0)
      return Error(
          ErrorCode::DataQuality,
          fmt::format("feature view {}: {} keys have several rows with different features, "
                      "{} among them; give the view a timestamp_field, or make the key "
                      "unique in {}",
                      view.name, twice, rows.front().column(1).to_string(0), view.source));
  }
  return {};
}

}  // namespace millrace::features
