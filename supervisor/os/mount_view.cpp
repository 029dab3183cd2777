#include "supervisor/os/mount_view.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <thread>

namespace reeve::os {

namespace {

using base::Fd;
using base::OsExpected;

enum class Kind { read_only, writable, temporary };

struct Place {
    Kind kind = Kind::read_only;
    std::string path;
    Fd tree{};  // what is to be there, for `writable`
};

const char* key_of(Kind kind) {
    switch (kind) {
        case Kind::read_only:
            return "security.read_only";
        case Kind::writable:
            return "security.writable";
        case Kind::temporary:
            return "security.private_tmp";
    }
    return "";
}

Unexpected<base::OsError> failure(const Place& place) {
    return base::os_error(key_of(place.kind), place.path);
}

bool is_mount_point(const std::string& path) {
    // Another device than its parent's, which is "/" for those that are asked for.
    struct stat here {};
    struct stat root {};
    return ::stat(path.c_str(), &here) == 0 && ::stat("/", &root) == 0 &&
           here.st_dev != root.st_dev;
}

// Whoever lies in another comes after it.
std::vector<Place> places_of(const MountView& view) {
    std::vector<Place> places;
    for (const std::string& path : view.read_only) places.push_back({Kind::read_only, path});
    for (const std::string& path : view.writable) places.push_back({Kind::writable, path});
    if (std::ranges::count(view.read_only, "/") > 0) {
        for (const char* path : {"/dev", "/proc", "/sys"}) {
            const bool is_named =
                std::ranges::any_of(places, [&](const Place& one) { return one.path == path; });
            if (!is_named && is_mount_point(path)) places.push_back({Kind::writable, path});
        }
    }
    if (view.private_tmp) {
        for (const char* path : {"/tmp", "/var/tmp"}) places.push_back({Kind::temporary, path});
    }
    std::ranges::stable_sort(places, {}, &Place::path);
    return places;
}

// The mount there and below, as it is now.
Fd copy_of(const std::string& path) {
    return Fd{
        ::open_tree(AT_FDCWD, path.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE)};
}

bool put(const Fd& tree, const std::string& path) {
    return ::move_mount(tree.get(), "", AT_FDCWD, path.c_str(), MOVE_MOUNT_F_EMPTY_PATH) == 0;
}

bool make_read_only(const std::string& path) {
    mount_attr attributes{};
    attributes.attr_set = MOUNT_ATTR_RDONLY;
    if (path == "/") {
        return ::mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &attributes, sizeof attributes) == 0;
    }
    // Only what is mounted can be read-only.
    const Fd tree = copy_of(path);
    return tree &&
           ::mount_setattr(tree.get(), "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes,
                           sizeof attributes) == 0 &&
           put(tree, path);
}

bool make_temporary(const std::string& path) {
    return ::mount("tmpfs", path.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777") == 0 ||
           errno == ENOENT;
}

bool make(const Place& place) {
    switch (place.kind) {
        case Kind::read_only:
            return make_read_only(place.path);
        case Kind::writable:
            return put(place.tree, place.path);
        case Kind::temporary:
            return make_temporary(place.path);
    }
    return false;
}

// On a thread that does nothing else.
OsExpected<Fd> make_here(const MountView& view) {
    std::vector<Place> places = places_of(view);
    if (::unshare(CLONE_FS | CLONE_NEWNS) != 0) {
        return base::os_error(key_of(places.front().kind), "a mount namespace");
    }
    // Or all of it would be seen outside, too.
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) {
        return base::os_error(key_of(places.front().kind), "a mount namespace");
    }
    // Before anything is read-only: what was so all along stays so.
    for (Place& place : places) {
        if (place.kind != Kind::writable) continue;
        place.tree = copy_of(place.path);
        if (!place.tree) return failure(place);
    }
    for (const Place& place : places) {
        if (!make(place)) return failure(place);
    }
    Fd made{::open("/proc/thread-self/ns/mnt", O_RDONLY | O_CLOEXEC)};
    if (!made) return base::os_error("open", "/proc/thread-self/ns/mnt");
    return made;
}

}  // namespace

OsExpected<Fd> make_mount_view(const MountView& view) {
    OsExpected<Fd> made{Fd{}};
    try {
        // It ends in the other namespace, and with it.
        std::thread{[&] { made = make_here(view); }}.join();
    } catch (const std::system_error& error) {
        return Unexpected<base::OsError>{
            {"start", "a thread for its mount namespace", error.code().value()}};
    }
    return made;
}

}  // namespace reeve::os
