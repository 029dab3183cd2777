#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "conf/units.h"
#include "ctl/screens/screens.h"
#include "ctl/verbs/verbs.h"

namespace reeve::ctl {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kTick{1000};

// Knows when reeve has ended: by its pid where that can be had, else by its socket.
class Ending {
public:
    Ending(const Client& client, int pid) : client_{client} {
        if (pid <= 0) return;
        pidfd_ = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
    }
    ~Ending() {
        if (pidfd_ >= 0) close(pidfd_);
    }
    Ending(const Ending&) = delete;
    Ending& operator=(const Ending&) = delete;

    // Waits that long at most.
    bool ended(milliseconds patience) const {
        if (pidfd_ >= 0) {
            pollfd entry{pidfd_, POLLIN, 0};
            return poll(&entry, 1, static_cast<int>(patience.count())) > 0;
        }
        // Kernels before 5.3, sandboxes that refuse the call, and a reeve in another PID namespace.
        constexpr milliseconds kStep{50};
        const auto until = Clock::now() + patience;
        for (;;) {
            const auto answer = client_.begin(
                {.method = "GET", .target = "/livez", .body = {}, .accept = {}, .timeout = kTick});
            if (!answer && answer.error().exit == Exit::unreachable) return true;
            if (Clock::now() >= until) return false;
            poll(nullptr, 0, static_cast<int>(kStep.count()));
        }
    }

private:
    const Client& client_;
    int pidfd_ = -1;
};

// What is still there: "web (pid 4121), db (pid 4130)".
std::string still_there(const Session& session) {
    Call call = session.question("/v1/status");
    call.timeout = kTick;
    const auto status = session.client.ask<api::Status>(call);
    if (!status) return {};
    std::string names;
    for (const api::ProgramStatus& program : status->programs) {
        if (program.state != "stopping" && !program.pid) continue;
        names += (names.empty() ? "" : ", ") + harmless(program.name);
        if (program.pid) names += " (pid " + std::to_string(*program.pid) + ")";
    }
    return names;
}

}  // namespace

Exit shutdown_verb(const Session& session) {
    Call call;
    call.method = "POST";
    call.target = "/v1/shutdown";
    call.timeout = session.patience();
    const auto began = Clock::now();
    auto exchange = session.client.begin(call);
    if (!exchange) return session.fail(exchange.error());
    // Held from before the answer on, so that the number can't be another's by then.
    const Ending ending{session.client, exchange->peer_pid()};
    const auto reply = exchange->finish();
    if (!reply) return session.fail(reply.error());
    const auto answer = session.client.decode<api::ShutdownReply>(reply->body);
    if (!answer) return session.fail(answer.error());
    if (!answer->ok) return session.fail({Exit::failed, answer->message, ""});

    if (session.options.no_wait) {
        if (session.options.json)
            session.print_json(reply->body);
        else
            session.print("reeve is shutting down\n");
        return Exit::done;
    }

    std::string said;
    milliseconds patience = kTick;
    for (;;) {
        if (session.options.timeout) {
            const auto left =
                std::chrono::ceil<milliseconds>(began + *session.options.timeout - Clock::now());
            patience = std::clamp(left, milliseconds{0}, kTick);
        }
        if (ending.ended(patience)) break;
        if (session.options.timeout && Clock::now() >= began + *session.options.timeout) {
            return session.fail({Exit::failed,
                                 "reeve is still shutting down after " +
                                     conf::format_duration(*session.options.timeout),
                                 "'reevectl status' shows what it waits for"});
        }
        if (session.options.quiet || session.options.json) continue;
        const std::string names = still_there(session);
        if (!names.empty() && names != said) {
            complain(session.world, "reevectl: waiting for " + names + "\n");
            said = names;
        }
    }
    if (session.options.json)
        session.print_json(reply->body);
    else
        session.print("reeve has ended\n");
    return Exit::done;
}

}  // namespace reeve::ctl
