// leak_check: would the training rows look the same, had they been made at their scoring times?
//
//   - id: leak_check
//     kind: leak_check
//     upstream: [training_data]
//     sample: 24
//
// A leak is a verdict, not a failure: the gate of evaluate refuses the model and says why.

#include <algorithm>
#include <span>

#include <fmt/format.h>

#include "base/hash.h"
#include "features/leak_check.h"
#include "tasks/dataset.h"
#include "tasks/each_kind.h"
#include "tasks/references.h"
#include "tasks/run_relations.h"

namespace millrace::tasks {
namespace {

constexpr std::int64_t kDefaultSample = 24;
constexpr std::int64_t kSeed = 1;
constexpr std::size_t kNamed = 5;  // features in the summary

std::vector<std::string> findings_of(const features::LeakReport& verdict) {
  std::vector<std::string> findings;
  for (const features::Leak& leak : verdict.leaks)
    findings.push_back(features::describe(leak, verdict));
  for (const features::RefusedColumn& refused : verdict.refused)
    findings.push_back(
        fmt::format("the column {} may not be used: {}", refused.column, refused.why));
  return findings;
}

/// "7 findings in 24 sampled rows: a, b, c, d, e and 2 more; the first: a differs in ...".
std::string summary_of(const features::LeakReport& verdict,
                       const std::vector<std::string>& findings) {
  if (verdict.passed) return fmt::format("no leak in {} sampled rows", verdict.sampled);
  if (findings.size() == 1)
    return fmt::format("1 finding in {} sampled rows: {}", verdict.sampled, findings.front());
  std::vector<std::string> columns;
  for (const features::Leak& leak : verdict.leaks) columns.push_back(leak.feature);
  for (const features::RefusedColumn& refused : verdict.refused) columns.push_back(refused.column);
  const auto named = std::span(columns).first(std::min(columns.size(), kNamed));
  std::string names = fmt::format("{}", fmt::join(named, ", "));
  if (columns.size() > named.size())
    names += fmt::format(" and {} more", columns.size() - named.size());
  return fmt::format("{} findings in {} sampled rows: {}; the first: {}", findings.size(),
                     verdict.sampled, names, findings.front());
}

class LeakCheckTask final : public TaskKind {
 public:
  std::string_view name() const override { return "leak_check"; }

  void check(const TaskSettings& settings, project::Problems& problems) const override {
    SettingsReader fields(settings, problems);
    const std::int64_t sample = fields.integer("sample", kDefaultSample);
    if (sample < 1 || sample > 10'000) fields.problem("sample", "'sample' is 1 to 10000 rows");
    check_upstream(settings, "dataset", "training_data", fields);
    fields.refuse_unknown();
  }

  std::vector<std::string> gives() const override { return {"leaks"}; }

  /// The rows alone do not decide: when a column is said to be known is a matter of the
  /// declarations.
  Result<std::string> content_key(Attempt& attempt) const override {
    const Dataset dataset = TRY(upstream_dataset(attempt));
    const BoundSet bound = TRY(training_set(attempt.project(), dataset.training_set));
    return sha256_hex(attempt.versions() + dataset.content_hash +
                      attempt.request().config.dump_canonical() +
                      declarations(bound).dump_canonical() + std::to_string(kSeed) +
                      TRY(models_key(attempt, bound.models)));
  }

  Result<Json> run(Attempt& attempt) const override {
    const Dataset dataset = TRY(upstream_dataset(attempt));
    const BoundSet bound = TRY(training_set(attempt.project(), dataset.training_set));
    const auto models = TRY(define_models(attempt, bound.models));
    TRY(define_dataset(attempt, dataset, "checked.rows"));
    features::LeakCheck check{
        .bases = {},
        .views = {},
        .set = bound.set,
        .feature_views = bound.views,
        .training = "checked.rows",
        .sample = static_cast<int>(attempt.request().config.integer_or("sample", kDefaultSample)),
        .seed = kSeed};
    for (const std::string& source : transform::sources_of(models))
      check.bases.push_back({source, attempt.project().sources.at(source).available_at});
    for (const auto& model : models) check.views.emplace_back(model.relation, model.select);
    check.progress = [&](std::int64_t done, std::int64_t of) {
      attempt.reporting().progress(static_cast<double>(done) / static_cast<double>(of),
                                   fmt::format("{} of {} scoring times", done, of));
    };
    const features::LeakReport verdict = TRY(features::check_leaks(attempt.session(), check));
    const std::vector<std::string> findings = findings_of(verdict);
    for (const std::string& finding : findings) attempt.reporting().log("leak: " + finding);
    return Json::object({{"leaks", Json(findings)},
                         {"verdict", features::to_json(verdict)},
                         {"summary", summary_of(verdict, findings)}});
  }
};

}  // namespace

const TaskKind& leak_check_kind() {
  static const LeakCheckTask kKind;
  return kKind;
}

}  // namespace millrace::tasks
