#include "transform/direct_naming.h"

#include <functional>
#include <set>

#include <fmt/core.h>

#include "base/text.h"

namespace millrace::transform {
namespace {

using Accepts = std::function<bool(const std::string& schema, const std::string& name)>;

/// The first table of the tree that has a word and that `accepts` takes.
std::optional<DirectNaming> first_table(const Json& tree, const TableWords& words,
                                        const Accepts& accepts) {
  if (tree.is_array()) {
    for (const Json& each : tree.as_array())
      if (auto found = first_table(each, words, accepts)) return found;
  }
  if (!tree.is_object()) return std::nullopt;
  if (tree.string_or("type", "") == "BASE_TABLE") {
    const std::string schema = tree.string_or("schema_name", "");
    const std::string name = tree.string_or("table_name", "");
    const std::string table = schema.empty() ? name : schema + "." + name;
    const auto word = words.find(fold_case(table));
    if (word != words.end() && accepts(schema, name))
      return DirectNaming{table, word->second,
                          static_cast<std::size_t>(tree.integer_or("query_location", 0))};
  }
  for (const auto& [name, member] : tree.as_object())
    if (auto found = first_table(member, words, accepts)) return found;
  return std::nullopt;
}

/// query() and query_table(): tables in a text, which nobody can read before the run does.
std::optional<DirectNaming> table_in_a_text(const Json& tree) {
  if (tree.is_array()) {
    for (const Json& each : tree.as_array())
      if (auto found = table_in_a_text(each)) return found;
  }
  if (!tree.is_object()) return std::nullopt;
  if (tree.string_or("type", "") == "TABLE_FUNCTION") {
    const std::string function = fold_case(tree["function"].string_or("function_name", ""));
    if (function == "query" || function == "query_table")
      return DirectNaming{fmt::format("what {}() reads", function),
                          "{{ ref('...') }} or {{ source('...', '...') }}",
                          static_cast<std::size_t>(tree.integer_or("query_location", 0))};
  }
  for (const auto& [name, member] : tree.as_object())
    if (auto found = table_in_a_text(member)) return found;
  return std::nullopt;
}

/// What the model's own words become.
std::set<std::string> relations_of(const SqlModel& model) {
  std::set<std::string> relations;
  for (const auto& ref : model.text.refs()) relations.insert(fold_case("models." + ref.model));
  for (const auto& source : model.text.sources())
    relations.insert(fold_case(source.schema + "." + source.table));
  return relations;
}

}  // namespace

TableWords table_words(const ModelGraph& graph, const std::map<std::string, std::string>& sources) {
  TableWords words;
  for (const SqlModel* model : graph.in_order()) {
    const std::string word = fmt::format("{{{{ ref('{}') }}}}", model->name);
    for (const std::string& table : {model->relation(), model->table(), model->name})
      words.emplace(fold_case(table), word);
  }
  for (const auto& [source, table] : sources) {
    const auto dot = source.find('.');
    const std::string name = source.substr(dot + 1);
    const std::string word =
        fmt::format("{{{{ source('{}', '{}') }}}}", source.substr(0, dot), name);
    for (const std::string& each : {source, table, name}) words.emplace(fold_case(each), word);
  }
  return words;
}

std::optional<DirectNaming> direct_naming(const Json& tree, const SqlModel& model,
                                          const TableWords& words) {
  if (auto found = table_in_a_text(tree)) return found;
  const std::set<std::string> own = relations_of(model);
  return first_table(tree, words, [&](const std::string& schema, const std::string& name) {
    return !schema.empty() && !own.contains(fold_case(schema + "." + name));
  });
}

std::optional<DirectNaming> bare_naming(const Json& tree, const TableWords& words,
                                        const std::string& why) {
  return first_table(tree, words, [&](const std::string& schema, const std::string& name) {
    return schema.empty() &&
           why.find("Table with name " + name + " does not exist") != std::string::npos;
  });
}

}  // namespace millrace::transform
