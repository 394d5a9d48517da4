#include "quality/vocabulary.h"

#include <algorithm>

namespace millrace::quality {
namespace {

const Argument kColumn = {"column", ArgumentKind::Text, true};

std::vector<Argument> with_bounds(std::vector<Argument> arguments, ArgumentKind kind) {
  arguments.push_back({"min_value", kind});
  arguments.push_back({"max_value", kind});
  arguments.push_back({"strict_min", ArgumentKind::Flag});
  arguments.push_back({"strict_max", ArgumentKind::Flag});
  return arguments;
}

/// An expectation about each value of `column`.
template <typename Rule>
Word map_word(std::string_view name, std::vector<Argument> arguments, Rule rule) {
  arguments.insert(arguments.begin(), kColumn);
  return {name, std::move(arguments), true, [rule](const Arguments& given) -> Check {
            return ColumnValues{given.text("column"), rule(given)};
          }};
}

Word statistic_word(std::string_view name, ArgumentKind bound, Statistic statistic) {
  return {name, with_bounds({kColumn}, bound), false, [statistic](const Arguments& given) -> Check {
            return ColumnStatistic{given.text("column"), statistic, given.bounds()};
          }};
}

Word distinct_word(std::string_view name, DistinctValues::Relation relation) {
  return {name,
          {kColumn, {"value_set", ArgumentKind::Values, true}},
          false,
          [relation](const Arguments& given) -> Check {
            return DistinctValues{given.text("column"), given.values("value_set"), relation};
          }};
}

Word pair_word(std::string_view name, bool ordered) {
  std::vector<Argument> arguments = {{"column_A", ArgumentKind::Text, true},
                                     {"column_B", ArgumentKind::Text, true},
                                     {"ignore_row_if", ArgumentKind::IgnoreRow}};
  if (ordered) arguments.push_back({"or_equal", ArgumentKind::Flag});
  return {name, std::move(arguments), true, [ordered](const Arguments& given) -> Check {
            const Comparison comparison = !ordered ? Comparison::Equal
                                          : given.flag("or_equal", false)
                                              ? Comparison::GreaterOrEqual
                                              : Comparison::Greater;
            return ColumnPair{given.text("column_A"), given.text("column_B"), comparison,
                              given.ignore()};
          }};
}

Word like_word(std::string_view name, bool list, bool wanted) {
  const std::string_view argument = list ? "like_pattern_list" : "like_pattern";
  std::vector<Argument> arguments = {
      {argument, list ? ArgumentKind::Names : ArgumentKind::Text, true}};
  if (list) arguments.push_back({"match_on", ArgumentKind::AnyOrAll});
  return map_word(name, std::move(arguments), [=](const Arguments& given) -> ValueRule {
    if (!list) return Like{{given.text(argument)}, true, wanted};
    return Like{given.names(argument), given.text("match_on") != "all", wanted};
  });
}

void add_table_words(std::vector<Word>& words) {
  words.push_back({"expect_column_to_exist",
                   {kColumn, {"column_index", ArgumentKind::WholeNumber}},
                   false,
                   [](const Arguments& given) -> Check {
                     ColumnExists check{given.text("column"), {}};
                     if (given.given("column_index")) check.index = given.integer("column_index");
                     return check;
                   }});
  words.push_back({"expect_table_column_count_to_be_between",
                   with_bounds({}, ArgumentKind::CountBound), false,
                   [](const Arguments& given) -> Check { return ColumnCount{given.bounds()}; }});
  words.push_back(
      {"expect_table_column_count_to_equal",
       {{"value", ArgumentKind::CountBound, true}},
       false,
       [](const Arguments& given) -> Check { return ColumnCount{given.exactly("value")}; }});
  words.push_back(
      {"expect_table_columns_to_match_ordered_list",
       {{"column_list", ArgumentKind::Names, true}},
       false,
       [](const Arguments& given) -> Check { return ColumnsInOrder{given.names("column_list")}; }});
  words.push_back({"expect_table_columns_to_match_set",
                   {{"column_set", ArgumentKind::Names}, {"exact_match", ArgumentKind::Flag}},
                   false,
                   [](const Arguments& given) -> Check {
                     ColumnsAsSet check;
                     if (given.given("column_set")) check.columns = given.names("column_set");
                     check.exact = given.flag("exact_match", true);
                     return check;
                   }});
  words.push_back({"expect_table_row_count_to_be_between",
                   with_bounds({}, ArgumentKind::CountBound), false,
                   [](const Arguments& given) -> Check { return RowCount{given.bounds()}; }});
  words.push_back(
      {"expect_table_row_count_to_equal",
       {{"value", ArgumentKind::CountBound, true}},
       false,
       [](const Arguments& given) -> Check { return RowCount{given.exactly("value")}; }});
}

void add_type_words(std::vector<Word>& words) {
  words.push_back({"expect_column_values_to_be_of_type",
                   {kColumn, {"type_", ArgumentKind::TypeName, true}},
                   false,
                   [](const Arguments& given) -> Check {
                     return ColumnType{given.text("column"), {given.text("type_")}};
                   }});
  words.push_back({"expect_column_values_to_be_in_type_list",
                   {kColumn, {"type_list", ArgumentKind::TypeNames}},
                   false,
                   [](const Arguments& given) -> Check {
                     return ColumnType{given.text("column"), given.names("type_list")};
                   }});
}

void add_value_words(std::vector<Word>& words) {
  words.push_back(map_word("expect_column_values_to_not_be_null", {},
                           [](const Arguments&) -> ValueRule { return NotNull{}; }));
  words.push_back(map_word("expect_column_values_to_be_null", {},
                           [](const Arguments&) -> ValueRule { return IsNull{}; }));
  words.push_back(
      map_word("expect_column_values_to_be_between", with_bounds({}, ArgumentKind::Bound),
               [](const Arguments& given) -> ValueRule { return Between{given.bounds()}; }));
  words.push_back(map_word(
      "expect_column_value_lengths_to_be_between", with_bounds({}, ArgumentKind::CountBound),
      [](const Arguments& given) -> ValueRule { return LengthBetween{given.bounds()}; }));
  words.push_back(map_word(
      "expect_column_value_lengths_to_equal", {{"value", ArgumentKind::CountBound, true}},
      [](const Arguments& given) -> ValueRule { return LengthBetween{given.exactly("value")}; }));
  for (const bool inside : {true, false})
    words.push_back(map_word(
        inside ? "expect_column_values_to_be_in_set" : "expect_column_values_to_not_be_in_set",
        {{"value_set", ArgumentKind::Values, true}}, [inside](const Arguments& given) -> ValueRule {
          return InSet{given.values("value_set"), inside};
        }));
  for (const bool wanted : {true, false})
    words.push_back(map_word(
        wanted ? "expect_column_values_to_match_regex" : "expect_column_values_to_not_match_regex",
        {{"regex", ArgumentKind::Text, true}}, [wanted](const Arguments& given) -> ValueRule {
          return Matches{given.text("regex"), wanted};
        }));
  words.push_back(like_word("expect_column_values_to_match_like_pattern", false, true));
  words.push_back(like_word("expect_column_values_to_not_match_like_pattern", false, false));
  words.push_back(like_word("expect_column_values_to_match_like_pattern_list", true, true));
}

void add_row_words(std::vector<Word>& words) {
  words.push_back(pair_word("expect_column_pair_values_a_to_be_greater_than_b", true));
  words.push_back(pair_word("expect_column_pair_values_to_be_equal", false));
  words.push_back(
      {"expect_column_values_to_be_unique", {kColumn}, true, [](const Arguments& given) -> Check {
         return Unique{{given.text("column")}, false, IgnoreRow::AnyMissing};
       }});
  words.push_back(
      {"expect_compound_columns_to_be_unique",
       {{"column_list", ArgumentKind::Names, true}, {"ignore_row_if", ArgumentKind::IgnoreRow}},
       true,
       [](const Arguments& given) -> Check {
         return Unique{given.names("column_list"), true, given.ignore()};
       }});
}

void add_statistic_words(std::vector<Word>& words) {
  words.push_back(statistic_word("expect_column_mean_to_be_between", ArgumentKind::NumericBound,
                                 Statistic::Mean));
  words.push_back(
      statistic_word("expect_column_min_to_be_between", ArgumentKind::Bound, Statistic::Minimum));
  words.push_back(
      statistic_word("expect_column_max_to_be_between", ArgumentKind::Bound, Statistic::Maximum));
  words.push_back(statistic_word("expect_column_sum_to_be_between", ArgumentKind::NumericBound,
                                 Statistic::Sum));
  words.push_back(statistic_word("expect_column_median_to_be_between", ArgumentKind::NumericBound,
                                 Statistic::Median));
  words.push_back(statistic_word("expect_column_stdev_to_be_between", ArgumentKind::NumericBound,
                                 Statistic::StandardDeviation));
  words.push_back(statistic_word("expect_column_unique_value_count_to_be_between",
                                 ArgumentKind::CountBound, Statistic::DistinctCount));
  words.push_back(statistic_word("expect_column_proportion_of_unique_values_to_be_between",
                                 ArgumentKind::NumericBound, Statistic::DistinctShare));
  using Relation = DistinctValues::Relation;
  words.push_back(distinct_word("expect_column_distinct_values_to_be_in_set", Relation::Within));
  words.push_back(distinct_word("expect_column_distinct_values_to_equal_set", Relation::Equal));
  words.push_back(
      distinct_word("expect_column_distinct_values_to_contain_set", Relation::Contains));
}

std::vector<Word> make_vocabulary() {
  std::vector<Word> words;
  add_table_words(words);
  add_type_words(words);
  add_value_words(words);
  add_row_words(words);
  add_statistic_words(words);
  std::sort(words.begin(), words.end(),
            [](const Word& a, const Word& b) { return a.name < b.name; });
  return words;
}

}  // namespace

const std::vector<Word>& vocabulary() {
  static const std::vector<Word> words = make_vocabulary();
  return words;
}

const std::vector<std::string>& foreign_words() {
  static const std::vector<std::string> words = {
      "expect_column_kl_divergence_to_be_less_than",
      "expect_column_most_common_value_to_be_in_set",
      "expect_column_pair_values_to_be_in_set",
      "expect_column_proportion_of_non_null_values_to_be_between",
      "expect_column_quantile_values_to_be_between",
      "expect_column_type_to_be",
      "expect_column_value_z_scores_to_be_less_than",
      "expect_column_values_to_be_dateutil_parseable",
      "expect_column_values_to_be_decreasing",
      "expect_column_values_to_be_increasing",
      "expect_column_values_to_be_json_parseable",
      "expect_column_values_to_match_json_schema",
      "expect_column_values_to_match_regex_list",
      "expect_column_values_to_match_strftime_format",
      "expect_column_values_to_not_be_outliers",
      "expect_column_values_to_not_match_like_pattern_list",
      "expect_column_values_to_not_match_regex_list",
      "expect_multicolumn_sum_to_equal",
      "expect_multicolumn_values_to_be_equal",
      "expect_multicolumn_values_to_be_unique",
      "expect_query_results_to_match_comparison",
      "expect_select_column_values_to_be_unique_within_record",
      "expect_table_row_count_to_equal_other_table",
      "unexpected_rows_expectation",
  };
  return words;
}

}  // namespace millrace::quality
