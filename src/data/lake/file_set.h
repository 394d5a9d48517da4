#pragma once

// The files of a table at one version, as a value whose copies share what they hold.
//
// A table of a hundred thousand files gets one more with each append, and the next version begins as
// a copy of the last. So the files stand in two parts: the settled one, which copies share and nobody
// changes, and the few that came or went since, which a copy copies. settle() makes one of the two
// when the second has grown to the root of the first: a version then costs the root of the number of
// files, and not that number.
// What else a state holds (the marks of its writers, txns) is copied whole.

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace millrace::lake {

/// By FileName::key(). File is AddFile or RemoveFile.
template <typename File>
class FileSet {
 public:
  using Pointer = std::shared_ptr<const File>;

  std::size_t size() const { return size_; }

  /// Takes the place of the file of that key, where there is one.
  void put(std::string key, Pointer file) {
    size_ += contains(key) ? 0 : 1;
    recent_[std::move(key)] = std::move(file);
  }

  void erase(const std::string& key) {
    if (!contains(key)) return;
    --size_;
    if (settled_->contains(key)) {
      recent_[key] = nullptr;
    } else {
      recent_.erase(key);
    }
  }

  /// Calls visit(key, file), each file once, in no order. What it is given lives as long as the set.
  template <typename Visit>
  void for_each(const Visit& visit) const {
    for (const auto& [key, file] : *settled_)
      if (!recent_.contains(key)) visit(key, file);
    for (const auto& [key, file] : recent_)
      if (file != nullptr) visit(key, file);
  }

  /// By key.
  std::vector<Pointer> sorted() const {
    std::vector<std::pair<std::string_view, const Pointer*>> entries;
    entries.reserve(size_);
    for_each(
        [&](const std::string& key, const Pointer& file) { entries.emplace_back(key, &file); });
    std::ranges::sort(entries, {}, [](const auto& entry) { return entry.first; });
    std::vector<Pointer> files;
    files.reserve(size_);
    for (const auto& [key, file] : entries) files.push_back(*file);
    return files;
  }

  /// To be called once for each version, before copies are made.
  void settle() {
    if (recent_.size() < kFewest || recent_.size() * recent_.size() < settled_->size()) return;
    auto all = std::make_shared<Files>();
    all->reserve(size_);
    for_each([&](const std::string& key, const Pointer& file) { all->emplace(key, file); });
    settled_ = std::move(all);
    recent_.clear();
  }

 private:
  using Files = std::unordered_map<std::string, Pointer>;
  static constexpr std::size_t kFewest = 32;

  bool contains(const std::string& key) const {
    const auto found = recent_.find(key);
    return found == recent_.end() ? settled_->contains(key) : found->second != nullptr;
  }

  std::shared_ptr<const Files> settled_ = std::make_shared<const Files>();
  Files recent_;  // null: gone since
  std::size_t size_ = 0;
};

}  // namespace millrace::lake
