#include "supervisor/run/memory.h"

#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>

namespace reeve::run {

void let_go_of_code() {
    const auto of_object = [](dl_phdr_info* object, std::size_t, void*) {
        static const std::uintptr_t page = static_cast<std::uintptr_t>(::getpagesize());
        for (int i = 0; i < object->dlpi_phnum; ++i) {
            const ElfW(Phdr)& segment = object->dlpi_phdr[i];
            // What may be written to has what we and the linker have written.
            if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
            const std::uintptr_t from = (object->dlpi_addr + segment.p_vaddr) & ~(page - 1);
            const std::uintptr_t to = object->dlpi_addr + segment.p_vaddr + segment.p_memsz;
            (void)::madvise(reinterpret_cast<void*>(from), to - from, MADV_DONTNEED);
        }
        return 0;
    };
    (void)::dl_iterate_phdr(of_object, nullptr);
}

}  // namespace reeve::run
