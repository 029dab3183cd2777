#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "conf/probe_address.h"
#include "supervisor/app/connector.h"
#include "supervisor/app/http_get.h"
#include "supervisor/app/side_commands.h"
#include "supervisor/model/health.h"

namespace reeve::app {

// What is tried.
struct TcpProbe {
    conf::ServerAddress server;  // passes when it takes the connection
};
struct HttpProbe {
    conf::HttpAddress address;  // passes with a status of 2xx or 3xx
};
struct FileProbe {
    std::string path;  // passes when it exists
};
struct ExecProbe {
    std::string name;  // for people: the command's first word
    // Made anew for each try; lane and timeout are filled in.  Passes with exit 0.
    std::function<SideOrder()> order;
};
using ProbeTarget = std::variant<TcpProbe, HttpProbe, FileProbe, ExecProbe>;

struct ProbeResult {
    model::ProbeVerdict verdict = model::ProbeVerdict::failed;
    // One line for people: "tcp 127.0.0.1:8080: Connection refused",
    // "exec pg_isready: exit 2: no response".
    std::string text{};
    std::string output{};  // of an exec: the end of what it wrote

    bool ok() const { return verdict == model::ProbeVerdict::passed; }
};

// Tries one target, again and again if it is asked to; one try at a time, each with its time limit.
class Probe {
public:
    // Both must outlive this.
    Probe(loop::Loop& loop, SideCommands& commands, ProbeTarget target);
    ~Probe();
    Probe(const Probe&) = delete;
    Probe& operator=(const Probe&) = delete;

    // `done` comes once, never from inside this call, and may start the next or destroy the probe.
    // What was under way is cancelled.  The timeout is positive.
    void start(std::chrono::milliseconds timeout, std::function<void(const ProbeResult&)> done);
    // A command is killed, a connection closed; a thread that hangs in a dead path stays there, and
    // the next try waits for it instead of taking another.
    void cancel();
    bool busy() const { return done_ != nullptr; }

private:
    struct Look;

    void start(const TcpProbe& target);
    void start(const HttpProbe& target);
    void start(const FileProbe& target);
    void start(const ExecProbe& target);
    void look(const FileProbe& target);
    void on_looked(const FileProbe& target);
    void on_ended(const ExecProbe& target, const SideResult& result);
    void on_deadline();
    void finish(ProbeResult result);

    loop::Loop& loop_;
    SideCommands& commands_;
    const ProbeTarget target_;
    std::chrono::milliseconds timeout_{0};
    std::function<void(const ProbeResult&)> done_;

    std::unique_ptr<Connector> connector_;
    std::unique_ptr<HttpGet> http_;
    std::optional<RunId> command_;
    std::unique_ptr<loop::Work> work_;
    std::shared_ptr<Look> look_;
    loop::Timer deadline_;  // only of a look at a file: the others keep to their own
    loop::Deferred refuse_;
    ProbeResult refusal_;
};

}  // namespace reeve::app
