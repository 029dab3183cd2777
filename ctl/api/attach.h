#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

// What is spoken on a connection once POST /v1/programs/NAME/attach?rows=&columns=&lines= with
// "Connection: Upgrade" and "Upgrade: reeve-attach" was answered with 101 Switching Protocols.
//
// Frames, both ways: one byte that says what it is, three for the length of what follows (the most
// significant first), and that.  What is not known is skipped, so that a newer peer may say more.
//
// The client has at most kInputWindow bytes of input on their way: `taken` gives so many back.  So
// reeve reads always, notices at once when the client has gone, and holds no more than that for a
// program that does not read.  Whoever closes the connection, or only its own side, has detached.
namespace reeve::api {

inline constexpr std::string_view kAttachProtocol = "reeve-attach";
inline constexpr std::size_t kLongestFrame = 64 * 1024;
inline constexpr std::size_t kInputWindow = 64 * 1024;

enum class AttachFrame : char {
    // From the client.
    input = 'i',   // bytes, as if they were typed
    window = 'w',  // rows and columns, two bytes each; 0: not known

    // To the client.
    output = 'o',  // bytes, as the program wrote them
    taken = 't',   // so many bytes of input are with the terminal: eight bytes
    missed = 'm',  // so many bytes of output were here that the client did not read in time: eight
    notice = 'n',  // a sentence about the program
    end = 'e',     // "+" or "-", whether all is well, and a sentence: there will be nothing more
};

// A payload of more than kLongestFrame becomes several frames.
std::string write_frame(AttachFrame type, std::string_view payload);
std::string write_count(AttachFrame type, std::uint64_t count);

struct AttachWindow {
    std::uint16_t rows = 0;
    std::uint16_t columns = 0;
    bool operator==(const AttachWindow&) const = default;
};
std::string write_window(AttachWindow window);

// Of a payload; nullopt: it is none.
std::optional<AttachWindow> read_window(std::string_view payload);
std::optional<std::uint64_t> read_count(std::string_view payload);

// Takes frames apart, however they are cut.
class AttachReader {
public:
    using OnFrame = std::function<void(AttachFrame type, std::string_view payload)>;

    // False once a frame was too long: nothing that comes can be read any more.
    bool feed(std::string_view bytes, const OnFrame& on_frame);

private:
    std::string rest_;
    bool failed_ = false;
};

}  // namespace reeve::api
