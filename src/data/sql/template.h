#pragma once

// SQL and settings with dbt's template words.
//
//   {{ ref('labels') }}                 a SQL model of this project
//   {{ source('airline', 'flights') }}  a declared source
//   {{ var('score_at') }}               a variable; {{ var('days', 30) }} with a default
//   {{ config(materialized='table', partition_by=['day']) }}
//   {# a comment #}
//
// with "{{-" and "-}}" taking away the whitespace beside them. That is all for now: any other
// expression, filter or statement is refused by name with its place, so that the full engine that
// comes later takes today's files unchanged.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace millrace::sql {

/// Where something stands in a template; both count from 1.
struct TextPlace {
  int line = 1;
  int column = 1;
};

class Template {
 public:
  struct Ref {
    std::string model;
    TextPlace place;
  };
  struct Source {
    std::string schema;
    std::string table;
    TextPlace place;
  };
  struct Var {
    std::string name;
    std::optional<Json> fallback;
    TextPlace place;
  };

  /// What each word becomes. An Error is returned from render with the word's place before it.
  struct Resolver {
    std::function<Result<std::string>(const Ref&)> ref;
    std::function<Result<std::string>(const Source&)> source;
    /// Nothing: the variable is not set.
    std::function<Result<std::optional<Json>>(const Var&)> var;
  };

  /// `file` is the name for messages. Errors: Invalid with file:line:column; Unsupported, likewise,
  /// for what Jinja knows and we do not. At most 1 MiB.
  static Result<Template> parse(std::string text, std::string file);

  const std::string& file() const { return file_; }
  std::vector<Ref> refs() const;
  std::vector<Source> sources() const;
  std::vector<Var> vars() const;
  /// The arguments of config(), {} when there is none. It stands at most once.
  const Json& config() const { return config_; }
  /// Whether there is any word at all.
  bool is_plain() const;

  /// The text with every word replaced. A variable's text stands as it is (no quotes are added), a
  /// number as in JSON, a boolean as True or False, as dbt writes them. Errors: NotFound for a
  /// variable that is not set and has no default; Unsupported for a list, a mapping and none, which
  /// dbt writes as Python does; what the resolver says.
  Result<std::string> render(const Resolver& resolver) const;

 private:
  friend class TemplateParser;
  using Piece = std::variant<std::string, Ref, Source, Var>;
  std::string file_;
  std::vector<Piece> pieces_;
  Json config_ = Json::object();
};

/// Renders a setting such as "training_{{ var('score_at') }}": only var() is known there.
Result<std::string> render_setting(
    std::string_view text, const std::string& where,
    const std::function<std::optional<Json>(const std::string&)>& var);

}  // namespace millrace::sql
