#pragma once

// A project's files, in a folder that goes away with the test.

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/result_fixture.h"
#include "project/project.h"

namespace millrace::project {

class ProjectFolder : public testing::Test {
 protected:
  const std::string& root() const { return folder_.path(); }
  std::string path(const std::string& name) const { return root() + "/" + name; }
  void write(const std::string& name, const std::string& text) {
    EXPECT_OK(write_file(path(name), text));
  }
  /// Replaces `old`, which stands there, in a file of the project.
  void change(const std::string& name, const std::string& old, const std::string& by) {
    std::string text = good(read_file(path(name)));
    const std::size_t at = text.find(old);
    ASSERT_NE(at, std::string::npos) << name << " has no " << old;
    write(name, text.replace(at, old.size(), by));
  }

 private:
  TemporaryFolder folder_ = *TemporaryFolder::make();
};

inline std::vector<std::string> texts(const std::vector<Problem>& problems) {
  std::vector<std::string> texts;
  for (const Problem& problem : problems) texts.push_back(problem.str());
  return texts;
}

}  // namespace millrace::project
