#include <fmt/core.h>

#include "base/hash.h"
#include "model/artefact.h"
#include "model/model_store.h"

namespace millrace::model {

namespace {

std::string key_of(const std::string& model, const std::string& content_id, std::string_view file) {
  return fmt::format("models/{}/{}/{}", model, content_id, file);
}

Status put_once(storage::ObjectStore& store, const std::string& key, std::string_view bytes) {
  Status put = store.put_if_absent(key, bytes);
  // The key names the content, so what is there already is the same.
  if (!put && put.error().code() == ErrorCode::AlreadyExists) return {};
  return put;
}

bool is_allowed(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '.';
}

}  // namespace

Status check_model_name(std::string_view name) {
  bool ok = !name.empty() && name.size() <= 128 && name.front() != '_' && name.front() != '-' &&
            name.front() != '.';
  for (const char c : name) ok = ok && is_allowed(c);
  if (ok) return {};
  return Error(ErrorCode::Invalid,
               fmt::format("'{}' cannot name a model: letters, digits, '_', '-' and '.' are "
                           "expected, beginning with a letter or digit, at most 128",
                           name.substr(0, 128)));
}

Result<StoredModel> put_model(storage::ObjectStore& store, std::string_view artefact,
                              const Manifest& manifest) {
  TRY(check_model_name(manifest.model));
  if (sha256_hex(artefact) != manifest.artefact_sha256) {
    return Error(ErrorCode::Invalid, "the manifest's SHA-256 is not that of the artefact");
  }
  const std::string text = write_manifest(manifest);
  // Written and read, so that what is stored can be loaded.
  StoredModel stored{.manifest = TRY(read_manifest(text)), .content_id = sha256_hex(text)};
  TRY(put_once(store, key_of(manifest.model, stored.content_id, "model.tar.gz"), artefact));
  // The manifest last: where it is, the artefact is too.
  TRY(put_once(store, key_of(manifest.model, stored.content_id, "manifest.json"), text));
  return stored;
}

Result<LoadedModel> get_model(storage::ObjectStore& store, const std::string& model,
                              const std::string& content_id) {
  const std::string manifest_key = key_of(model, content_id, "manifest.json");
  const std::string text = TRY(store.get(manifest_key));
  if (sha256_hex(text) != content_id) {
    return Error(ErrorCode::Corruption,
                 fmt::format("{} does not have the SHA-256 by which it is named", manifest_key));
  }
  LoadedModel loaded;
  loaded.manifest = TRY_DOING("reading " + manifest_key, read_manifest(text));
  const std::string artefact_key = key_of(model, content_id, "model.tar.gz");
  const storage::ObjectInfo info = TRY(store.head(artefact_key));
  if (info.size_bytes > kMaxArtefactBytes) {
    return Error(ErrorCode::Exhausted, fmt::format("{} has {} bytes; at most {}", artefact_key,
                                                   info.size_bytes, kMaxArtefactBytes));
  }
  loaded.artefact = TRY(store.get(artefact_key));
  if (sha256_hex(loaded.artefact) != loaded.manifest.artefact_sha256) {
    return Error(ErrorCode::Corruption,
                 fmt::format("{} does not have the SHA-256 that its manifest names", artefact_key));
  }
  return loaded;
}

}  // namespace millrace::model
