#pragma once

#include <functional>
#include <string>
#include <vector>

#include "conf/import/ini.h"
#include "conf/paths.h"
#include "supervisor/base/expected.h"

// Files of others, as TOML for reeve: what `reeve import` prints.
namespace reeve::conf::import {

// The world, as far as it matters: the tests have another one.
struct Request {
    std::string path;  // as it was typed; "-" for standard input
    std::string text;
    std::string directory;  // where relative paths begin; absolute
    EnvironmentMap environment;
    std::string host;  // uname -n
    // A file that is included; or why it can't be read.
    std::function<Expected<std::string, std::string>(const std::string& path)> read;
    // glob(3), sorted; also of a path without a pattern.
    std::function<std::vector<std::string>(const std::string& pattern)> glob;
};

struct Imported {
    std::string toml;
    // "FILE:LINE: what is done otherwise, or not at all", each also a comment in `toml`.
    std::vector<std::string> remarks;
};

// By the file's name (Procfile, Procfile.dev), else by what is in it.
Expected<Imported, Fault> import_file(const Request& request);

Expected<Imported, Fault> import_supervisord(const Request& request);
Expected<Imported, Fault> import_procfile(const Request& request);

}  // namespace reeve::conf::import
