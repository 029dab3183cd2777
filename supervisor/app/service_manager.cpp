#include "supervisor/app/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <set>
#include <utility>

#include "supervisor/control/status.h"

namespace reeve::app {

using std::chrono::microseconds;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds kStatusPause{1000};
constexpr milliseconds kRetry{100};
// Of what the manager has not taken; then what is oldest is stale anyway.
constexpr std::size_t kMostUnsent = 32;
// The start may take as long as its programs' own timeouts let it; the manager is asked for a while
// more at a time, so that a reeve that hangs is found out.
constexpr milliseconds kExtendEvery{20'000};
constexpr milliseconds kExtendBy{60'000};
// What comes after the programs' end: the kill, the last lines of output.
constexpr milliseconds kAfterStop{10'000};

std::string extend_by(milliseconds time) {
    return "EXTEND_TIMEOUT_USEC=" + std::to_string(microseconds{time}.count());
}

std::string monotonic_now() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return std::to_string(now.tv_sec * 1'000'000LL + now.tv_nsec / 1000);
}

}  // namespace

ServiceManager::ServiceManager(loop::Loop& loop, const core::Roster& roster, core::EventLog& events,
                               ServiceWishes wishes, Warn warn)
    : roster_{roster},
      events_{events},
      wishes_{std::move(wishes)},
      warn_{std::move(warn)},
      look_{loop, [this] { look(); }},
      quiet_{loop,
             [this] {
                 if (status_due_) say_status();
             }},
      extend_{loop, [this] { extend_start(); }},
      again_{loop, [this] { flush(); }},
      watchdog_{loop, [this] { send("WATCHDOG=1"); }} {
    if (!wishes_.fault.empty()) {
        warn_("what the service manager asks for can't be done: " + wishes_.fault);
    }
    if (wishes_.socket.empty()) return;
    open();
    if (!socket_) return;
    listener_ = events_.subscribe([this](const core::Event& event) { on_event(event); });
    if (wishes_.feed_every) watchdog_.start(milliseconds{0}, *wishes_.feed_every);
    extend_start();
}

ServiceManager::~ServiceManager() {
    if (socket_) events_.unsubscribe(listener_);
}

void ServiceManager::open() {
    socket_ = base::Fd{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!socket_) {
        warn_("nothing is told to the service manager: " +
              base::OsError{"socket", wishes_.socket, errno}.text());
    } else if (wishes_.socket.size() >= sizeof(sockaddr_un::sun_path)) {
        warn_("nothing is told to the service manager: NOTIFY_SOCKET is too long");
        socket_.reset();
    }
}

// --- what happens --------------------------------------------------------------------------------

void ServiceManager::started() {
    started_ = true;
    if (socket_) look_.arm();
}

void ServiceManager::on_event(const core::Event& event) {
    if (std::holds_alternative<core::event::SupervisorStopping>(event.body)) return stopping();
    if (std::holds_alternative<core::event::StateChanged>(event.body) ||
        std::holds_alternative<core::event::Ready>(event.body) ||
        std::holds_alternative<core::event::ConfigApplied>(event.body)) {
        look_.arm();
    }
}

void ServiceManager::apply_begins() {
    if (!socket_ || applies_++ > 0 || !ready_ || stopping_) return;
    send("RELOADING=1\nMONOTONIC_USEC=" + monotonic_now() + "\nSTATUS=applying the configuration");
    last_status_.clear();
}

void ServiceManager::apply_ended(bool successful) {
    if (!socket_) return;
    last_apply_failed_ = !successful;
    if (--applies_ > 0 || !ready_ || stopping_) return;
    last_status_ = status();
    send("READY=1\nSTATUS=" + last_status_);
}

void ServiceManager::stopping() {
    stopping_ = true;
    extend_.stop();
    const auto deadline = roster_.shutdown().deadline();
    const auto now = std::chrono::time_point_cast<milliseconds>(std::chrono::steady_clock::now());
    const milliseconds budget =
        deadline ? std::max(*deadline - now, milliseconds{0}) : milliseconds{0};
    send("STOPPING=1\n" + extend_by(budget + kAfterStop) +
         "\nSTATUS=stopping: " + roster_.shutdown().reason());
}

void ServiceManager::extend_start() {
    if (ready_ || stopping_) return;
    send(extend_by(kExtendBy));
    extend_.start(kExtendEvery);
}

// --- what is told --------------------------------------------------------------------------------

bool ServiceManager::is_up() const {
    for (const core::Instance* instance : roster_.instances()) {
        const conf::Program& program = instance->program();
        if (!program.autostart || program.schedule || instance->machine().ready()) continue;
        // A task is not ready before it is done.
        if (instance->state() == model::State::starting ||
            instance->state() == model::State::running) {
            return false;
        }
    }
    return true;
}

std::string ServiceManager::status() const {
    std::vector<InstanceStatus> instances;
    for (const core::Instance* instance : roster_.instances())
        instances.push_back({instance->name(), instance->state()});
    return status_line(instances) +
           (last_apply_failed_ ? "; the changed configuration was not applied (reevectl diff)"
                               : "");
}

void ServiceManager::look() {
    if (stopping_) return;
    if (started_ && !ready_ && is_up()) {
        ready_ = true;
        extend_.stop();
        last_status_ = status();
        send("READY=1\nMAINPID=" + std::to_string(::getpid()) + "\nSTATUS=" + last_status_);
        quiet_.start(kStatusPause);
        return;
    }
    status_due_ = true;
    if (!quiet_.active()) say_status();
}

void ServiceManager::say_status() {
    status_due_ = false;
    if (stopping_ || applies_ > 0) return;
    std::string now = status();
    if (now == last_status_) return;
    last_status_ = std::move(now);
    send("STATUS=" + last_status_);
    quiet_.start(kStatusPause);
}

void ServiceManager::send(std::string text) {
    if (!socket_) return;
    unsent_.push_back(std::move(text));
    if (unsent_.size() > kMostUnsent) unsent_.pop_front();
    flush();
}

void ServiceManager::flush() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    wishes_.socket.copy(address.sun_path, sizeof address.sun_path);
    if (address.sun_path[0] == '@') address.sun_path[0] = '\0';
    const auto size =
        static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + wishes_.socket.size());
    while (!unsent_.empty()) {
        const std::string& text = unsent_.front();
        const ssize_t sent = ::sendto(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL,
                                      reinterpret_cast<const sockaddr*>(&address), size);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM)) {
            again_.start(kRetry);
            return;
        }
        if (sent < 0 && !std::exchange(told_trouble_, true)) {
            warn_("the service manager can't be told: " +
                  base::OsError{"send to", wishes_.socket, errno}.text());
        } else if (sent >= 0) {
            told_trouble_ = false;
        }
        unsent_.pop_front();
    }
}

}  // namespace reeve::app
