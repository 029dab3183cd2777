#include "ctl/api/exposition.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <vector>

namespace reeve::api {

namespace {

using nlohmann::ordered_json;

std::string_view trimmed(std::string_view text) {
    const std::size_t begin = text.find_first_not_of(" \t");
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// Up to `separator`, which is taken too.
std::string_view next_part(std::string_view& rest, char separator) {
    const std::size_t end = rest.find(separator);
    const std::string_view part = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    return trimmed(part);
}

std::string in_lower_case(std::string_view text) {
    std::string lower{text};
    for (char& c : lower)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return lower;
}

// One "type/subtype;name=value;q=0.5" of an Accept header.
struct MediaRange {
    std::string type;
    std::string version;  // empty: none was named
    double quality = 1;
};

MediaRange media_range(std::string_view part) {
    MediaRange range;
    range.type = in_lower_case(next_part(part, ';'));
    while (!part.empty()) {
        std::string_view parameter = next_part(part, ';');
        const std::string name = in_lower_case(next_part(parameter, '='));
        std::string_view value = trimmed(parameter);
        if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
            value = value.substr(1, value.size() - 2);
        if (name == "version") range.version = value;
        if (name == "q") {
            double quality = 0;
            const auto read = std::from_chars(value.data(), value.data() + value.size(), quality);
            range.quality = read.ec == std::errc{} ? quality : 0;
        }
    }
    return range;
}

void append_escaped(std::string& out, std::string_view text, bool quotes) {
    for (const char c : text) {
        if (c == '\\') {
            out += "\\\\";
        } else if (c == '\n') {
            out += "\\n";
        } else if (c == '"' && quotes) {
            out += "\\\"";
        } else {
            out += c;
        }
    }
}

std::string unescaped(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\\' || i + 1 == text.size()) {
            out += text[i];
            continue;
        }
        ++i;
        out += text[i] == 'n' ? '\n' : text[i];
    }
    return out;
}

std::string_view name_of(MetricType type, ExpositionFormat format) {
    switch (type) {
        case MetricType::counter:
            return "counter";
        case MetricType::gauge:
            return "gauge";
        case MetricType::info:
            return format == ExpositionFormat::openmetrics ? "info" : "gauge";
    }
    return "";
}

// `name{a="b",c="d"} value`; nullopt: it is none.
struct SampleLine {
    std::string name;
    ordered_json labels = ordered_json::object();
    std::string value;
};
std::optional<SampleLine> sample_line(std::string_view line) {
    SampleLine sample;
    const std::size_t end = line.find_first_of("{ ");
    if (end == 0 || end == std::string_view::npos) return std::nullopt;
    sample.name = line.substr(0, end);
    line.remove_prefix(end);
    if (line.front() == '{') {
        line.remove_prefix(1);
        while (!line.empty() && line.front() != '}') {
            const std::size_t equals = line.find("=\"");
            if (equals == std::string_view::npos) return std::nullopt;
            const std::string_view name = line.substr(0, equals);
            line.remove_prefix(equals + 2);
            std::size_t close = 0;
            while (close < line.size() && line[close] != '"') close += line[close] == '\\' ? 2 : 1;
            if (close >= line.size()) return std::nullopt;
            sample.labels[std::string{name}] = unescaped(line.substr(0, close));
            line.remove_prefix(close + 1);
            if (line.starts_with(',')) line.remove_prefix(1);
        }
        if (line.empty()) return std::nullopt;
        line.remove_prefix(1);
    }
    sample.value = next_part(line = trimmed(line), ' ');
    if (sample.value.empty()) return std::nullopt;
    return sample;
}

}  // namespace

std::string_view content_type(ExpositionFormat format) {
    return format == ExpositionFormat::openmetrics
               ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
               : "text/plain; version=0.0.4; charset=utf-8";
}

ExpositionFormat exposition_format(std::string_view accept) {
    double openmetrics = 0;
    double text = 0;
    while (!accept.empty()) {
        const MediaRange range = media_range(next_part(accept, ','));
        if (range.type == "application/openmetrics-text" &&
            (range.version.empty() || range.version == "1.0.0")) {
            openmetrics = std::max(openmetrics, range.quality);
        } else if (range.type == "text/plain" &&
                   (range.version.empty() || range.version == "0.0.4")) {
            text = std::max(text, range.quality);
        }
    }
    return openmetrics > 0 && openmetrics >= text ? ExpositionFormat::openmetrics
                                                  : ExpositionFormat::text;
}

std::string metric_label(std::string_view name, std::string_view value) {
    std::string label{name};
    label += "=\"";
    append_escaped(label, value, true);
    label += '"';
    return label;
}

void Exposition::family(std::string_view name, MetricType type, std::string_view unit,
                        std::string_view help) {
    name_ = name;
    // OpenMetrics names the family without what its samples end in.
    std::string_view family = name;
    const bool openmetrics = format_ == ExpositionFormat::openmetrics;
    if (openmetrics && type == MetricType::counter) family.remove_suffix(6);  // _total
    if (openmetrics && type == MetricType::info) family.remove_suffix(5);     // _info
    const auto line = [&](std::string_view what) {
        text_ += "# ";
        text_ += what;
        text_ += ' ';
        text_ += family;
        text_ += ' ';
    };
    line("HELP");
    append_escaped(text_, help, openmetrics);
    text_ += '\n';
    line("TYPE");
    text_ += name_of(type, format_);
    text_ += '\n';
    if (!openmetrics || unit.empty()) return;
    line("UNIT");
    text_ += unit;
    text_ += '\n';
}

void Exposition::begin_sample(std::string_view labels) {
    text_ += name_;
    if (!labels.empty()) {
        text_ += '{';
        text_ += labels;
        text_ += '}';
    }
    text_ += ' ';
}

void Exposition::sample(std::string_view labels, std::uint64_t value) {
    begin_sample(labels);
    std::array<char, 32> digits;
    const auto written = std::to_chars(digits.data(), digits.data() + digits.size(), value);
    text_.append(digits.data(), written.ptr);
    text_ += '\n';
}

void Exposition::sample(std::string_view labels, double value) {
    begin_sample(labels);
    std::array<char, 64> digits;
    char* const end = digits.data() + digits.size();
    // 1700000000 is read more easily than 1.7e+09, as long as there is room for it.
    auto written = std::to_chars(digits.data(), end, value, std::chars_format::fixed);
    if (written.ec != std::errc{}) written = std::to_chars(digits.data(), end, value);
    text_.append(digits.data(), written.ptr);
    text_ += '\n';
}

std::string Exposition::finish() {
    if (format_ == ExpositionFormat::openmetrics) text_ += "# EOF\n";
    return std::move(text_);
}

Expected<std::string, std::string> exposition_to_json(std::string_view text) {
    ordered_json families = ordered_json::array();
    const auto family = [&](std::string_view name) -> ordered_json& {
        if (families.empty() || families.back()["name"] != name) {
            families.push_back({{"name", name},
                                {"help", ""},
                                {"type", "untyped"},
                                {"metrics", ordered_json::array()}});
        }
        return families.back();
    };
    int number = 0;
    while (!text.empty()) {
        std::string_view line = next_part(text, '\n');
        ++number;
        if (line.starts_with("# HELP ") || line.starts_with("# TYPE ")) {
            const bool is_help = line[2] == 'H';
            line.remove_prefix(7);
            const std::string_view name = next_part(line, ' ');
            family(name)[is_help ? "help" : "type"] = is_help ? unescaped(line) : std::string{line};
        } else if (!line.empty() && line.front() != '#') {
            auto sample = sample_line(line);
            if (!sample) {
                return Unexpected<std::string>{"line " + std::to_string(number) +
                                               " of the metrics is no sample"};
            }
            family(sample->name)["metrics"].push_back(
                {{"labels", std::move(sample->labels)}, {"value", std::move(sample->value)}});
        }
    }
    return families.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace reeve::api
