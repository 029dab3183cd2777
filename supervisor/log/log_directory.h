#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "supervisor/base/fd.h"
#include "supervisor/model/rotation.h"

namespace reeve::log {

struct Owner {
    uid_t uid = 0;
    gid_t gid = 0;
};

// Without the privilege it stays ours, which is what the program would have got anyway.
void give_to(int fd, const std::optional<Owner>& owner);

// Belongs to neither root nor us: whoever it belongs to may put anything there, links included, for
// us to go to with our rights.
bool is_foreign(int directory);

// The directory that the file lies in, for calls relative to it (O_PATH).  No link is followed
// below a foreign directory.  Without one: errno says why.
base::Fd open_directory(const std::string& path);
// The same, made with its parents where they are missing, and given to `owner`.
base::Fd make_directory(const std::string& path, const std::optional<Owner>& owner);

std::string file_name(const std::string& path);

// The name of everything in it, in no order.  0 or an errno.
int scan(int directory, const std::function<void(const std::string& file)>& on_file);

// Every file in it that a rotation has given its name, in no order.  0 or an errno.
using OnRotated = std::function<void(std::string_view file, const model::RotatedFrom& rotated)>;
int scan_rotated(int directory, const OnRotated& on_rotated);

}  // namespace reeve::log
