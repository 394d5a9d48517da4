#pragma once

namespace millrace::launcher {

/// Starting touches pages of the program and its libraries that are never needed again: more than
/// half of what a launcher would hold for weeks (22 MB, 10 without them). They are the file's, and
/// come back when they are read.
void let_go_of_unused_pages();

}  // namespace millrace::launcher
