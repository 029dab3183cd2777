#include "supervisor/app/run_watch.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <utility>

namespace reeve::app {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

template <typename... Handlers>
struct Overloaded : Handlers... {
    using Handlers::operator()...;
};

// What a try may take at least, however often they come: a server that is busy with its start
// answers late, and is no less ready then.
constexpr milliseconds kLeastPatience{3000};

}  // namespace

RunWatch::RunWatch(Parts parts)
    : parts_{std::move(parts)},
      healthy_by_{&parts_.program},
      next_try_{parts_.loop, [this] { try_ready(); }},
      newline_watch_{parts_.loop} {}

ProbeTarget RunWatch::target_of(const std::vector<conf::ProbeTarget>& probes) const {
    const auto& target = probes[static_cast<std::size_t>(parts_.instance - 1)];
    return std::visit(
        Overloaded{
            [](const conf::ServerAddress& server) -> ProbeTarget { return TcpProbe{server}; },
            [](const conf::HttpAddress& address) -> ProbeTarget { return HttpProbe{address}; },
            [](const conf::FileTarget& file) -> ProbeTarget { return FileProbe{file.path}; },
            [this](const conf::ExecTarget& exec) -> ProbeTarget {
                return ExecProbe{exec.words.front(),
                                 [this, words = exec.words] { return parts_.order(words); }};
            }},
        target);
}

// --- ready ---------------------------------------------------------------------------------------

void RunWatch::await_ready() {
    if (parts_.program.ready.kind != conf::Readiness::Kind::probe) return;
    try_ready();
}

void RunWatch::try_ready() {
    const conf::Readiness& ready = parts_.program.ready;
    if (!ready_) {
        ready_ = std::make_unique<Probe>(parts_.loop, parts_.commands, target_of(ready.probes));
    }
    tried_ = steady_clock::now();
    ready_->start(std::max(ready.interval, kLeastPatience), [this](const ProbeResult& result) {
        if (result.ok()) {
            parts_.on_ready();
            return;
        }
        const auto passed = std::chrono::duration_cast<milliseconds>(steady_clock::now() - tried_);
        next_try_.start(parts_.program.ready.interval - passed);
        parts_.on_hint(result.text);
    });
}

base::OsExpected<base::Fd> RunWatch::open_descriptor() {
    auto pipe = base::make_pipe();
    if (!pipe) return Unexpected<base::OsError>{pipe.error()};
    newline_ = std::move(pipe->read);
    const auto watched = newline_watch_.start(newline_.get(), {.readable = true},
                                              [this](loop::FdWatch::Ready) { on_newline(); });
    if (!watched) return Unexpected<base::OsError>{watched.error()};
    return std::move(pipe->write);
}

// Whatever stands before it is of no meaning, as s6 has it.  Read on: who finds the pipe full
// waits, and who finds it closed is killed by SIGPIPE.
void RunWatch::on_newline() {
    std::array<char, 512> bytes{};
    const ssize_t count = ::read(newline_.get(), bytes.data(), bytes.size());
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count <= 0) {
        newline_watch_.stop();
        newline_.reset();
        if (!had_newline_) {
            parts_.on_hint("it has closed descriptor " +
                           std::to_string(parts_.program.ready.descriptor) +
                           " without writing a newline");
        }
        return;
    }
    const std::string_view text{bytes.data(), static_cast<std::size_t>(count)};
    if (had_newline_ || text.find('\n') == std::string_view::npos) return;
    had_newline_ = true;
    parts_.on_ready();
}

// --- healthy -------------------------------------------------------------------------------------

void RunWatch::set_health(const conf::Program& program) {
    healthy_by_ = &program;
    health_.reset();
}

void RunWatch::probe_health() {
    if (!healthy_by_->health) return;
    const conf::HealthCheck& check = *healthy_by_->health;
    if (!health_) {
        health_ = std::make_unique<Probe>(parts_.loop, parts_.commands, target_of(check.probes));
    }
    health_->start(check.timeout, [this](const ProbeResult& result) {
        parts_.on_probed(result.verdict, result.text);
    });
}

void RunWatch::end() {
    next_try_.stop();
    if (ready_) ready_->cancel();
    if (health_) health_->cancel();
}

}  // namespace reeve::app
