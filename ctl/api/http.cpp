#include "ctl/api/http.h"

#include <http_parser.h>

#include <algorithm>
#include <cctype>
#include <cstdio>

namespace reeve::api {

namespace {

// What http_parser thinks of a header field when it reports it in pieces.
enum class Piece { none, name, value };

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](char x, char y) { return lower(x) == lower(y); });
}

// Puts header fields together from the pieces in which they come.
class HeaderCollector {
public:
    explicit HeaderCollector(std::vector<Header>& headers) : headers_{headers} {}

    void name(std::string_view bytes) {
        if (last_ != Piece::name) headers_.emplace_back();
        for (const char c : bytes) headers_.back().name += lower(c);
        last_ = Piece::name;
    }

    void value(std::string_view bytes) {
        if (!headers_.empty()) headers_.back().value += bytes;
        last_ = Piece::value;
    }

private:
    std::vector<Header>& headers_;
    Piece last_ = Piece::none;
};

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

void append_header(std::string& out, std::string_view name, std::string_view value) {
    out += name;
    out += ": ";
    for (const char c : value) {
        if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) out += c;
    }
    out += "\r\n";
}

// Statuses whose responses never have a body (RFC 9112, 6.3).
bool has_no_body(int status) {
    return status / 100 == 1 || status == 204 || status == 304;
}

}  // namespace

std::optional<std::string_view> find_header(const std::vector<Header>& headers,
                                            std::string_view name) {
    for (const Header& header : headers) {
        if (header.name == name) return header.value;
    }
    return std::nullopt;
}

std::optional<std::string_view> Request::header(std::string_view lower_case_name) const {
    return find_header(headers, lower_case_name);
}

std::optional<std::string_view> Request::parameter(std::string_view name) const {
    for (const auto& [key, value] : query) {
        if (key == name) return value;
    }
    return std::nullopt;
}

std::optional<std::string_view> Response::header(std::string_view lower_case_name) const {
    return find_header(headers, lower_case_name);
}

// ---- requests ------------------------------------------------------------------------------

struct RequestParser::Impl {
    explicit Impl(HttpLimits given) : limits{given} { reset(); }

    void reset() {
        http_parser_init(&parser, HTTP_REQUEST);
        parser.data = this;
        request = {};
        collector.emplace(request.headers);
        phase = Phase::idle;
        header_bytes = 0;
        target_done = false;
        error.reset();
    }

    // For use in callbacks: notes the first error and stops the parser.  Not 1, which the parser
    // takes for "this message has no body".
    int fail(const ErrorCode& code, std::string message) {
        if (!error) error = HttpError{code, std::move(message)};
        return -1;
    }

    // What only the whole header can tell.
    int headers_complete() {
        phase = Phase::body;
        if (parser.http_major != 1) return fail(kHttpVersion, "only HTTP/1.1 is spoken here");
        request.method = http_method_str(static_cast<http_method>(parser.method));
        if (!split_target()) return -1;

        std::size_t hosts = 0;
        for (const Header& header : request.headers) hosts += header.name == "host" ? 1U : 0U;
        // RFC 9112, 3.2: a server must refuse such a request.
        if (parser.http_minor >= 1 && hosts != 1) {
            return fail(kBadRequest, hosts == 0 ? "the Host header is missing"
                                                : "there is more than one Host header");
        }
        if (const auto expect = request.header("expect")) {
            if (!equals_ignoring_case(*expect, "100-continue")) {
                return fail(kExpectationFailed, "only \"Expect: 100-continue\" is understood");
            }
            request.expect_continue = true;
        }
        const bool has_length = (parser.flags & F_CONTENTLENGTH) != 0;
        if (has_length && parser.content_length > limits.body) return fail_body();
        return 0;
    }

    int fail_body() {
        return fail(kBodyTooLarge,
                    "the body is longer than " + std::to_string(limits.body) + " bytes");
    }

    bool split_target() {
        http_parser_url url;
        http_parser_url_init(&url);
        const bool is_connect = parser.method == HTTP_CONNECT;
        if (is_connect || http_parser_parse_url(request.target.data(), request.target.size(),
                                                is_connect, &url) != 0) {
            // "*" is the one other form, of OPTIONS.
            if (request.target == "*") {
                request.path = "*";
                return true;
            }
            fail(kBadRequest, "the request target can't be read");
            return false;
        }
        const auto part = [&](http_parser_url_fields field) -> std::string_view {
            if ((url.field_set & (1U << field)) == 0) return {};
            return std::string_view{request.target}.substr(url.field_data[field].off,
                                                           url.field_data[field].len);
        };
        request.path = part(UF_PATH);
        if (request.path.empty()) request.path = "/";
        if (!split_path() || !split_query(part(UF_QUERY))) {
            fail(kBadRequest, "the request target has a bad percent encoding");
            return false;
        }
        return true;
    }

    bool split_path() {
        std::string_view rest = request.path;
        while (!rest.empty()) {
            rest.remove_prefix(1);  // the slash
            const std::string_view segment = rest.substr(0, rest.find('/'));
            auto decoded = percent_decode(segment);
            if (!decoded) return false;
            request.segments.push_back(std::move(*decoded));
            rest.remove_prefix(segment.size());
        }
        // "/" has no parts, and "/v1/status/" the same as "/v1/status".
        if (!request.segments.empty() && request.segments.back().empty()) {
            request.segments.pop_back();
        }
        return true;
    }

    bool split_query(std::string_view rest) {
        while (!rest.empty()) {
            const std::string_view pair = rest.substr(0, rest.find('&'));
            rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
            if (pair.empty()) continue;
            const std::size_t equals = pair.find('=');
            auto name = percent_decode(pair.substr(0, equals), true);
            auto value = equals == std::string_view::npos
                             ? std::optional<std::string>{std::string{}}
                             : percent_decode(pair.substr(equals + 1), true);
            if (!name || !value) return false;
            request.query.emplace_back(std::move(*name), std::move(*value));
        }
        return true;
    }

    int body(std::string_view bytes) {
        if (request.body.size() + bytes.size() > limits.body) return fail_body();
        request.body += bytes;
        return 0;
    }

    int complete() {
        phase = Phase::complete;
        request.keep_alive = http_should_keep_alive(&parser) != 0;
        request.takes_chunks = parser.http_minor >= 1;
        // Stops the parser right behind this request.
        http_parser_pause(&parser, 1);
        return 0;
    }

    static Impl& of(http_parser* parser) { return *static_cast<Impl*>(parser->data); }

    static const http_parser_settings& settings() {
        static const http_parser_settings table = [] {
            http_parser_settings made;
            http_parser_settings_init(&made);
            made.on_url = [](http_parser* p, const char* at, std::size_t size) {
                of(p).request.target.append(at, size);
                return 0;
            };
            made.on_header_field = [](http_parser* p, const char* at, std::size_t size) {
                of(p).target_done = true;
                // Behind the body come trailers, of which nobody asked any.
                if (of(p).phase != Phase::body) of(p).collector->name({at, size});
                return 0;
            };
            made.on_header_value = [](http_parser* p, const char* at, std::size_t size) {
                if (of(p).phase != Phase::body) of(p).collector->value({at, size});
                return 0;
            };
            made.on_headers_complete = [](http_parser* p) { return of(p).headers_complete(); };
            made.on_body = [](http_parser* p, const char* at, std::size_t size) {
                return of(p).body({at, size});
            };
            made.on_message_complete = [](http_parser* p) { return of(p).complete(); };
            return made;
        }();
        return table;
    }

    std::size_t feed(std::string_view bytes) {
        std::size_t taken = 0;
        while (taken < bytes.size() && phase != Phase::complete && phase != Phase::failed) {
            std::string_view next = bytes.substr(taken);
            const bool in_header = phase == Phase::idle || phase == Phase::header;
            if (in_header) {
                next = next.substr(0, limits.header - std::min(limits.header, header_bytes));
                if (next.empty()) {
                    const bool by_target = !target_done && !request.target.empty();
                    fail(by_target ? kTargetTooLong : kHeaderTooLarge,
                         std::string{by_target ? "the request target" : "the header"} +
                             " is longer than " + std::to_string(limits.header) + " bytes");
                    phase = Phase::failed;
                    break;
                }
                phase = Phase::header;
            }
            const std::size_t used =
                http_parser_execute(&parser, &settings(), next.data(), next.size());
            taken += used;
            if (in_header) header_bytes += used;

            const auto number = static_cast<http_errno>(parser.http_errno);
            if (number != HPE_OK && number != HPE_PAUSED) {
                fail(number == HPE_HEADER_OVERFLOW ? kHeaderTooLarge : kBadRequest,
                     std::string{"the request can't be read: "} + http_errno_description(number));
                phase = Phase::failed;
            }
        }
        return taken;
    }

    HttpLimits limits;
    http_parser parser{};
    Request request;
    std::optional<HeaderCollector> collector;
    Phase phase = Phase::idle;
    std::size_t header_bytes = 0;
    bool target_done = false;
    std::optional<HttpError> error;
};

RequestParser::RequestParser(HttpLimits limits) : impl_{std::make_unique<Impl>(limits)} {}
RequestParser::~RequestParser() = default;
std::size_t RequestParser::feed(std::string_view bytes) {
    return impl_->feed(bytes);
}
RequestParser::Phase RequestParser::phase() const {
    return impl_->phase;
}
const Request& RequestParser::request() const {
    return impl_->request;
}
const HttpError& RequestParser::error() const {
    return *impl_->error;
}
void RequestParser::next() {
    impl_->reset();
}

// ---- responses -----------------------------------------------------------------------------

struct ResponseParser::Impl {
    explicit Impl(std::function<void(std::string_view)> sink) : on_body{std::move(sink)} {
        reset();
    }

    void reset() {
        http_parser_init(&parser, HTTP_RESPONSE);
        parser.data = this;
        response = {};
        collector.emplace(response.headers);
        phase = Phase::header;
    }

    bool interim() const { return parser.status_code / 100 == 1 && parser.status_code != 101; }

    static Impl& of(http_parser* parser) { return *static_cast<Impl*>(parser->data); }

    static const http_parser_settings& settings() {
        static const http_parser_settings table = [] {
            http_parser_settings made;
            http_parser_settings_init(&made);
            made.on_header_field = [](http_parser* p, const char* at, std::size_t size) {
                if (of(p).phase == Phase::header) of(p).collector->name({at, size});
                return 0;
            };
            made.on_header_value = [](http_parser* p, const char* at, std::size_t size) {
                if (of(p).phase == Phase::header) of(p).collector->value({at, size});
                return 0;
            };
            made.on_headers_complete = [](http_parser* p) {
                of(p).response.status = static_cast<int>(p->status_code);
                if (!of(p).interim()) of(p).phase = Phase::body;
                return 0;
            };
            made.on_body = [](http_parser* p, const char* at, std::size_t size) {
                of(p).on_body({at, size});
                return 0;
            };
            made.on_message_complete = [](http_parser* p) {
                if (!of(p).interim()) of(p).phase = Phase::complete;
                of(p).message_done = true;
                http_parser_pause(p, 1);
                return 0;
            };
            return made;
        }();
        return table;
    }

    std::size_t feed(std::string_view bytes) {
        std::size_t taken = 0;
        while (taken < bytes.size() && phase != Phase::complete && phase != Phase::failed) {
            const std::string_view next = bytes.substr(taken);
            taken += http_parser_execute(&parser, &settings(), next.data(), next.size());
            any_byte = true;
            check_error();
            if (std::exchange(message_done, false) && phase == Phase::header) reset();
        }
        return taken;
    }

    void check_error() {
        const auto number = static_cast<http_errno>(parser.http_errno);
        if (number == HPE_OK || number == HPE_PAUSED) return;
        error = std::string{"the reply can't be read: "} + http_errno_description(number);
        phase = Phase::failed;
    }

    void finish() {
        if (phase == Phase::complete || phase == Phase::failed) return;
        http_parser_execute(&parser, &settings(), nullptr, 0);
        if (phase == Phase::complete) return;
        error = any_byte ? "the reply was cut off" : "there was no reply";
        phase = Phase::failed;
    }

    std::function<void(std::string_view)> on_body;
    http_parser parser{};
    Response response;
    std::optional<HeaderCollector> collector;
    Phase phase = Phase::header;
    bool message_done = false;
    bool any_byte = false;
    std::string error;
};

ResponseParser::ResponseParser(std::function<void(std::string_view)> on_body)
    : impl_{std::make_unique<Impl>(std::move(on_body))} {}
ResponseParser::~ResponseParser() = default;
std::size_t ResponseParser::feed(std::string_view bytes) {
    return impl_->feed(bytes);
}
void ResponseParser::finish() {
    impl_->finish();
}
ResponseParser::Phase ResponseParser::phase() const {
    return impl_->phase;
}
const Response& ResponseParser::response() const {
    return impl_->response;
}
const std::string& ResponseParser::error() const {
    return impl_->error;
}

// ---- writers -------------------------------------------------------------------------------

std::string_view reason_phrase(int status) {
    return http_status_str(static_cast<http_status>(status));
}

std::string write_head(const ResponseHead& head) {
    std::string out = "HTTP/1.1 " + std::to_string(head.status) + " ";
    out += reason_phrase(head.status);
    out += "\r\n";
    if (!head.content_type.empty()) append_header(out, "Content-Type", head.content_type);
    if (head.content_length) {
        append_header(out, "Content-Length", std::to_string(*head.content_length));
    } else if (!has_no_body(head.status) && !head.until_close) {
        append_header(out, "Transfer-Encoding", "chunked");
    }
    if (!head.keep_alive) append_header(out, "Connection", "close");
    for (const Header& header : head.more) append_header(out, header.name, header.value);
    out += "\r\n";
    return out;
}

std::string write_response(int status, std::string_view content_type, std::string_view body,
                           bool keep_alive) {
    std::string out = write_head({.status = status,
                                  .content_type = std::string{content_type},
                                  .content_length = body.size(),
                                  .keep_alive = keep_alive,
                                  .until_close = false,
                                  .more = {}});
    out += body;
    return out;
}

std::string write_error(const ErrorCode& code, std::string message, std::optional<std::string> hint,
                        bool keep_alive) {
    const std::string body =
        to_json(ErrorBody{std::string{code.word}, std::move(message), std::move(hint)}) + "\n";
    return write_response(code.http_status, kJsonType, body, keep_alive);
}

std::string write_switch(std::string_view protocol) {
    return write_head({.status = 101,
                       .content_type = {},
                       .content_length = std::nullopt,
                       .keep_alive = true,
                       .more = {{"Connection", "Upgrade"}, {"Upgrade", std::string{protocol}}}});
}

std::string write_chunk(std::string_view bytes) {
    if (bytes.empty()) return {};
    char size[32];
    std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
    std::string out = size;
    out.reserve(out.size() + bytes.size() + 2);
    out += bytes;
    out += "\r\n";
    return out;
}

std::string write_request(std::string_view method, std::string_view target,
                          const std::vector<Header>& headers, std::string_view body) {
    std::string out{method};
    out += ' ';
    out += target;
    out += " HTTP/1.1\r\n";
    append_header(out, "Host", "reeve");
    for (const Header& header : headers) append_header(out, header.name, header.value);
    if (!body.empty() || method == "POST") {
        append_header(out, "Content-Length", std::to_string(body.size()));
    }
    out += "\r\n";
    out += body;
    return out;
}

std::string percent_encode(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
        if (plain) {
            out += c;
            continue;
        }
        constexpr char kHex[] = "0123456789ABCDEF";
        const auto byte = static_cast<unsigned char>(c);
        out += '%';
        out += kHex[byte >> 4];
        out += kHex[byte & 15];
    }
    return out;
}

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '+' && plus_is_space) {
            out += ' ';
        } else if (text[i] != '%') {
            out += text[i];
        } else {
            if (i + 2 >= text.size()) return std::nullopt;
            const int high = hex_digit(text[i + 1]);
            const int low = hex_digit(text[i + 2]);
            if (high < 0 || low < 0 || (high == 0 && low == 0)) return std::nullopt;
            out += static_cast<char>(high * 16 + low);
            i += 2;
        }
    }
    return out;
}

}  // namespace reeve::api
