#include "supervisor/app/probe.h"

#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "conf/quote.h"
#include "conf/units.h"

namespace reeve::app {

using model::ProbeVerdict;
using std::chrono::milliseconds;

namespace {

ProbeVerdict verdict_of(bool passed, bool lacking) {
    if (passed) return ProbeVerdict::passed;
    return lacking ? ProbeVerdict::not_run : ProbeVerdict::failed;
}

}  // namespace

struct Probe::Look {
    std::atomic<bool> began{false};  // there was a thread for it
    int number = 0;                  // errno
};

Probe::Probe(loop::Loop& loop, SideCommands& commands, ProbeTarget target)
    : loop_{loop},
      commands_{commands},
      target_{std::move(target)},
      deadline_{loop, [this] { on_deadline(); }},
      refuse_{loop, [this] { finish(std::move(refusal_)); }} {}

Probe::~Probe() {
    cancel();
}

void Probe::start(milliseconds timeout, std::function<void(const ProbeResult&)> done) {
    cancel();
    timeout_ = timeout;
    done_ = std::move(done);
    std::visit([this](const auto& target) { start(target); }, target_);
}

void Probe::cancel() {
    if (connector_) connector_->cancel();
    if (http_) http_->cancel();
    if (const auto command = std::exchange(command_, std::nullopt)) commands_.abandon(*command);
    deadline_.stop();
    refuse_.cancel();
    done_ = nullptr;
}

void Probe::finish(ProbeResult result) {
    const auto done = std::move(done_);
    command_.reset();  // it has ended, and what it left behind is being killed
    cancel();
    if (done) done(result);
}

// --- tcp and http --------------------------------------------------------------------------------

void Probe::start(const TcpProbe& target) {
    if (!connector_) connector_ = std::make_unique<Connector>(loop_);
    connector_->start(target.server, timeout_, [this, &target](Connector::Result result) {
        std::string text = "tcp " + conf::one_line(conf::format_server_address(target.server)) +
                           ": " + (result ? "connected" : result.error().text);
        finish({verdict_of(result.has_value(), !result && result.error().lacking),
                std::move(text),
                {}});
    });
}

void Probe::start(const HttpProbe& target) {
    if (!http_) http_ = std::make_unique<HttpGet>(loop_);
    http_->start(target.address, timeout_, [this, &target](const HttpGet::Answer& answer) {
        // An answer speaks for itself; without one it is about the server.
        const std::string subject =
            answer.status != 0
                ? "http "
                : "http " + conf::one_line(conf::format_server_address(target.address.server)) +
                      ": ";
        finish({verdict_of(answer.is_good(), answer.lacking), subject + answer.text, {}});
    });
}

// --- file ----------------------------------------------------------------------------------------

void Probe::start(const FileProbe& target) {
    deadline_.start(timeout_);
    if (!work_) {
        work_ = std::make_unique<loop::Work>(loop_, loop::Work::Lane::probed_paths, target.path);
    }
    // It still hangs from the time before; its answer will do.
    if (work_->busy()) return;
    look(target);
}

void Probe::look(const FileProbe& target) {
    look_ = std::make_shared<Look>();
    const bool started = work_->start(
        [look = look_, path = target.path] {
            look->began = true;
            struct stat status {};
            look->number = ::stat(path.c_str(), &status) == 0 ? 0 : errno;
        },
        [this, &target] { on_looked(target); });
    if (started) return;
    refusal_ = {ProbeVerdict::not_run,
                "file " + conf::one_line(target.path) + ": no thread to look at it with",
                {}};
    refuse_.arm();
}

void Probe::on_looked(const FileProbe& target) {
    if (!busy()) return;
    const int number = look_->number;
    finish({verdict_of(number == 0, number == ENOMEM),
            "file " + conf::one_line(target.path) + ": " +
                (number == 0 ? "exists" : base::errno_text(number)),
            {}});
}

void Probe::on_deadline() {
    const auto& target = std::get<FileProbe>(target_);
    const std::string limit = conf::format_duration(timeout_);
    finish({verdict_of(false, !look_->began),
            "file " + conf::one_line(target.path) + ": " +
                (look_->began ? "timed out after " + limit
                              : "not looked at within " + limit +
                                    " (an earlier look at it hangs, or no thread is free)"),
            {}});
}

// --- exec ----------------------------------------------------------------------------------------

void Probe::start(const ExecProbe& target) {
    SideOrder order = target.order();
    order.lane = SideOrder::Lane::probe;
    order.timeout = timeout_;
    command_ = commands_.start(
        std::move(order),
        {.on_end = [this, &target](const SideResult& result) { on_ended(target, result); }});
    if (command_) return;
    refusal_ = {ProbeVerdict::not_run,
                "exec " + conf::one_line(target.name) + ": too many commands wait already",
                {}};
    refuse_.arm();
}

void Probe::on_ended(const ExecProbe& target, const SideResult& result) {
    // A stage names itself: "exec pg_isready: No such file or directory".
    const std::string subject = "exec " + conf::one_line(target.name) + ": ";
    std::string text = result.text_with_output();
    if (!text.starts_with(subject)) text.insert(0, subject);
    finish({verdict_of(result.ok(), result.transient), std::move(text), result.output});
}

}  // namespace reeve::app
