#include <algorithm>
#include <filesystem>

#include <fmt/core.h>

#include "base/file.h"
#include "base/suggest.h"
#include "orchestration/scheduler.h"
#include "project/config.h"
#include "project/dag_files.h"
#include "project/feature_files.h"
#include "project/mistake_place.h"
#include "project/program.h"
#include "project/project.h"
#include "project/suite_files.h"

namespace millrace::project {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kMostFiles = 20'000;

/// Files below `folder` with one of the endings, sorted, as paths relative to the project. What is
/// there and cannot be read is a problem, not an absence.
std::vector<std::string> files_in(const std::string& root, const std::string& folder,
                                  const std::vector<std::string>& endings, Problems& problems) {
  std::vector<std::string> found;
  std::error_code error;
  const fs::path base = fs::path(root) / folder;
  if (!fs::exists(fs::symlink_status(base, error))) return found;
  fs::recursive_directory_iterator at(base, error);
  for (const fs::recursive_directory_iterator end; !error && at != end; at.increment(error)) {
    const std::string path = at->path().lexically_relative(root).string();
    std::error_code unknown;
    if (at->is_symlink(unknown) && at->is_directory(unknown))
      problems.push_back({{path},
                          "it is a link to a folder, and such links are not followed, so its files "
                          "are not read; put a folder with the files in its place"});
    if (!at->is_regular_file(unknown)) continue;
    const std::string ending = at->path().extension().string();
    if (std::ranges::find(endings, ending) != endings.end()) found.push_back(path);
    if (found.size() > kMostFiles) {
      problems.push_back({{folder}, fmt::format("more than {} files", kMostFiles)});
      break;
    }
  }
  if (error)
    problems.push_back({{folder},
                        fmt::format("its files cannot be read: {}; expected a folder with files",
                                    error.message())});
  std::ranges::sort(found);
  return found;
}

class Loader {
 public:
  Loader(std::string root, std::string target, const Parts& parts)
      : target_(std::move(target)), parts_(parts) {
    loaded_.project.root = std::move(root);
    loaded_.project.state = loaded_.project.root + "/.millrace";
  }

  Loaded load() {
    Project& project = loaded_.project;
    each_yaml("millrace.yml", [&](const Node& node) {
      project.programs = read_config(node, target_, project, problems());
    });
    if (parts_.sources)
      for (const std::string& file : files("sources", {".yml", ".yaml"}))
        each_yaml(file, [&](const Node& node) { read_sources(node, project, problems()); });
    if (parts_.models) load_models();
    if (parts_.suites) load_suites();
    if (parts_.features) load_features();
    if (parts_.pipelines) load_pipelines();
    return std::move(loaded_);
  }

 private:
  Problems& problems() { return loaded_.problems; }

  void load_pipelines() {
    Project& project = loaded_.project;
    project.dag_files = look_at_dag_files(project.root, project.programs);
    for (const std::string& file : files("pipelines", {".yml", ".yaml"}))
      each_yaml(file, [&](const Node& node) {
        add_pipeline(read_pipeline(node, fs::path(file).stem().string(), problems()));
      });
    for (const std::string& program : project.programs) load_program(program);
    for (const Pipeline& pipeline : project.pipelines) check_pools(pipeline);
  }

  /// Asks the scheduler itself, task by task, so that each mistake stands where its task does.
  void check_pools(const Pipeline& pipeline) {
    orchestration::SchedulerOptions options;
    options.pools = loaded_.project.target.pools;
    const orchestration::Scheduler scheduler(options);
    for (const orchestration::TaskSpec& task : pipeline.dag.tasks) {
      orchestration::DagSpec alone;
      alone.id = pipeline.dag.id;
      alone.tasks = {task};
      alone.tasks[0].upstream.clear();
      const auto dag = orchestration::Dag::make(std::move(alone));
      if (!dag.ok()) continue;  // said already
      const Status fits = scheduler.check(**dag);
      if (fits.ok()) continue;
      const auto node = pipeline.task_nodes.find(task.id);
      Place place = pipeline.place;
      if (node != pipeline.task_nodes.end()) {
        const Node* named = node->second.find("pool");
        if (named == nullptr) named = node->second.find("pool_slots");
        place = named != nullptr ? named->place() : node->second.place();
      }
      problems().push_back({place, fits.error().message() +
                                       "; a target of millrace.yml names its pools as "
                                       "'pools: {name: slots}'"});
    }
  }

  std::vector<std::string> files(const std::string& folder,
                                 const std::vector<std::string>& endings) {
    return files_in(loaded_.project.root, folder, endings, problems());
  }

  std::optional<std::string> text_of(const std::string& file) {
    Result<std::string> text = read_file(loaded_.project.root + "/" + file, 16U << 20U);
    if (text.ok()) return *std::move(text);
    problems().push_back({{file}, text.error().message()});
    return std::nullopt;
  }

  template <typename Use>
  void each_yaml(const std::string& file, Use use) {
    const auto text = text_of(file);
    if (!text.has_value()) return;
    const Result<Node> node = parse_yaml(*text, file, problems());
    if (node.ok()) use(*node);
  }

  void load_models() {
    std::vector<transform::SqlModel> models;
    for (const std::string& file : files("models", {".sql"})) {
      auto text = text_of(file);
      if (!text.has_value()) continue;
      auto model = transform::read_sql_model(fs::path(file).stem().string(), file, *text);
      if (model.ok())
        models.push_back(*std::move(model));
      else
        model_problem(model.error(), *text);
    }
    std::set<std::string> sources;
    for (const auto& [name, source] : loaded_.project.sources) sources.insert(name);
    std::vector<Error> errors;
    loaded_.project.models = transform::ModelGraph::make(std::move(models), sources, errors);
    for (const Error& error : errors)
      problems().push_back(problem_with_place("models/", error.message()));
  }

  /// What has no line of its own is wrong in the model's config().
  void model_problem(const Error& error, std::string_view text) {
    Problem problem = problem_with_place("models/", error.message());
    const std::size_t config = text.find("config(");
    if (problem.place.line == 0 && config != std::string_view::npos)
      problem.place.line = static_cast<int>(1 + std::ranges::count(text.substr(0, config), '\n'));
    problems().push_back(std::move(problem));
  }

  void load_suites() {
    Project& project = loaded_.project;
    for (const std::string& file : files("expectations", {".yml", ".yaml"}))
      each_yaml(file, [&](const Node& node) { read_yaml_suite(node, file, project, problems()); });
    for (const std::string& file : files("expectations", {".json"}))
      if (const auto text = text_of(file)) read_json_suite(*text, file, project, problems());
  }

  void load_features() {
    for (const std::string& file : files("features", {".yml", ".yaml"}))
      each_yaml(file, [&](const Node& node) { read_features(node, loaded_.project, problems()); });
    check_features(loaded_.project, problems());
  }

  void load_program(const std::string& program) {
    const fs::path path = fs::path(loaded_.project.root) / program;
    auto spec = describe_program(path.string());
    if (!spec.ok()) {
      problems().push_back(
          {{"millrace.yml"}, fmt::format("the program '{}': {}", program, spec.error().message())});
      return;
    }
    Pipeline pipeline;
    pipeline.dag = *std::move(spec);
    pipeline.place = {program};
    pipeline.program = path.lexically_normal().string();
    add_pipeline(std::move(pipeline));
  }

  void add_pipeline(Pipeline pipeline) {
    if (const Pipeline* other = loaded_.project.find_pipeline(pipeline.dag.id.str()))
      problems().push_back(
          {pipeline.place,
           fmt::format("the Dag '{}' is also in {}", pipeline.dag.id.str(), other->place.str())});
    else
      loaded_.project.pipelines.push_back(std::move(pipeline));
  }

  std::string target_;
  Parts parts_;
  Loaded loaded_;
};

}  // namespace

Project::Project() = default;
Project::Project(const Project&) = default;
Project::Project(Project&&) noexcept = default;
Project& Project::operator=(const Project&) = default;
Project& Project::operator=(Project&&) noexcept = default;
Project::~Project() = default;

const Pipeline* Project::find_pipeline(std::string_view id) const {
  for (const Pipeline& pipeline : pipelines)
    if (pipeline.dag.id.str() == id) return &pipeline;
  return nullptr;
}

Result<const Pipeline*> Project::pipeline(const std::string& id) const {
  std::vector<std::string> ids;
  ids.reserve(pipelines.size());
  for (const Pipeline& each : pipelines) ids.push_back(each.dag.id.str());
  if (id.empty()) {
    if (pipelines.size() == 1) return &pipelines[0];
    return Error(ErrorCode::Invalid,
                 pipelines.empty()
                     ? "this project has no Dag: write one under pipelines/"
                     : "this project has several Dags; name one" + suggestion("", ids));
  }
  if (const Pipeline* found = find_pipeline(id)) return found;
  return Error(ErrorCode::NotFound, fmt::format("there is no Dag '{}'{}", id, suggestion(id, ids)));
}

Result<Project> program_project(const std::string& program) {
  Project project;
  std::error_code error;
  project.root = fs::current_path(error).string();
  Problems problems;
  read_config(*parse_yaml("", "millrace.yml", problems), "", project, problems);
  Pipeline pipeline;
  pipeline.program = fs::absolute(program, error).lexically_normal().string();
  pipeline.dag = TRY(describe_program(pipeline.program));
  pipeline.place = {program};
  project.name = pipeline.dag.id.str();
  // A state of its own: the folder may be that of a project whose server runs.
  project.state = project.root + "/.millrace/programs/" + project.name;
  project.target.metadata = project.state + "/metadata.db";
  project.pipelines.push_back(std::move(pipeline));
  return project;
}

Result<std::string> find_project(const std::string& start) {
  std::error_code error;
  fs::path at = fs::absolute(start, error).lexically_normal();
  for (;; at = at.parent_path()) {
    if (fs::is_regular_file(at / "millrace.yml", error))
      return at.has_filename() ? at.string() : at.parent_path().string();
    if (at == at.parent_path()) break;
  }
  return Error(
      ErrorCode::NotFound,
      fmt::format("there is no millrace.yml in '{}' or above it; go to a project's folder, "
                  "or name it with --project",
                  start));
}

Result<Loaded> load_project(const std::string& root, const std::string& target,
                            const Parts& parts) {
  return Loader(TRY(find_project(root)), target, parts).load();
}

Result<Project> whole(Loaded loaded) {
  if (loaded.problems.empty()) return std::move(loaded.project);
  std::string text;
  for (const Problem& problem : loaded.problems) text += (text.empty() ? "" : "\n") + problem.str();
  return Error(ErrorCode::Invalid, text);
}

}  // namespace millrace::project
