#include "cli/completion.h"

#include <cstdio>

#include "cli/verbs.h"

namespace millrace::cli {

std::string bash_completion(const std::map<std::string, std::vector<std::string>>& words) {
  // What stands before the cursor decides, up to two words; where nothing fits, the shell offers
  // files.
  std::string script =
      "_millrace() {\n"
      "  local count=$((COMP_CWORD > 3 ? 2 : COMP_CWORD - 1)) offers=\n"
      "  for ((; count >= 0; --count)); do\n"
      "    case \"${COMP_WORDS[*]:1:count}\" in\n";
  for (const auto& [verb, offers] : words) {
    script += "      '" + verb + "') offers='";
    for (const std::string& offer : offers) script += (&offer == offers.data() ? "" : " ") + offer;
    script += "' && break ;;\n";
  }
  script +=
      "    esac\n"
      "  done\n"
      "  COMPREPLY=($(compgen -W \"$offers\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n"
      "}\n"
      "complete -o default -F _millrace millrace\n";
  return script;
}

int print_completion(const std::map<std::string, std::vector<std::string>>& words) {
  std::fputs(bash_completion(words).c_str(), stdout);
  return kSuccess;
}

}  // namespace millrace::cli
