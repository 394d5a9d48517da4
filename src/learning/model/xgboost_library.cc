#include "model/xgboost_library.h"

#include <array>
#include <charconv>
#include <climits>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <mutex>

#include <dlfcn.h>
#include <fmt/core.h>
#include <unistd.h>

#include "model/booster_format.h"

namespace millrace::model {

namespace {

constexpr const char* kPredictConfig =
    R"({"type":0,"training":false,"iteration_begin":0,"iteration_end":0,)"
    R"("strict_shape":false,"missing":NaN,"cache_id":0})";

using Handle = void*;
using Size = std::uint64_t;

/// The functions that we use. Each returns 0, or -1 and leaves its story in XGBGetLastError.
struct Api {
  void (*version)(int* major, int* minor, int* patch);
  const char* (*last_error)();
  int (*register_log)(void (*callback)(const char*));
  int (*matrix_from_dense)(const char* array, const char* config, Handle* out);
  int (*matrix_free)(Handle);
  int (*matrix_set_info)(Handle, const char* field, const char* array);
  int (*matrix_set_features)(Handle, const char* field, const char** values, Size count);
  int (*booster_create)(const Handle* matrices, Size count, Handle* out);
  int (*booster_free)(Handle);
  int (*booster_set_parameter)(Handle, const char* name, const char* value);
  int (*booster_set_attribute)(Handle, const char* name, const char* value);
  int (*booster_set_features)(Handle, const char* field, const char** values, Size count);
  int (*booster_get_features)(Handle, const char* field, Size* count, const char*** values);
  int (*booster_update)(Handle, int round, Handle training);
  int (*booster_evaluate)(Handle, int round, Handle* matrices, const char** names, Size count,
                          const char** out);
  int (*booster_slice)(Handle, int begin, int end, int step, Handle* out);
  int (*booster_rounds)(Handle, int* out);
  int (*booster_feature_count)(Handle, Size* out);
  int (*booster_save)(Handle, const char* config, Size* length, const char** out);
  int (*booster_load)(Handle, const void* bytes, Size length);
  int (*booster_predict_dense)(Handle, const char* array, const char* config, Handle proxy,
                               const Size** shape, Size* dimensions, const float** out);
};

std::vector<std::string> candidate_paths() {
  if (const char* chosen = std::getenv("MILLRACE_XGBOOST"); chosen != nullptr && *chosen != '\0') {
    return {chosen};
  }
  std::vector<std::string> paths;
  std::error_code ignored;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", ignored);
  if (!self.empty()) {
    paths.push_back((self.parent_path().parent_path() / "lib/millrace/libxgboost.so").string());
  }
  paths.emplace_back(MILLRACE_XGBOOST_BUILT);
  return paths;
}

Result<void*> open_library() {
  // Its OpenMP threads wait asleep for each other, and not in a loop: where the machine has other work, a spinning one
  // takes the time of the one that it waits for. libgomp looks at this when it is loaded; a user's own value stays.
  ::setenv("OMP_WAIT_POLICY", "passive", 0);
  std::string tried;
  for (const std::string& path : candidate_paths()) {
    if (void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
    const char* reason = dlerror();
    tried += fmt::format("\n  {}", reason != nullptr ? reason : path);
  }
  return Error(ErrorCode::Unavailable,
               "cannot load libxgboost; run scripts/setup, or set MILLRACE_XGBOOST to the "
               "libxgboost.so of the PyPI package xgboost-cpu 3.2.0. Tried:" +
                   tried);
}

template <typename Function>
Status resolve(void* library, const char* name, Function*& out) {
  void* symbol = dlsym(library, name);
  if (symbol == nullptr) {
    return Error(ErrorCode::Unsupported,
                 fmt::format("libxgboost has no function {}; use XGBoost 3.2.0", name));
  }
  out = reinterpret_cast<Function*>(symbol);
  return {};
}

Status resolve_matrix_functions(void* library, Api& api) {
  TRY(resolve(library, "XGDMatrixCreateFromDense", api.matrix_from_dense));
  TRY(resolve(library, "XGDMatrixFree", api.matrix_free));
  TRY(resolve(library, "XGDMatrixSetInfoFromInterface", api.matrix_set_info));
  return resolve(library, "XGDMatrixSetStrFeatureInfo", api.matrix_set_features);
}

Status resolve_booster_functions(void* library, Api& api) {
  TRY(resolve(library, "XGBoosterCreate", api.booster_create));
  TRY(resolve(library, "XGBoosterFree", api.booster_free));
  TRY(resolve(library, "XGBoosterSetParam", api.booster_set_parameter));
  TRY(resolve(library, "XGBoosterSetAttr", api.booster_set_attribute));
  TRY(resolve(library, "XGBoosterSetStrFeatureInfo", api.booster_set_features));
  TRY(resolve(library, "XGBoosterGetStrFeatureInfo", api.booster_get_features));
  TRY(resolve(library, "XGBoosterUpdateOneIter", api.booster_update));
  TRY(resolve(library, "XGBoosterEvalOneIter", api.booster_evaluate));
  TRY(resolve(library, "XGBoosterSlice", api.booster_slice));
  TRY(resolve(library, "XGBoosterBoostedRounds", api.booster_rounds));
  TRY(resolve(library, "XGBoosterGetNumFeature", api.booster_feature_count));
  TRY(resolve(library, "XGBoosterSaveModelToBuffer", api.booster_save));
  TRY(resolve(library, "XGBoosterLoadModelFromBuffer", api.booster_load));
  return resolve(library, "XGBoosterPredictFromDense", api.booster_predict_dense);
}

Result<Api> load_api() {
  void* library = TRY(open_library());  // stays open: its threads may outlive every booster
  Api api{};
  TRY(resolve(library, "XGBoostVersion", api.version));
  TRY(resolve(library, "XGBGetLastError", api.last_error));
  TRY(resolve(library, "XGBRegisterLogCallback", api.register_log));
  int major = 0;
  int minor = 0;
  int patch = 0;
  api.version(&major, &minor, &patch);
  if (major != 3) {
    return Error(ErrorCode::Unsupported,
                 fmt::format("libxgboost is version {}.{}.{}; 3.0 up to 4 is needed, 3.2.0 is what "
                             "scripts/setup installs",
                             major, minor, patch));
  }
  TRY(resolve_matrix_functions(library, api));
  TRY(resolve_booster_functions(library, api));
  return api;
}

void silent(const char*) {}

/// The functions, loaded by the first call that succeeds. The log callback is per thread in
/// libxgboost, so each thread sets it once.
Result<const Api*> api() {
  static std::mutex mutex;
  static std::optional<Api> loaded;
  thread_local bool silenced = false;
  const Api* found = nullptr;
  {
    const std::lock_guard lock(mutex);
    if (!loaded) loaded = TRY(load_api());
    found = &*loaded;
  }
  if (!silenced) {
    found->register_log(silent);
    silenced = true;
  }
  return found;
}

Status check(const Api& xgboost, int returned, ErrorCode code, std::string_view doing) {
  if (returned == 0) return {};
  const std::string message = plain_xgboost_message(xgboost.last_error());
  if (message.find("bad_alloc") != std::string::npos) code = ErrorCode::Exhausted;
  return Error(code, fmt::format("{}: libxgboost: {}", doing, message));
}

/// NumPy's array interface as text: how libxgboost is lent an array.
std::string array_interface(const float* data, std::size_t rows, std::optional<std::size_t> width) {
  const std::string shape = width ? fmt::format("{},{}", rows, *width) : std::to_string(rows);
  return fmt::format(R"({{"data":[{},true],"shape":[{}],"typestr":"<f4","version":3}})",
                     reinterpret_cast<std::uintptr_t>(data), shape);
}

using SetFeatures = int (*)(Handle, const char*, const char**, Size);

Status write_features(const Api& xgboost, Handle handle, SetFeatures set,
                      const std::vector<Feature>& features) {
  std::vector<const char*> names;
  std::vector<const char*> types;
  for (const Feature& feature : features) {
    names.push_back(feature.name.c_str());
    types.push_back(feature.kind == FeatureKind::Category ? "c" : "float");
  }
  TRY(check(xgboost, set(handle, "feature_name", names.data(), names.size()), ErrorCode::Invalid,
            "naming features"));
  return check(xgboost, set(handle, "feature_type", types.data(), types.size()), ErrorCode::Invalid,
               "typing features");
}

}  // namespace

std::string plain_xgboost_message(std::string_view message) {
  const std::size_t trace = message.find("Stack trace:");
  if (trace != std::string_view::npos) message = message.substr(0, trace);
  // "[12:00:00] /src/file.cc:12: what happened"
  if (message.starts_with('[')) {
    const std::size_t source_end = message.find(": ");
    if (source_end != std::string_view::npos) message.remove_prefix(source_end + 2);
  }
  std::string plain;
  for (const char c : message) plain += c == '\n' ? ' ' : c;
  const std::size_t end = plain.find_last_not_of(' ');
  plain.resize(end == std::string::npos ? 0 : end + 1);
  return plain;
}

Result<std::string> xgboost_version() {
  const Api* xgboost = TRY(api());
  int major = 0;
  int minor = 0;
  int patch = 0;
  xgboost->version(&major, &minor, &patch);
  return fmt::format("{}.{}.{}", major, minor, patch);
}

// A handle exists only where api() has succeeded before, so the frees cannot fail.
void TrainingMatrix::Free::operator()(void* handle) const {
  (*api())->matrix_free(handle);
}
void Booster::Free::operator()(void* handle) const {
  (*api())->booster_free(handle);
}

Result<TrainingMatrix> TrainingMatrix::make(std::span<const float> values,
                                            std::span<const float> labels,
                                            const std::vector<Feature>& features, int threads) {
  if (features.empty() || labels.empty() || values.size() != labels.size() * features.size()) {
    return Error(ErrorCode::Invalid,
                 fmt::format("{} values are not {} rows (one per label) of {} features",
                             values.size(), labels.size(), features.size()));
  }
  const Api* xgboost = TRY(api());
  const std::string config = fmt::format(R"({{"missing": NaN, "nthread": {}}})", threads);
  Handle handle = nullptr;
  TRY(check(*xgboost,
            xgboost->matrix_from_dense(
                array_interface(values.data(), labels.size(), features.size()).c_str(),
                config.c_str(), &handle),
            ErrorCode::Invalid, "taking rows"));
  TrainingMatrix matrix(handle);
  TRY(check(
      *xgboost,
      xgboost->matrix_set_info(handle, "label",
                               array_interface(labels.data(), labels.size(), std::nullopt).c_str()),
      ErrorCode::Invalid, "taking labels"));
  TRY(write_features(*xgboost, handle, xgboost->matrix_set_features, features));
  return matrix;
}

Result<Booster> Booster::create(const TrainingMatrix& training, const TrainingMatrix* validation) {
  const Api* xgboost = TRY(api());
  std::vector<Handle> matrices = {training.handle_.get()};
  if (validation != nullptr) matrices.push_back(validation->handle_.get());
  Handle handle = nullptr;
  TRY(check(*xgboost, xgboost->booster_create(matrices.data(), matrices.size(), &handle),
            ErrorCode::Internal, "making a booster"));
  return Booster(handle);
}

Result<Booster> Booster::load(std::string_view ubjson, int threads) {
  const Api* xgboost = TRY(api());
  TRY(summarise_booster(ubjson));  // libxgboost ends the process on some damaged documents
  Handle handle = nullptr;
  TRY(check(*xgboost, xgboost->booster_create(nullptr, 0, &handle), ErrorCode::Internal,
            "making a booster"));
  Booster booster(handle);
  // Before it loads too: it would wake a thread for every core of the machine.
  TRY(booster.set_parameter("nthread", std::to_string(threads)));
  TRY(check(*xgboost, xgboost->booster_load(handle, ubjson.data(), ubjson.size()),
            ErrorCode::Corruption, "reading a model"));
  TRY(booster.set_parameter("nthread", std::to_string(threads)));
  return booster;
}

Status Booster::set_parameter(const std::string& name, const std::string& value) {
  const Api* xgboost = TRY(api());
  return check(*xgboost, xgboost->booster_set_parameter(handle_.get(), name.c_str(), value.c_str()),
               ErrorCode::Invalid, "setting " + name);
}

Status Booster::set_attribute(const std::string& name, const std::string& value) {
  const Api* xgboost = TRY(api());
  return check(*xgboost, xgboost->booster_set_attribute(handle_.get(), name.c_str(), value.c_str()),
               ErrorCode::Invalid, "setting attribute " + name);
}

Status Booster::set_features(const std::vector<Feature>& features) {
  const Api* xgboost = TRY(api());
  return write_features(*xgboost, handle_.get(), xgboost->booster_set_features, features);
}

Status Booster::update(int round, const TrainingMatrix& training) {
  const Api* xgboost = TRY(api());
  return check(*xgboost, xgboost->booster_update(handle_.get(), round, training.handle_.get()),
               ErrorCode::Invalid, fmt::format("training round {}", round));
}

Result<double> Booster::evaluate(int round, const TrainingMatrix& rows) {
  const Api* xgboost = TRY(api());
  Handle matrix = rows.handle_.get();
  const char* name = "rows";
  const char* text = nullptr;
  TRY(check(*xgboost, xgboost->booster_evaluate(handle_.get(), round, &matrix, &name, 1, &text),
            ErrorCode::Invalid, fmt::format("evaluating round {}", round)));
  const std::string_view line(text);  // "[0]\trows-auc:0.75"
  const std::string_view number = line.substr(line.rfind(':') + 1);
  double value = 0;
  const auto parsed = std::from_chars(number.data(), number.data() + number.size(), value);
  if (parsed.ec != std::errc()) {
    return Error(ErrorCode::Internal, fmt::format("libxgboost gave no metric in '{}'", line));
  }
  return value;
}

Result<Booster> Booster::first_rounds(int rounds) const {
  const Api* xgboost = TRY(api());
  Handle handle = nullptr;
  TRY(check(*xgboost, xgboost->booster_slice(handle_.get(), 0, rounds, 1, &handle),
            ErrorCode::Internal, fmt::format("keeping the first {} rounds", rounds)));
  return Booster(handle);
}

Result<std::string> Booster::save() const {
  return save_as(R"({"format":"ubj"})");
}

Result<std::string> Booster::save_json() const {
  return save_as(R"({"format":"json"})");
}

Result<std::string> Booster::save_as(const char* config) const {
  const Api* xgboost = TRY(api());
  Size length = 0;
  const char* bytes = nullptr;
  TRY(check(*xgboost, xgboost->booster_save(handle_.get(), config, &length, &bytes),
            ErrorCode::Internal, "writing the model"));
  return std::string(bytes, length);
}

Result<int> Booster::rounds() const {
  const Api* xgboost = TRY(api());
  int rounds = 0;
  TRY(check(*xgboost, xgboost->booster_rounds(handle_.get(), &rounds), ErrorCode::Corruption,
            "counting rounds"));
  return rounds;
}

Result<std::size_t> Booster::feature_count() const {
  const Api* xgboost = TRY(api());
  Size count = 0;
  TRY(check(*xgboost, xgboost->booster_feature_count(handle_.get(), &count), ErrorCode::Corruption,
            "counting features"));
  return static_cast<std::size_t>(count);
}

Result<std::vector<std::string>> Booster::feature_names() const {
  const Api* xgboost = TRY(api());
  Size count = 0;
  const char** names = nullptr;
  TRY(check(*xgboost, xgboost->booster_get_features(handle_.get(), "feature_name", &count, &names),
            ErrorCode::Corruption, "reading feature names"));
  return std::vector<std::string>(names, names + count);
}

Result<std::vector<float>> Booster::predict(std::span<const float> values,
                                            std::size_t width) const {
  if (values.empty()) return std::vector<float>{};
  if (width == 0 || values.size() % width != 0) {
    return Error(ErrorCode::Invalid,
                 fmt::format("{} values are not rows of {} features", values.size(), width));
  }
  const Api* xgboost = TRY(api());
  const std::size_t rows = values.size() / width;
  const Size* shape = nullptr;
  Size dimensions = 0;
  const float* scores = nullptr;
  TRY(check(*xgboost,
            xgboost->booster_predict_dense(handle_.get(),
                                           array_interface(values.data(), rows, width).c_str(),
                                           kPredictConfig, nullptr, &shape, &dimensions, &scores),
            ErrorCode::Invalid, "scoring"));
  if (dimensions < 1 || dimensions > 2 || shape[0] != rows)
    return Error(ErrorCode::Unsupported, "the model's scores are no table with a line per row");
  return std::vector<float>(scores, scores + rows * (dimensions == 2 ? shape[1] : 1));
}

}  // namespace millrace::model
