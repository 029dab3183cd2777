#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace reeve::api {

// Takes a text/event-stream apart (WHATWG HTML, "Server-sent events"), of which only the data
// matters here: it repeats the event's name and number.
class SseReader {
public:
    // `on_data` gets the data of each event, its lines joined by newlines.
    explicit SseReader(std::function<void(std::string_view)> on_data)
        : on_data_{std::move(on_data)} {}

    void feed(std::string_view bytes);

private:
    void end_line();

    std::function<void(std::string_view)> on_data_;
    std::string line_;
    std::string data_;
    bool has_data_ = false;
    bool after_cr_ = false;  // a newline after a carriage return ends no second line
};

}  // namespace reeve::api
