#include "sql/time_travel.h"

#include <algorithm>

#include <fmt/core.h>

#include "base/text.h"
#include "sql/names.h"

namespace millrace::sql {

namespace {

/// The names of WITH queries that can be seen, folded. A name may stand twice.
using Scope = std::vector<std::string>;
/// Takes the tree of a table reference; it may change it.
using Visit = std::function<Status(Json& reference)>;

class TableVisitor {
 public:
  explicit TableVisitor(Visit visit) : visit_(std::move(visit)) {}

  Status walk(Json& tree) {
    if (tree.is_array()) {
      for (Json& element : tree.as_array()) TRY(walk(element));
      return {};
    }
    if (!tree.is_object()) return {};
    std::size_t outer = scope_.size();
    std::string type = tree.string_or("type", "");
    if (type == "RECURSIVE_CTE_NODE") scope_.push_back(fold_case(tree.string_or("cte_name", "")));
    TRY(walk_with(tree));
    if (type == "BASE_TABLE" && !is_with_query(tree)) TRY(visit_(tree));
    for (auto& [name, member] : tree.as_object()) {
      if (name != "cte_map") TRY(walk(member));
    }
    scope_.resize(outer);
    return {};
  }

 private:
  /// A WITH query sees those before it, not itself; what follows sees them all.
  Status walk_with(Json& node) {
    Json* map = member(node, "cte_map");
    Json* entries = map == nullptr ? nullptr : member(*map, "map");
    if (entries == nullptr || !entries->is_array()) return {};
    for (Json& entry : entries->as_array()) {
      if (Json* query = member(entry, "value")) TRY(walk(*query));
      scope_.push_back(fold_case(entry.string_or("key", "")));
    }
    return {};
  }

  static Json* member(Json& object, std::string_view name) {
    if (!object.is_object()) return nullptr;
    for (auto& [key, value] : object.as_object()) {
      if (key == name) return &value;
    }
    return nullptr;
  }

  bool is_with_query(const Json& reference) const {
    return reference.string_or("schema_name", "").empty() &&
           reference.string_or("catalog_name", "").empty() &&
           std::ranges::find(scope_, fold_case(reference.string_or("table_name", ""))) !=
               scope_.end();
  }

  Visit visit_;
  Scope scope_;
};

TableUse use_of(const Json& reference) {
  TableUse use;
  use.catalog = reference.string_or("catalog_name", "");
  use.schema = reference.string_or("schema_name", "");
  use.name = reference.string_or("table_name", "");
  if (const Json& at = reference["at_clause"]; at.is_object()) {
    use.at = AtClause{at.string_or("unit", "") == "TIMESTAMP" ? AtClause::Unit::Timestamp
                                                              : AtClause::Unit::Version,
                      at["expr"]};
  }
  return use;
}

Status check_tree(const Json& tree) {
  if (tree.is_object() && tree["statements"].is_array()) return {};
  return Error(ErrorCode::Invalid,
               fmt::format("expected the syntax tree of a SELECT, found {}", tree.type_name()));
}

/// "raw.clicks.id" means nothing once raw.clicks is another table called clicks.
class Unqualifier {
 public:
  void add(const TableUse& use) {
    if (!use.schema.empty()) uses_.push_back(use);
  }

  void walk(Json& tree) const {
    if (tree.is_array()) {
      for (Json& element : tree.as_array()) walk(element);
    } else if (tree.is_object()) {
      if (tree.string_or("type", "") == "COLUMN_REF") shorten(tree);
      for (auto& [name, member] : tree.as_object()) walk(member);
    }
  }

 private:
  static bool same(const Json& name, const std::string& text) {
    return name.is_string() && fold_case(name.as_string()) == fold_case(text);
  }

  void shorten(Json& reference) const {
    const Json* names = reference.find("column_names");
    if (names == nullptr || !names->is_array()) return;
    const Json::Array& parts = names->as_array();
    for (const TableUse& use : uses_) {
      std::size_t catalog = use.catalog.empty() ? 0 : 1;
      for (std::size_t skip : {std::size_t{0}, catalog}) {
        bool matches = parts.size() > skip + 2 && (skip == 0 || same(parts[0], use.catalog)) &&
                       same(parts[skip], use.schema) && same(parts[skip + 1], use.name);
        if (!matches) continue;
        Json shorter = Json::array();
        for (std::size_t i = skip + 1; i < parts.size(); ++i) shorter.push(parts[i]);
        reference.set("column_names", std::move(shorter));
        return;
      }
    }
  }

  std::vector<TableUse> uses_;
};

}  // namespace

std::string TableUse::text() const {
  std::string text = catalog.empty() ? "" : catalog + ".";
  return text + (schema.empty() ? "" : schema + ".") + name;
}

Result<std::vector<TableUse>> find_tables(const Json& tree) {
  TRY(check_tree(tree));
  std::vector<TableUse> uses;
  Json copy = tree;
  TRY(TableVisitor([&](Json& reference) -> Status {
        uses.push_back(use_of(reference));
        return {};
      }).walk(copy));
  return uses;
}

Status replace_tables(
    Json& tree, const std::function<std::optional<std::string>(const TableUse&)>& replacement) {
  TRY(check_tree(tree));
  Unqualifier unqualifier;
  TRY(TableVisitor([&](Json& reference) -> Status {
        TableUse use = use_of(reference);
        std::optional<std::string> name = replacement(use);
        if (!name) return {};
        TableName table = TRY(parse_table_name(*name));
        if (reference.string_or("alias", "").empty()) {
          reference.set("alias", use.name);
          unqualifier.add(use);
        }
        reference.set("catalog_name", "");
        reference.set("schema_name", table.schema);
        reference.set("table_name", table.name);
        reference.set("at_clause", nullptr);
        return {};
      }).walk(tree));
  unqualifier.walk(tree);
  return {};
}

Json select_expression(const Json& expression) {
  Json node = Json::object({{"type", "SELECT_NODE"},
                            {"modifiers", Json::array()},
                            {"cte_map", Json::object({{"map", Json::array()}})},
                            {"select_list", Json(Json::Array{expression})},
                            {"from_table", Json::object({{"type", "EMPTY"}})},
                            {"aggregate_handling", "STANDARD_HANDLING"}});
  Json statement = Json::object({{"node", std::move(node)}, {"named_param_map", Json::array()}});
  return Json::object({{"error", false}, {"statements", Json(Json::Array{std::move(statement)})}});
}

}  // namespace millrace::sql
