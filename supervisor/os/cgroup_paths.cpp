#include "supervisor/os/cgroup_paths.h"

#include <algorithm>

namespace reeve::os {
namespace {

// Takes what stands before the next `separator` off `rest`.
std::string_view take(std::string_view& rest, char separator) {
    const std::size_t end = rest.find(separator);
    const std::string_view part = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    return part;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    while (!text.empty()) parts.push_back(take(text, separator));
    return parts;
}

// The kernel writes a blank, a tab, a newline and a backslash as \ and three octal digits.
std::string unescape(std::string_view text) {
    const auto is_octal = [](char c) { return c >= '0' && c <= '7'; };
    std::string plain;
    plain.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 3 < text.size() && is_octal(text[i + 1]) &&
            is_octal(text[i + 2]) && is_octal(text[i + 3])) {
            plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                                       (text[i + 3] - '0'));
            i += 3;
        } else {
            plain += text[i];
        }
    }
    return plain;
}

bool contains(const std::vector<std::string_view>& parts, std::string_view wanted) {
    return std::find(parts.begin(), parts.end(), wanted) != parts.end();
}

}  // namespace

bool CgroupMount::has(std::string_view controller) const {
    return std::find(controllers.begin(), controllers.end(), controller) != controllers.end();
}

std::vector<CgroupMount> parse_cgroup_mounts(std::string_view mountinfo) {
    std::vector<CgroupMount> mounts;
    while (!mountinfo.empty()) {
        // 41 31 0:38 ROOT POINT OPTIONS [OPTIONAL…] - TYPE SOURCE SUPER-OPTIONS
        const auto fields = split(take(mountinfo, '\n'), ' ');
        const auto dash = std::find(fields.begin(), fields.end(), std::string_view{"-"});
        if (dash - fields.begin() < 6 || fields.end() - dash < 4) continue;
        const std::string_view type = dash[1];
        if (type != "cgroup" && type != "cgroup2") continue;

        CgroupMount mount;
        mount.v2 = type == "cgroup2";
        mount.root = unescape(fields[3]);
        mount.point = unescape(fields[4]);
        const auto super_options = split(dash[3], ',');
        mount.read_only = contains(split(fields[5], ','), "ro") || contains(super_options, "ro");
        if (!mount.v2) {
            for (const std::string_view option : super_options) {
                if (option != "rw" && option != "ro") mount.controllers.emplace_back(option);
            }
        }
        mounts.push_back(std::move(mount));
    }
    return mounts;
}

std::optional<CgroupMembership> parse_membership(std::string_view text,
                                                 std::string_view controller) {
    while (!text.empty()) {
        // HIERARCHY:CONTROLLER,CONTROLLER:PATH; v2's is "0::PATH".
        std::string_view path = take(text, '\n');
        const std::string_view hierarchy = take(path, ':');
        const std::string_view controllers = take(path, ':');
        const bool meant = controller.empty() ? hierarchy == "0" && controllers.empty()
                                              : contains(split(controllers, ','), controller);
        if (!meant || path.empty()) continue;

        CgroupMembership membership;
        constexpr std::string_view kRemoved = " (deleted)";
        if (path.ends_with(kRemoved)) {
            membership.removed = true;
            path.remove_suffix(kRemoved.size());
        }
        membership.path = path;
        return membership;
    }
    return std::nullopt;
}

std::optional<std::string> directory_in(const CgroupMount& mount, std::string_view path) {
    const auto rest = below(path, mount.root);
    // Further up, over what the mount shows.
    if (!rest || *rest == ".." || rest->starts_with("../")) return std::nullopt;
    if (rest->empty()) return mount.point;
    std::string directory = mount.point == "/" ? "" : mount.point;
    directory += '/';
    directory += *rest;
    return directory;
}

std::optional<std::string_view> below(std::string_view path, std::string_view ancestor) {
    if (ancestor == "/") ancestor = "";
    if (path == "/") path = "";
    if (!path.starts_with(ancestor)) return std::nullopt;
    path.remove_prefix(ancestor.size());
    if (path.empty()) return path;
    if (path.front() != '/') return std::nullopt;
    return path.substr(1);
}

}  // namespace reeve::os
