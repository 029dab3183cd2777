#include "conf/import/document.h"

#include "conf/quote.h"

namespace reeve::conf::import {

void Document::table(std::string_view name) {
    text_ += "\n[" + std::string{name} + "]\n";
}

void Document::set(std::string_view key, const std::string& value) {
    text_ += std::string{key} + " = " + value + "\n";
}

void Document::comment(std::string_view text) {
    text_ += text.empty() ? "#\n" : "# " + one_line(text) + "\n";
}

void Document::remark(const Origin& at, const std::string& text) {
    const std::string where = at.file == main_ ? "" : at.file + ", ";
    comment(where + "line " + std::to_string(at.line) + ": " + text);
    remarks_.push_back(one_line(at.file) + ":" + std::to_string(at.line) + ": " + one_line(text));
}

std::string toml(std::string_view text) {
    return quoted(text);
}

std::string toml(const std::vector<std::string>& texts) {
    std::string list = "[";
    for (const std::string& text : texts) list += (list.size() > 1 ? ", " : "") + quoted(text);
    return list + "]";
}

std::string toml(bool value) {
    return value ? "true" : "false";
}

std::string toml(long long value) {
    return std::to_string(value);
}

std::string toml_key(std::string_view key) {
    const bool bare = !key.empty() && key.find_first_not_of(
                                          "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                          "0123456789_-") == std::string_view::npos;
    return bare ? std::string{key} : quoted(key);
}

}  // namespace reeve::conf::import
