#pragma once

// Where a mistake stands that another room found in a document of ours.

#include <map>
#include <string>
#include <string_view>

#include "project/yaml.h"

namespace millrace::project {

/// Other rooms read definitions as values without places; but their messages begin with the way to
/// the mistake, and the way is walked again here:
///
///   feature_views 2 (weather): ttl: expected ...   the member ttl of the second of feature_views
///   expectation 3 (expect_...): unknown ...        the third of `expectations`
///   task 'a': retries must be ...                  that member of the one of `tasks` with this id
///   unknown member 'tll' ...                       the key that is named where the way ends,
///   no entity 'plan' ...                           or else the value
///
/// As far as it can be followed; at worst the place of the document.
Place place_of_mistake(const Node& document, std::string_view message);

/// "models/a.sql:3: no such column", of a room that names the place itself, taken apart. `folder` is
/// what such a place begins with: "models/". Without it the message stays whole.
Problem problem_with_place(std::string_view folder, std::string message);

/// Definitions by kind and name: "feature view weather".
using NamedNodes = std::map<std::string, Node>;

/// "feature view weather: no entity ...": the place in that definition; `otherwise` when the message
/// begins with none.
Place place_in_definition(const NamedNodes& definitions, std::string_view message, Place otherwise);

}  // namespace millrace::project
