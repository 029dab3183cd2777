#include "supervisor/app/control_ports.h"

#include <fcntl.h>

#include <algorithm>
#include <utility>

#include "conf/listen_address.h"
#include "conf/units.h"
#include "supervisor/app/listen_sockets.h"
#include "supervisor/os/listen_socket.h"

namespace reeve::app {

using control::Finding;
using Verdict = Finding::Verdict;

namespace {

constexpr int kBacklog = 128;
constexpr std::chrono::milliseconds kBury{1000};

std::string shown(const conf::ListenAddress& address) {
    return conf::format_listen_address(address);
}

// Whether what is said there stays on this machine.
bool is_loopback(const conf::ListenAddress& address) {
    return address.host.starts_with("127.") || address.host == "::1";
}

}  // namespace

ControlPorts::ControlPorts(loop::Loop& loop, Log log)
    : loop_{loop}, log_{std::move(log)}, bury_{loop, [this] { bury(); }} {}

void ControlPorts::start(const control::World& world) {
    world_.emplace(world);
    open_all();
}

void ControlPorts::stop() {
    world_.reset();
    for (const auto& port : ports_) {
        if (port->server) port->server->stop();
    }
    ports_.clear();
    retired_.clear();
    bury_.stop();
}

void ControlPorts::set(const conf::Control& control) {
    control_ = control;
    access_.token = control.token;
    access_.hosts = control.hosts;

    std::vector<std::unique_ptr<Port>> wanted;
    for (const conf::ListenAddress& address : control.listen) {
        const auto known = std::ranges::find_if(
            ports_, [&](const auto& port) { return port && port->address == address; });
        if (known != ports_.end()) {
            wanted.push_back(std::move(*known));
            continue;
        }
        wanted.push_back(std::make_unique<Port>(loop_, [this](Port& port) { open(port); }));
        wanted.back()->address = address;
    }
    for (const auto& port : ports_) {
        if (port) retire(*port);
    }
    ports_ = std::move(wanted);
    for (const auto& port : ports_) {
        if (port->server) port->server->review();
    }
    // After those that go: a new address may take in an old one.
    open_all();
}

void ControlPorts::open_all() {
    if (!world_) return;
    for (const auto& port : ports_) {
        if (!port->server && !port->retry.active() && !port->work.busy()) open(*port);
    }
}

// Never waits: no name is looked up.
void ControlPorts::open(Port& port) {
    auto listening = os::listen_on({.host = port.address.host,
                                    .port = port.address.port,
                                    .datagram = false,
                                    .backlog = kBacklog});
    if (listening) return serve(port, std::move(*listening));
    if (listening.error().number == port.error) {
        port.retry.start(kRetry);
        return;
    }
    port.error = listening.error().number;
    find_out(port);
}

void ControlPorts::serve(Port& port, base::Fd listening) {
    const int flags = ::fcntl(listening.get(), F_GETFL);
    ::fcntl(listening.get(), F_SETFL, flags | O_NONBLOCK);
    port.server = std::make_unique<control::Server>(*world_, log_.warn);
    if (const auto started = port.server->start(std::move(listening)); !started) {
        port.server.reset();
        return fail(port, started.error().text());
    }
    port.error = 0;
    port.trouble.clear();
    log_.info("control: answers at " + shown(port.address) + " on TCP" +
              (access_.token.empty()
                   ? ", to GET /metrics, /livez and /readyz alone, for want of a token_file"
                   : ""));
}

// Once more with the reason for people: who has it is looked for in all of /proc.
void ControlPorts::find_out(Port& port) {
    using Outcome = std::optional<Expected<base::Fd, ListenTrouble>>;
    const auto outcome = std::make_shared<Outcome>();
    const bool begun = port.work.start(
        [outcome, address = port.address] {
            outcome->emplace(open_internet_address(address, false, kBacklog));
        },
        [this, &port, outcome] {
            if (*outcome && **outcome) {
                serve(port, std::move(***outcome));
            } else {
                fail(port, *outcome ? (**outcome).error().text : "there is no thread to try it on");
            }
        });
    if (!begun) fail(port, base::errno_text(port.error));
}

void ControlPorts::fail(Port& port, std::string trouble) {
    port.retry.start(kRetry);
    if (port.trouble == trouble) return;
    port.trouble = std::move(trouble);
    log_.warn("control: can't listen at " + shown(port.address) + ": " + port.trouble +
              "; it is tried again every " + conf::format_duration(kRetry));
}

void ControlPorts::retire(Port& port) {
    if (!port.server) return;
    port.server->retire();
    retired_.push_back(std::move(port.server));
    log_.info("control: answers no more at " + shown(port.address));
    bury_.start(kBury);
}

void ControlPorts::bury() {
    std::erase_if(retired_, [](const auto& server) { return server->connections() == 0; });
    if (!retired_.empty()) bury_.start(kBury);
}

void ControlPorts::tell_wrong_token(const control::Peer& peer) {
    ++wrong_;
    if (told_wrong_ && loop_.now() - *told_wrong_ < kQuiet) return;
    log_.warn("control: a wrong token came from " + peer.address +
              (wrong_ > 1 ? ", " + std::to_string(wrong_) + " since that was said last" : ""));
    told_wrong_ = loop_.now();
    wrong_ = 0;
}

std::vector<Finding> ControlPorts::findings() const {
    std::vector<Finding> findings;
    std::string open;
    std::string exposed;
    for (const auto& port : ports_) {
        const std::string address = shown(port->address);
        if (!port->server) {
            findings.push_back({"tcp", Verdict::warn,
                                "can't listen at " + address + ": " +
                                    (port->trouble.empty() ? "not tried yet" : port->trouble),
                                "mend what the reason names (it is tried again every " +
                                    conf::format_duration(kRetry) + ")"});
            continue;
        }
        open += (open.empty() ? "" : ", ") + address;
        if (!is_loopback(port->address)) exposed += (exposed.empty() ? "" : ", ") + address;
    }
    if (!exposed.empty() && !access_.token.empty()) {
        findings.push_back({"tcp", Verdict::warn,
                            "the token can be read on its way to " + exposed + ": it is not TLS",
                            "listen at 127.0.0.1, behind a proxy that speaks TLS, or see that the "
                            "network is yours alone"});
    }
    if (!control_.token.empty() && control_.token_is_public) {
        findings.push_back({"tcp", Verdict::warn,
                            "anybody on this machine may read the token in " + control_.token_file,
                            "chmod 600 " + control_.token_file});
    }
    if (!open.empty()) {
        findings.insert(
            findings.begin(),
            {"tcp",
             Verdict::ok,
             "answers at " + open +
                 (access_.token.empty() ? ", to GET /metrics, /livez and /readyz alone: "
                                          "there is no token_file"
                                        : ", to who has the token"),
             {}});
    }
    return findings;
}

}  // namespace reeve::app
