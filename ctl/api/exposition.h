#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "supervisor/base/expected.h"

// Metrics as Prometheus reads them, in its own text format 0.0.4 and in OpenMetrics 1.0.
namespace reeve::api {

enum class ExpositionFormat { text, openmetrics };

// For the Content-Type.
std::string_view content_type(ExpositionFormat format);

// What a client that sends this Accept header gets: OpenMetrics where it takes that in version 1.0
// no less than the text, which everybody else gets.
ExpositionFormat exposition_format(std::string_view accept);

enum class MetricType { counter, gauge, info };

// `name="value"`, the value escaped.
std::string metric_label(std::string_view name, std::string_view value);

// Writes one document: for each family first its name, then its samples.
class Exposition {
public:
    explicit Exposition(ExpositionFormat format) : format_{format} {}

    // `name` as it stands before samples: that of a counter ends in _total, that of an info in
    // _info.  `unit` empty: it has none; else the name ends in it ("seconds", "bytes").  It must
    // live until the next family.
    void family(std::string_view name, MetricType type, std::string_view unit,
                std::string_view help);

    // `labels` are joined by commas, without braces.
    void sample(std::string_view labels, std::uint64_t value);
    void sample(std::string_view labels, double value);

    // The end of the document; nothing may follow.
    std::string finish();

private:
    void begin_sample(std::string_view labels);

    ExpositionFormat format_;
    std::string_view name_;
    std::string text_;
};

// A document of the text format as JSON, for `reevectl metrics --json`: an array of families with
// "name", "help", "type" and "metrics", each of those with "labels" and "value" (a string, since
// JSON knows no NaN), as prom2json has it.
Expected<std::string, std::string> exposition_to_json(std::string_view text);

}  // namespace reeve::api
