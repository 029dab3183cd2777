#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "conf/load.h"
#include "tests/support/catch.h"

// Files by name, as load() would find them on a disk.
struct Files {
    std::map<std::string, std::string> files;
    reeve::conf::EnvironmentMap environment;
    // What the disk has at a path; empty: nobody looks.
    std::map<std::string, reeve::conf::Found> disk;

    Files(std::string main) { files["reeve.toml"] = std::move(main); }

    // The same with one more.
    Files with(std::string name, std::string text) const {
        Files more = *this;
        more.files[std::move(name)] = std::move(text);
        return more;
    }

    reeve::Expected<reeve::conf::Config, std::vector<reeve::conf::ConfigError>> load() const {
        reeve::conf::LoadRequest request;
        request.path = "reeve.toml";
        request.environment = environment;
        request.read =
            [this](const std::string& path) -> reeve::Expected<std::string, std::string> {
            const auto found = files.find(path);
            if (found == files.end())
                return reeve::Unexpected<std::string>{"No such file or directory"};
            return found->second;
        };
        // "DIRECTORY/*.toml" is all that the tests need.
        request.glob = [this](const std::string& pattern) {
            std::vector<std::string> paths;
            const std::size_t star = pattern.find('*');
            for (const auto& [path, text] : files) {
                if (path.starts_with(pattern.substr(0, star)) &&
                    path.ends_with(pattern.substr(star + 1)) &&
                    path.find('/', star) == std::string::npos) {
                    paths.push_back(path);
                }
            }
            return paths;
        };
        if (!disk.empty()) {
            request.look = [this](const std::vector<std::string>& paths) {
                std::vector<reeve::conf::Found> found;
                for (const std::string& path : paths) {
                    const auto one = disk.find(path);
                    found.push_back(one == disk.end() ? reeve::conf::Found{} : one->second);
                }
                return found;
            };
        }
        return reeve::conf::load(request);
    }

    // The configuration; a test that wants one fails with the errors.
    reeve::conf::Config good() const {
        auto config = load();
        INFO((config ? "" : reeve::conf::format_errors(config.error())));
        REQUIRE(config);
        return std::move(*config);
    }

    std::string errors() const {
        const auto config = load();
        return config ? "" : reeve::conf::format_errors(config.error());
    }
};

inline const reeve::conf::Program& program_of(const reeve::conf::Config& config,
                                              std::string_view name) {
    const auto found =
        std::find_if(config.programs.begin(), config.programs.end(),
                     [&](const reeve::conf::Program& program) { return program.name == name; });
    REQUIRE(found != config.programs.end());
    return *found;
}
