#pragma once

// A project: the folder that users write, as typed values, checked as a whole.
//
//   millrace.yml             name, targets, vars, programs
//   pipelines/*.yml          Dags
//   models/**/*.sql          SQL models
//   expectations/*.yml|json  suites
//   features/*.yml           entities, feature views, training sets
//   sources/*.yml            what is delivered, where, with which columns
//
// Loading reads every file and goes on after mistakes, so that all of them are known at once, each
// with its place. It runs no station and opens no table; only programs named under `programs:` are
// started, to ask for their Dags.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "features/feature_view.h"
#include "ingest/file_source.h"
#include "project/dag_files.h"
#include "project/mistake_place.h"
#include "project/pipeline.h"
#include "project/yaml.h"
#include "quality/suite.h"
#include "transform/sql_model.h"

namespace millrace::project {

/// Where a project runs: one of `targets:` in millrace.yml. Paths are absolute.
struct Target {
  std::string name = "dev";
  std::string lake;                  // folder of the Delta tables
  std::string metadata;              // SQLite file
  std::string models;                // folder of model artefacts
  int parallelism = 2;               // attempts at once
  int threads = 0;                   // of an attempt's engine; 0: the machine's
  std::uint64_t memory_bytes = 0;    // of an attempt; 0: no limit
  std::map<std::string, int> pools;  // slots by name
  std::string endpoint_host = "127.0.0.1";
  std::uint16_t endpoint_port = 8080;
  std::string default_model;  // answers /invocations; empty: the only one that is in Production
  std::string status_host = "127.0.0.1";
  std::uint16_t status_port = 8793;

  bool operator==(const Target&) const = default;
};

/// A table that someone delivers, and where it is landed.
struct SourceTable {
  std::string name;  // "airline.flights", as source('airline', 'flights')
  ingest::FileSourceSpec files;
  std::string folder;        // where the files are handed over, absolute
  std::string table;         // in the lake: "raw.flights"
  std::string event_time;    // the column whose day (UTC) is the partition, or ""
  std::string available_at;  // the column that says since when a row was there
  double max_bad_share = 0.01;
  bool skip_bad_files = false;
  Place place;
  Node node;  // as it stands in its file
};

struct SuiteFile {
  quality::Suite suite;
  Place place;
  std::optional<Node> node;  // as it stands in its file, where that is known
};

struct Project {
  // Out of line: half of the floor holds one, and how its maps are copied is compiled once.
  Project();
  Project(const Project&);
  Project(Project&&) noexcept;
  Project& operator=(const Project&);
  Project& operator=(Project&&) noexcept;
  ~Project();

  std::string name;
  std::string root;   // absolute
  std::string state;  // root/.millrace: lock, socket, logs, and the embedded defaults
  Target target;
  std::vector<std::string> target_names;
  Json vars = Json::object();
  std::vector<std::string> programs;  // as millrace.yml names them
  DagFiles dag_files;  // when the Dags were read; empty of one program without a project
  std::vector<Pipeline> pipelines;
  std::map<std::string, SourceTable> sources;  // by name
  transform::ModelGraph models;
  std::map<std::string, SuiteFile> suites;
  features::Definitions features;
  NamedNodes definitions;  // those of `features`, as they stand in their files

  const Pipeline* find_pipeline(std::string_view id) const;
  /// The one that is named, or the only one. Errors: NotFound with a suggestion, Invalid when
  /// several are there.
  Result<const Pipeline*> pipeline(const std::string& id) const;
};

/// What loading gave: the project as far as it could be read, and everything that is wrong with it.
struct Loaded {
  Project project;
  Problems problems;
  Problems warnings = {};  // of a project that would run: tasks/check_project.h
};

/// Which files are read beside millrace.yml. What is left out cannot be wrong: an attempt and a verb
/// ask for what they use, so that a file that somebody is writing just now stops nobody else.
struct Parts {
  bool sources = true;
  bool models = true;  // need the sources
  bool suites = true;
  bool features = true;   // need the models
  bool pipelines = true;  // and the programs

  static Parts config() { return {false, false, false, false, false}; }
};

/// Reads the project at `root`. `target` is the name of one, or "" for the default. Errors:
/// NotFound when there is no millrace.yml.
Result<Loaded> load_project(const std::string& root, const std::string& target,
                            const Parts& parts = {});

/// A project that is one pipeline program and nothing else; its state lies in .millrace/ of the
/// working directory. Errors: those of describe_program.
Result<Project> program_project(const std::string& program);

/// The folder with millrace.yml at `start` or above it. Errors: NotFound.
Result<std::string> find_project(const std::string& start);

/// All problems as one Error (Invalid), or the project.
Result<Project> whole(Loaded loaded);

}  // namespace millrace::project
