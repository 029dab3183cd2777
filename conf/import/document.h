#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "conf/import/ini.h"

namespace reeve::conf::import {

// TOML that is being written, and what there is to say about it.
class Document {
public:
    // `main` is the file that most remarks are about: they give the line alone.
    explicit Document(std::string main) : main_{std::move(main)} {}

    // Begins [name]; comments that follow stand in it.
    void table(std::string_view name);
    // `value` is TOML; see below.
    void set(std::string_view key, const std::string& value);
    void comment(std::string_view text);
    // What is done otherwise, or not at all: a comment here, and a line for stderr.
    void remark(const Origin& at, const std::string& text);

    std::string text() const { return text_; }
    const std::vector<std::string>& remarks() const { return remarks_; }

private:
    std::string main_;
    std::string text_;
    std::vector<std::string> remarks_;  // "FILE:LINE: text"
};

std::string toml(std::string_view text);
inline std::string toml(const char* text) {
    return toml(std::string_view{text});
}
inline std::string toml(const std::string& text) {
    return toml(std::string_view{text});
}
std::string toml(const std::vector<std::string>& texts);
std::string toml(bool value);
std::string toml(long long value);
// A key of TOML, in quotes where it needs them.
std::string toml_key(std::string_view key);

}  // namespace reeve::conf::import
