#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace reeve::model {

// Cuts a stream of bytes into lines, however it was chunked on its way.  A line longer than
// `longest` comes as pieces of exactly that many bytes and a last one that ends it.
class LineBuffer {
public:
    static constexpr std::size_t kLongest = 1024 * 1024;

    explicit LineBuffer(std::size_t longest = kLongest) : longest_{longest} {}

    // Calls on_line(std::string_view text, bool ends) for what is complete, without the newline;
    // `ends` is false for a piece.  The text is gone when on_line returns.
    template <typename OnLine>
    void feed(std::string_view bytes, OnLine&& on_line);

    // Ends an unfinished line as if a newline had come; does nothing between two lines.
    template <typename OnLine>
    void finish(OnLine&& on_line);

    // What has come of the line that is not complete, without pieces that were passed on.
    std::string_view pending() const { return pending_; }

private:
    // An idle stream holds no memory.
    void clear() {
        if (pending_.capacity() > std::string{}.capacity()) std::string{}.swap(pending_);
        pending_.clear();
    }

    std::size_t longest_;
    std::string pending_;
    bool after_piece_ = false;
};

template <typename OnLine>
void LineBuffer::feed(std::string_view bytes, OnLine&& on_line) {
    while (!bytes.empty()) {
        const std::size_t newline = bytes.find('\n');
        std::string_view part = bytes.substr(0, newline);

        while (pending_.size() + part.size() > longest_) {
            const std::size_t fill = longest_ - pending_.size();
            pending_.append(part.substr(0, fill));
            part.remove_prefix(fill);
            on_line(std::string_view{pending_}, false);
            pending_.clear();
            after_piece_ = true;
        }

        if (newline == std::string_view::npos) {
            pending_.append(part);
            return;
        }
        if (pending_.empty()) {
            on_line(part, true);  // the usual case: nothing is copied
        } else {
            pending_.append(part);
            on_line(std::string_view{pending_}, true);
        }
        clear();
        after_piece_ = false;
        bytes.remove_prefix(newline + 1);
    }
}

template <typename OnLine>
void LineBuffer::finish(OnLine&& on_line) {
    if (!pending_.empty() || after_piece_) on_line(std::string_view{pending_}, true);
    clear();
    after_piece_ = false;
}

}  // namespace reeve::model
