#include "launcher/program_pages.h"

#include <cstdint>

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

namespace millrace::launcher {

void let_go_of_unused_pages() {
  const auto each = [](dl_phdr_info* object, std::size_t, void*) {
    const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    for (int i = 0; i < object->dlpi_phnum; ++i) {
      const auto& segment = object->dlpi_phdr[i];
      if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
      const std::uintptr_t begin = object->dlpi_addr + segment.p_vaddr;
      const std::uintptr_t end = (begin + segment.p_memsz + page - 1) / page * page;
      const std::uintptr_t first = begin / page * page;
      // NOLINTNEXTLINE(performance-no-int-to-ptr): the loader gives addresses as numbers
      ::madvise(reinterpret_cast<void*>(first), end - first, MADV_DONTNEED);
    }
    return 0;
  };
  ::dl_iterate_phdr(each, nullptr);
  ::malloc_trim(0);
}

}  // namespace millrace::launcher
