#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ctl/api/messages.h"
#include "supervisor/base/expected.h"

// HTTP/1.1 on bytes: no socket, no clock.  Whoever owns the connection feeds what it read and sends
// what the writers return.
namespace reeve::api {

struct Header {
    std::string name;  // lower case once parsed
    std::string value;
    bool operator==(const Header&) const = default;
};

// Of the first header of that name (given in lower case).
std::optional<std::string_view> find_header(const std::vector<Header>& headers,
                                            std::string_view name);

struct HttpLimits {
    // Request line and headers together; at most 80 KiB, where the parsing library stops by itself.
    std::size_t header = 32 * 1024;
    std::size_t body = 1024 * 1024;
};

// What is wrong with what the peer sent; `code` says which status fits.
struct HttpError {
    ErrorCode code;
    std::string message;
};

struct Request {
    std::string method;  // "GET"
    std::string target;  // as it was sent
    std::string path;    // "/v1/programs/web%402/start": no query, still encoded
    // The path's parts, decoded one by one, so that a %2F in a name splits nothing.
    std::vector<std::string> segments;
    std::vector<std::pair<std::string, std::string>> query;  // decoded, in order
    std::vector<Header> headers;
    std::string body;
    bool keep_alive = false;
    bool takes_chunks = true;      // HTTP/1.0 knows none
    bool expect_continue = false;  // the client wants "100 Continue" before it sends the body

    std::optional<std::string_view> header(std::string_view lower_case_name) const;
    // The first of that name; nullopt when it isn't there.
    std::optional<std::string_view> parameter(std::string_view name) const;
};

// Takes requests apart, one after the other on one connection.
class RequestParser {
public:
    enum class Phase {
        idle,      // no byte of a request yet
        header,    // its deadline runs
        body,      // headers are in request(), time for "100 Continue" if it is expected
        complete,  // take request(), then call next()
        failed,    // answer error() and close: where the next request begins is unknown
    };

    explicit RequestParser(HttpLimits limits = {});
    ~RequestParser();
    RequestParser(const RequestParser&) = delete;
    RequestParser& operator=(const RequestParser&) = delete;

    // Returns how many bytes it took: fewer than were given once a request is complete (the rest
    // belongs to the next one) or has failed.  Takes nothing in those two phases.
    std::size_t feed(std::string_view bytes);

    Phase phase() const;
    const Request& request() const;
    const HttpError& error() const;  // only when failed

    // Ready for the next request on the same connection; request() is gone.
    void next();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

struct Response {
    int status = 0;
    std::vector<Header> headers;

    std::optional<std::string_view> header(std::string_view lower_case_name) const;
};

// Takes one response apart; "100 Continue" and its like are skipped.  After "101 Switching
// Protocols" it is complete, and what it does not take is the other protocol's.
class ResponseParser {
public:
    enum class Phase { header, body, complete, failed };

    // `on_body` gets the body in pieces as they come, already without chunk framing.
    explicit ResponseParser(std::function<void(std::string_view)> on_body);
    ~ResponseParser();
    ResponseParser(const ResponseParser&) = delete;
    ResponseParser& operator=(const ResponseParser&) = delete;

    // Returns how many bytes it took; none once complete or failed.
    std::size_t feed(std::string_view bytes);
    // The peer closed: a body without a length is now complete, any other is cut, which is a
    // failure.
    void finish();

    Phase phase() const;
    const Response& response() const;  // from phase `body` on
    const std::string& error() const;  // only when failed: "the reply was cut off"

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

// ---- writers -------------------------------------------------------------------------------

struct ResponseHead {
    int status = 200;
    std::string content_type;
    std::optional<std::uint64_t> content_length;  // nullopt: chunked, unless there can be no body
    bool keep_alive = true;
    bool until_close = false;  // neither: the body ends with the connection
    std::vector<Header> more;
};

std::string_view reason_phrase(int status);

// Status line, headers, empty line.  Control characters in header values are dropped.
std::string write_head(const ResponseHead& head);

// Head and body in one.
std::string write_response(int status, std::string_view content_type, std::string_view body,
                           bool keep_alive);

// The error as its JSON body with the status that fits.
std::string write_error(const ErrorCode& code, std::string message, std::optional<std::string> hint,
                        bool keep_alive);

// "101 Switching Protocols": what comes behind it is spoken in `protocol`.
std::string write_switch(std::string_view protocol);

inline constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

// One chunk of a chunked body; nothing for no bytes, which would end it.
std::string write_chunk(std::string_view bytes);
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

// A request with its Content-Length; `target` is already encoded.
std::string write_request(std::string_view method, std::string_view target,
                          const std::vector<Header>& headers, std::string_view body);

// Everything but RFC 3986's unreserved characters becomes %XX: "web*" is "web%2A".
std::string percent_encode(std::string_view text);
// nullopt: a % that two hex digits do not follow, or an encoded NUL.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space = false);

inline constexpr std::string_view kJsonType = "application/json";
inline constexpr std::string_view kNdjsonType = "application/x-ndjson";
inline constexpr std::string_view kTextType = "text/plain; charset=utf-8";
inline constexpr std::string_view kEventStreamType = "text/event-stream";

}  // namespace reeve::api
