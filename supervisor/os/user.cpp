#include "supervisor/os/user.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string_view>

#include "supervisor/base/error.h"
#include "supervisor/os/spawn.h"

namespace reeve::os {
namespace {

// An entry's strings; a group with thousands of members needs more than glibc's suggestion.
constexpr std::size_t kFirstBuffer = 1024;
constexpr std::size_t kLargestBuffer = std::size_t{16} << 20;

// The last id means "do not change" to the kernel.
constexpr auto kNoId = static_cast<std::uint32_t>(-1);

struct CloseFile {
    void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

std::optional<std::uint32_t> as_number(std::string_view text) {
    std::uint32_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size() || number == kNoId) {
        return std::nullopt;
    }
    return number;
}

bool is_shortage(int number) {
    return is_transient(base::OsError{{}, {}, number});
}

Unexpected<AccountError> failed(const std::string& name, int number) {
    return Unexpected<AccountError>{AccountError{AccountError::Kind::failed, name, number}};
}

// Calls one of glibc's *_r functions with a larger buffer until its answer fits.  `ask` takes
// (buffer, size) and returns an errno.
template <typename Ask>
int with_buffer(std::vector<char>& buffer, const Ask& ask) {
    if (buffer.empty()) buffer.resize(kFirstBuffer);
    for (;;) {
        const int number = ask(buffer.data(), buffer.size());
        if (number == EINTR) continue;
        if (number != ERANGE || buffer.size() >= kLargestBuffer) return number;
        buffer.resize(buffer.size() * 2);
    }
}

// Calls `visit` for each entry of a file until it says true.  `read` is fgetpwent_r or fgetgrent_r.
// The errno of what we lacked to read it; 0: nothing, and a file that can't be read has no entries.
template <typename Entry, typename Read, typename Visit>
[[nodiscard]] int for_each_entry(const char* path, const Read& read, const Visit& visit) {
    const File file{std::fopen(path, "re")};
    if (!file) return is_shortage(errno) ? errno : 0;
    std::vector<char> buffer;
    for (;;) {
        Entry entry{};
        Entry* found = nullptr;
        // On ERANGE glibc goes back to the line's start, so that it can be read again.
        const int number = with_buffer(buffer, [&](char* memory, std::size_t size) {
            return read(file.get(), &entry, memory, size, &found);
        });
        if (is_shortage(number)) return number;
        if (number != 0 || !found || visit(*found)) return 0;
    }
}

template <typename Visit>
[[nodiscard]] int for_each_user(const Visit& visit) {
    return for_each_entry<passwd>("/etc/passwd", ::fgetpwent_r, visit);
}

template <typename Visit>
[[nodiscard]] int for_each_group(const Visit& visit) {
    return for_each_entry<::group>("/etc/group", ::fgetgrent_r, visit);
}

struct UserEntry {
    Account account;
    bool from_file = false;
};

UserEntry copy(const passwd& entry, bool from_file) {
    Account account;
    account.uid = entry.pw_uid;
    account.gid = entry.pw_gid;
    account.name = entry.pw_name;
    account.home = entry.pw_dir;
    account.shell = entry.pw_shell;
    return {std::move(account), from_file};
}

// A look-up that found nothing says so in many ways (getpwnam(3)).
bool means_not_found(int number) {
    return number == 0 || number == ENOENT || number == ESRCH || number == EBADF || number == EPERM;
}

// nullopt: there is none.
Expected<std::optional<UserEntry>, AccountError> find_user(const std::string& user) {
    const auto uid = as_number(user);
    std::optional<UserEntry> found;
    // A name that looks like a number is a name first, as with chown(1).
    int lacking = for_each_user([&](const passwd& entry) {
        if (user != entry.pw_name) return false;
        found = copy(entry, true);
        return true;
    });
    if (!found && uid && lacking == 0) {
        lacking = for_each_user([&](const passwd& entry) {
            if (*uid != entry.pw_uid) return false;
            found = copy(entry, true);
            return true;
        });
    }
    const std::string what = "user \"" + user + "\"";
    if (lacking != 0) return failed(what, lacking);
    if (found) return found;

    std::vector<char> buffer;
    passwd entry{};
    passwd* answer = nullptr;
    const int number = with_buffer(buffer, [&](char* memory, std::size_t size) {
        return uid ? ::getpwuid_r(*uid, &entry, memory, size, &answer)
                   : ::getpwnam_r(user.c_str(), &entry, memory, size, &answer);
    });
    if (answer) return copy(*answer, false);
    // A number is good without an entry, so a name service that fails must not be in its way.
    if ((uid && !is_shortage(number)) || means_not_found(number)) return found;
    return failed(what, number);
}

Expected<std::vector<gid_t>, AccountError> groups_of(const UserEntry& user, gid_t gid) {
    const std::string& name = user.account.name;
    std::vector<gid_t> groups{gid};
    if (name.empty()) return groups;

    if (user.from_file) {
        const int lacking = for_each_group([&](const ::group& entry) {
            for (char** member = entry.gr_mem; member && *member; ++member) {
                if (name == *member) groups.push_back(entry.gr_gid);
            }
            return false;
        });
        if (lacking != 0) return failed("groups of \"" + name + "\"", lacking);
    } else {
        int count = 64;
        for (;;) {
            groups.resize(static_cast<std::size_t>(count));
            const int room = count;
            const int result = ::getgrouplist(name.c_str(), gid, groups.data(), &count);
            if (result >= 0) break;
            if (count <= room) return failed("groups of \"" + name + "\"", EIO);
        }
        groups.resize(static_cast<std::size_t>(count));
    }
    std::sort(groups.begin(), groups.end());
    groups.erase(std::unique(groups.begin(), groups.end()), groups.end());
    return groups;
}

}  // namespace

std::string AccountError::text() const {
    switch (kind) {
        case Kind::unknown_user:
            return "unknown user \"" + name + "\"";
        case Kind::unknown_group:
            return "unknown group \"" + name + "\"";
        case Kind::failed:
            return "look up " + name + ": " + base::errno_text(number);
    }
    return {};
}

bool AccountError::is_transient() const {
    return kind == Kind::failed && is_shortage(number);
}

Expected<gid_t, AccountError> resolve_group(const std::string& group) {
    std::optional<gid_t> found;
    const int lacking = for_each_group([&](const ::group& entry) {
        if (group != entry.gr_name) return false;
        found = entry.gr_gid;
        return true;
    });
    const std::string what = "group \"" + group + "\"";
    if (lacking != 0) return failed(what, lacking);
    if (found) return *found;
    if (const auto gid = as_number(group)) return *gid;

    std::vector<char> buffer;
    ::group entry{};
    ::group* answer = nullptr;
    const int number = with_buffer(buffer, [&](char* memory, std::size_t size) {
        return ::getgrnam_r(group.c_str(), &entry, memory, size, &answer);
    });
    if (answer) return answer->gr_gid;
    if (!means_not_found(number)) return failed(what, number);
    return Unexpected<AccountError>{AccountError{AccountError::Kind::unknown_group, group, 0}};
}

Expected<Account, AccountError> resolve_account(const AccountQuery& query) {
    UserEntry user;
    if (query.user.empty()) {
        user.account.uid = ::geteuid();
        user.account.gid = ::getegid();
    } else {
        auto found = find_user(query.user);
        if (!found) return Unexpected<AccountError>{found.error()};
        if (*found) {
            user = std::move(**found);
        } else if (const auto uid = as_number(query.user)) {
            user.account.uid = *uid;
            user.account.gid = *uid;
        } else {
            return Unexpected<AccountError>{
                AccountError{AccountError::Kind::unknown_user, query.user, 0}};
        }
    }
    Account& account = user.account;

    if (!query.group.empty()) {
        const auto gid = resolve_group(query.group);
        if (!gid) return Unexpected<AccountError>{gid.error()};
        account.gid = *gid;
    }

    if (query.supplementary_groups) {
        account.groups.emplace();
        for (const std::string& name : *query.supplementary_groups) {
            const auto gid = resolve_group(name);
            if (!gid) return Unexpected<AccountError>{gid.error()};
            account.groups->push_back(*gid);
        }
        return std::move(account);
    }

    const bool is_us = account.uid == ::geteuid() && account.gid == ::getegid();
    if (query.user.empty() || (is_us && ::geteuid() != 0)) return std::move(account);
    auto groups = groups_of(user, account.gid);
    if (!groups) return Unexpected<AccountError>{groups.error()};
    account.groups = std::move(*groups);
    return std::move(account);
}

std::string user_name(uid_t uid) {
    std::string name = std::to_string(uid);
    (void)for_each_user([&](const passwd& entry) {
        if (uid != entry.pw_uid) return false;
        name = entry.pw_name;
        return true;
    });
    return name;
}

}  // namespace reeve::os
