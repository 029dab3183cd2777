#pragma once

#include <string>
#include <string_view>

#include "supervisor/base/fd.h"

// The small text files in which the kernel shows and takes values: /proc, /sys/fs/cgroup.
namespace reeve::os {

// The whole of it.
base::OsExpected<std::string> read_kernel_file(const std::string& path);

// In one write, which is how the kernel takes a value.
base::OsExpected<void> write_kernel_file(const std::string& path, std::string_view text);

// Again from its start, cut at the buffer's size; empty: it can't be read any more.
std::string_view reread(const base::Fd& file, char* buffer, std::size_t size);

}  // namespace reeve::os
