#include "supervisor/app/control_socket.h"

#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "conf/paths.h"
#include "supervisor/os/user.h"

namespace reeve::app {

namespace {

// The default of last resort lies in a directory where anybody may make one before us.
bool is_ours_alone(const std::string& directory) {
    ::mkdir(directory.c_str(), 0700);
    struct stat status {};
    return ::lstat(directory.c_str(), &status) == 0 && S_ISDIR(status.st_mode) &&
           status.st_uid == ::geteuid() && (status.st_mode & 077) == 0;
}

}  // namespace

Expected<os::ListeningSocket, std::string> open_control_socket(const conf::Control& control) {
    os::ListenRequest request;
    request.path = control.socket.empty() ? conf::default_socket() : control.socket;
    if (control.socket.empty() && request.path.starts_with("/tmp/") &&
        !is_ours_alone(conf::directory_of(request.path))) {
        return Unexpected<std::string>{conf::directory_of(request.path) +
                                       " is not a directory of ours alone (set [control] socket, "
                                       "or XDG_RUNTIME_DIR)"};
    }
    const mode_t usual = !control.group.empty() ? 0660 : control.access.empty() ? 0600 : 0666;
    request.mode = control.mode.value_or(usual);
    if (!control.group.empty()) {
        const auto group = os::resolve_group(control.group);
        if (!group) return Unexpected<std::string>{group.error().text()};
        request.group = *group;
    }
    auto socket = os::listen_at(request);
    if (!socket) return Unexpected<std::string>{socket.error().text()};
    return std::move(*socket);
}

}  // namespace reeve::app
