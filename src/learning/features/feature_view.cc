#include "features/feature_view.h"

#include <algorithm>
#include <set>

#include <fmt/core.h>

#include "base/suggest.h"
#include "base/text.h"
#include "features/members.h"

namespace millrace::features {
namespace {

template <typename Named>
std::vector<std::string> names_of(const std::vector<Named>& things) {
  std::vector<std::string> names;
  names.reserve(things.size());
  for (const Named& thing : things) names.push_back(thing.name);
  return names;
}

Entity read_entity(const Json& json, Mistakes& mistakes) {
  Entity entity;
  if (!only_members(json, {"name", "join_keys", "description"}, mistakes)) return entity;
  entity.name = mistakes.value(required_text(json, "name"));
  entity.join_keys = mistakes.value(required_texts(json, "join_keys"));
  return entity;
}

Result<ViewFeature> read_feature(const Json& json) {
  if (json.is_string()) return ViewFeature{json.as_string(), std::nullopt};
  TRY(only_members(json, {"name", "type", "description"}));
  ViewFeature feature{.name = TRY(required_text(json, "name")), .type = std::nullopt};
  const std::string type = TRY(optional_text(json, "type"));
  if (!type.empty()) feature.type = TRY_DOING("type", columnar::parse_type(type));
  return feature;
}

Result<Mode> read_mode(const Json& json) {
  static const std::vector<std::string> modes = {"as_known", "latest_event"};
  const std::string mode = TRY(optional_text(json, "mode"));
  if (mode.empty() || mode == modes[0]) return Mode::AsKnown;
  if (mode == modes[1]) return Mode::LatestEvent;
  return Error(ErrorCode::Invalid,
               fmt::format("mode: expected as_known or latest_event, found '{}'{}", mode,
                           suggestion(mode, modes)));
}

Result<std::optional<Duration>> read_duration(const Json& json, std::string_view member) {
  const std::string text = TRY(optional_text(json, member));
  if (text.empty()) return std::optional<Duration>();
  return std::optional(TRY_DOING(member, parse_duration(text)));
}

/// The elements of a list, each read alone.
template <typename T>
std::vector<T> read_elements(const Json& json, std::string_view member,
                             Result<T> (*read)(const Json&), Mistakes& mistakes) {
  std::vector<T> list;
  Mistakes of_the_list = mistakes.of(member);
  for (const Json& element : mistakes.value(elements(json, member)))
    list.push_back(of_the_list.value(read(element)));
  return list;
}

FeatureView read_view(const Json& json, Mistakes& mistakes) {
  FeatureView view;
  if (!only_members(json,
                    {"name", "entities", "source", "timestamp_field", "created_timestamp_column",
                     "deleted_column", "ttl", "mode", "features", "description"},
                    mistakes))
    return view;
  view.name = mistakes.value(required_text(json, "name"));
  view.entities = mistakes.value(required_texts(json, "entities"));
  view.source = mistakes.value(required_text(json, "source"));
  view.timestamp_field = mistakes.value(optional_text(json, "timestamp_field"));
  view.created_timestamp_column = mistakes.value(optional_text(json, "created_timestamp_column"));
  view.deleted_column = mistakes.value(optional_text(json, "deleted_column"));
  view.ttl = mistakes.value(read_duration(json, "ttl"));
  // Feast writes "no limit" as a ttl of nothing.
  if (view.ttl && view.ttl->count() == 0) view.ttl.reset();
  view.mode = mistakes.value(read_mode(json));
  view.features = read_elements(json, "features", read_feature, mistakes);
  if (mistakes.none() && view.features.empty())
    mistakes.note(Error(ErrorCode::Invalid, "the member 'features' is missing or empty"));
  if (mistakes.none() && view.timestamp_field.empty() &&
      (!view.created_timestamp_column.empty() || view.ttl || !view.deleted_column.empty()))
    mistakes.note(Error(ErrorCode::Invalid,
                        "created_timestamp_column, deleted_column and ttl need a timestamp_field"));
  return view;
}

constexpr std::string_view kKnownAt =
    "the moment from which the value was known, a column of the labels such as the scoring time, "
    "or SQL over their columns";

Result<KnownColumn> read_known_column(const Json& json) {
  if (!json.is_object())
    return Error(
        ErrorCode::Invalid,
        fmt::format("expected {{name: {}, known_at: ...}}, {}; found {}",
                    json.is_string() ? json.as_string() : "...", kKnownAt, json.type_name()));
  TRY(only_members(json, {"name", "known_at", "description"}));
  KnownColumn column;
  column.name = TRY(required_text(json, "name"));
  if (json["known_at"].is_null())
    return Error(ErrorCode::Invalid, fmt::format("the member 'known_at' is missing: {}", kKnownAt));
  column.known_at = TRY(required_text(json, "known_at"));
  return column;
}

/// "view:feature", or {"feature": "view:feature", "as": alias, "on": {join key: label column}}.
Result<FeatureReference> read_reference(const Json& json) {
  std::string text;
  FeatureReference reference;
  if (json.is_string()) {
    text = json.as_string();
  } else {
    TRY(only_members(json, {"feature", "as", "on"}));
    text = TRY(required_text(json, "feature"));
    reference.alias = TRY(optional_text(json, "as"));
    const Json& on = json["on"];
    if (!on.is_null() && !on.is_object())
      return Error(ErrorCode::Invalid, "on: expected {join key: column of the labels}");
    if (on.is_object())
      for (const auto& [key, column] : on.as_object())
        reference.on.emplace_back(key, TRY_DOING("on", required_text(on, key)));
  }
  const auto colon = text.find(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == text.size())
    return Error(ErrorCode::Invalid,
                 fmt::format("'{}' is no feature; write it as view:feature", text));
  reference.view = text.substr(0, colon);
  reference.feature = text.substr(colon + 1);
  if (reference.alias.empty()) reference.alias = reference.feature;
  return reference;
}

TrainingSet read_training_set(const Json& json, Mistakes& mistakes) {
  TrainingSet set;
  if (!only_members(json,
                    {"name", "labels", "key", "timestamp", "label", "split", "request_columns",
                     "entity_columns", "features", "embargo", "description"},
                    mistakes))
    return set;
  set.name = mistakes.value(required_text(json, "name"));
  set.labels = mistakes.value(required_text(json, "labels"));
  set.key = mistakes.value(required_texts(json, "key"));
  set.timestamp = mistakes.value(required_text(json, "timestamp"));
  set.label = mistakes.value(optional_text(json, "label"));
  set.split = mistakes.value(optional_text(json, "split"));
  set.request_columns = read_elements(json, "request_columns", read_known_column, mistakes);
  set.entity_columns = read_elements(json, "entity_columns", read_known_column, mistakes);
  set.features = read_elements(json, "features", read_reference, mistakes);
  set.embargo = mistakes.value(read_duration(json, "embargo")).value_or(Duration(0));
  return set;
}

/// Reads every element of the list `member` and says which one is at fault; keeps those that are
/// whole, so that nothing is said about what another one lacks.
template <typename Read, typename List>
void read_all(const Json& document, std::string_view member, Read read, List& list,
              std::vector<Error>& errors) {
  const Result<std::vector<Json>> items = elements(document, member);
  if (!items.ok()) return errors.push_back(items.error());
  for (std::size_t i = 0; i < items->size(); ++i) {
    const Json& item = (*items)[i];
    const std::string name = item.string_or("name", "without a name");
    Mistakes mistakes(fmt::format("{} {} ({})", member, i + 1, name), errors);
    auto definition = read(item, mistakes);
    if (mistakes.none()) list.push_back(std::move(definition));
  }
}

template <typename Named>
void refuse_twins(std::string_view kind, const std::vector<Named>& things,
                  std::vector<Error>& errors) {
  std::set<std::string> seen;
  for (const Named& thing : things)
    if (!seen.insert(thing.name).second)
      errors.emplace_back(ErrorCode::Invalid,
                          fmt::format("{} '{}' is defined twice; rename one", kind, thing.name));
}

void resolve_view(FeatureView& view, const std::vector<Entity>& entities, Mistakes mistakes) {
  view.join_keys.clear();
  for (const std::string& name : view.entities) {
    const auto found = std::ranges::find(entities, name, &Entity::name);
    if (found != entities.end())
      view.join_keys.insert(view.join_keys.end(), found->join_keys.begin(), found->join_keys.end());
    else
      mistakes.note(Error(ErrorCode::NotFound, fmt::format("no entity '{}'{}", name,
                                                           suggestion(name, names_of(entities)))));
  }
  std::vector<Error> twins;
  refuse_twins("feature", view.features, twins);
  for (Error& twin : twins) mistakes.note(std::move(twin));
}

Status resolve_reference(const FeatureReference& reference, const std::vector<FeatureView>& views) {
  const auto view = std::find_if(views.begin(), views.end(), [&](const FeatureView& candidate) {
    return candidate.name == reference.view;
  });
  if (view == views.end())
    return Error(ErrorCode::NotFound, fmt::format("no feature view '{}'{}", reference.view,
                                                  suggestion(reference.view, names_of(views))));
  const auto names = names_of(view->features);
  if (std::find(names.begin(), names.end(), reference.feature) == names.end())
    return Error(ErrorCode::NotFound,
                 fmt::format("the view {} has no feature '{}'{}{}", view->name, reference.feature,
                             suggestion(reference.feature, names),
                             nearest_word(reference.feature, names)
                                 ? " If it is the view that misspells it, mend it there"
                                 : ""));
  for (const auto& [key, column] : reference.on)
    if (std::find(view->join_keys.begin(), view->join_keys.end(), key) == view->join_keys.end())
      return Error(ErrorCode::NotFound,
                   fmt::format("the view {} has no join key '{}'{}", view->name, key,
                               suggestion(key, view->join_keys)));
  return {};
}

bool holds(const std::vector<std::string>& names, std::string_view name) {
  return std::ranges::any_of(names,
                             [&](const std::string& one) { return same_ignoring_case(one, name); });
}

/// What is taken from the label row may not be its outcome, however it is spelt.
Status refuse_label(const TrainingSet& set, std::string_view name, std::string_view as) {
  if (set.label.empty() || !same_ignoring_case(name, set.label)) return {};
  return Error(
      ErrorCode::Invalid,
      fmt::format("{} '{}' is the label, which nobody knows at the scoring time", as, name));
}

void resolve_known_columns(const TrainingSet& set, const std::vector<std::string>& joined,
                           Mistakes& mistakes) {
  std::vector<std::string> seen;
  const auto once = [&](const KnownColumn& column) {
    if (holds(seen, column.name))
      mistakes.note(Error(ErrorCode::Invalid,
                          fmt::format("the column '{}' is declared twice among request_columns and "
                                      "entity_columns; a request column may be joined by as well",
                                      column.name)));
    seen.push_back(column.name);
  };
  for (const std::string& name : joined)
    mistakes.note(refuse_label(set, name, "the column to join by"));
  for (const KnownColumn& column : set.request_columns) {
    mistakes.note(refuse_label(set, column.name, "the request column"));
    once(column);
  }
  for (const KnownColumn& column : set.entity_columns) {
    once(column);
    if (!holds(joined, column.name))
      mistakes.note(
          Error(ErrorCode::NotFound, fmt::format("no feature is joined by the entity column '{}'{}",
                                                 column.name, suggestion(column.name, joined))));
  }
}

/// Names of columns are unique without regard to case; a joined column and the key may be one.
void refuse_twin_columns(const TrainingSet& set, std::vector<std::string> taken,
                         Mistakes& mistakes) {
  taken.insert(taken.end(), set.key.begin(), set.key.end());
  for (const std::string* name : {&set.timestamp, &set.label, &set.split})
    if (!name->empty()) taken.push_back(*name);
  for (const KnownColumn& column : set.request_columns) taken.push_back(column.name);
  for (const FeatureReference& reference : set.features) {
    if (holds(taken, reference.alias))
      mistakes.note(Error(ErrorCode::Invalid,
                          fmt::format("feature {}:{}: there is a column '{}' already; name it "
                                      "otherwise with 'as'",
                                      reference.view, reference.feature, reference.alias)));
    taken.push_back(reference.alias);
  }
}

void resolve_set(const TrainingSet& set, const std::vector<FeatureView>& views, Mistakes mistakes) {
  for (const FeatureReference& reference : set.features)
    mistakes.of(fmt::format("feature {}:{}", reference.view, reference.feature))
        .note(resolve_reference(reference, views));
  if (!mistakes.none()) return;  // what is joined by is not known
  const std::vector<std::string> joined = joined_columns(set, views);
  resolve_known_columns(set, joined, mistakes);
  refuse_twin_columns(set, joined, mistakes);
}

}  // namespace

void read_definitions(const Json& document, Definitions& definitions, std::vector<Error>& errors) {
  const Status known =
      only_members(document, {"entities", "feature_views", "training_sets", "version"});
  if (!known.ok()) errors.push_back(known.error());
  read_all(document, "entities", read_entity, definitions.entities, errors);
  read_all(document, "feature_views", read_view, definitions.views, errors);
  read_all(document, "training_sets", read_training_set, definitions.training_sets, errors);
}

void resolve(Definitions& definitions, std::vector<Error>& errors) {
  const std::size_t before = errors.size();
  refuse_twins("entity", definitions.entities, errors);
  refuse_twins("feature view", definitions.views, errors);
  refuse_twins("training set", definitions.training_sets, errors);
  if (errors.size() > before) return;  // which one is meant is not known
  for (FeatureView& view : definitions.views)
    resolve_view(view, definitions.entities, {"feature view " + view.name, errors});
  for (const TrainingSet& set : definitions.training_sets)
    resolve_set(set, definitions.views, {"training set " + set.name, errors});
}

std::vector<std::string> joined_columns(const TrainingSet& set,
                                        std::span<const FeatureView> views) {
  std::vector<std::string> columns;
  for (const FeatureReference& reference : set.features)
    for (const std::string& key : view_named(reference.view, views).join_keys) {
      const auto mapped = std::find_if(reference.on.begin(), reference.on.end(),
                                       [&](const auto& pair) { return pair.first == key; });
      const std::string& column = mapped == reference.on.end() ? key : mapped->second;
      if (std::find(columns.begin(), columns.end(), column) == columns.end())
        columns.push_back(column);
    }
  return columns;
}

std::vector<std::string> undeclared_joined_columns(const TrainingSet& set,
                                                   std::span<const FeatureView> views) {
  std::vector<std::string> columns = joined_columns(set, views);
  std::erase_if(columns, [&](const std::string& name) {
    const auto is_it = [&](const KnownColumn& column) {
      return same_ignoring_case(column.name, name);
    };
    return std::ranges::any_of(set.request_columns, is_it) ||
           std::ranges::any_of(set.entity_columns, is_it);
  });
  return columns;
}

const FeatureView& view_named(std::string_view name, std::span<const FeatureView> views) {
  const auto found = std::find_if(views.begin(), views.end(),
                                  [&](const FeatureView& view) { return view.name == name; });
  INVARIANT(found != views.end(), "the definitions are resolved before they are used");
  return *found;
}

}  // namespace millrace::features
