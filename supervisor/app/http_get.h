#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "conf/probe_address.h"
#include "ctl/api/http.h"
#include "supervisor/app/connector.h"

namespace reeve::app {

// One GET of HTTP/1.1 on a connection of its own, without waiting.  It follows no redirect and
// reads no more of the answer than it tells.
class HttpGet {
public:
    struct Answer {
        int status = 0;    // 0: there was none
        std::string text;  // "503 Service Unavailable: the body's beginning", "Connection refused"
        bool lacking = false;  // as Connector::Failure
        bool is_good() const { return status >= 200 && status < 400; }
    };

    static constexpr std::size_t kLongestHead = 16 * 1024;
    static constexpr std::size_t kBody = 200;  // bytes that it tells

    explicit HttpGet(loop::Loop& loop);
    ~HttpGet();
    HttpGet(const HttpGet&) = delete;
    HttpGet& operator=(const HttpGet&) = delete;

    // `done` never comes from inside this call.  What was under way is cancelled.
    void start(const conf::HttpAddress& address, std::chrono::milliseconds timeout,
               std::function<void(const Answer&)> done);
    void cancel();

private:
    void on_connected(Connector::Result result);
    void on_ready();
    bool send();
    void receive();
    bool take(std::string_view bytes);
    void on_end();
    void on_deadline();
    void answer();
    void fail(std::string text, bool lacking = false);
    void finish(const Answer& answer);

    loop::Loop& loop_;
    Connector connector_;
    loop::FdWatch watch_;
    loop::Timer deadline_;
    base::Fd socket_;
    conf::HttpAddress address_;
    std::chrono::milliseconds timeout_{0};
    std::chrono::milliseconds due_{0};
    std::function<void(const Answer&)> done_;
    std::string request_;  // what is still to be sent
    std::unique_ptr<api::ResponseParser> parser_;
    std::size_t head_bytes_ = 0;
    bool has_head_ = false;
    std::string body_;
};

}  // namespace reeve::app
