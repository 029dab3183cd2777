#include "supervisor/log/log_thread.h"

#include <fcntl.h>
#include <unistd.h>

#include "supervisor/log/engine.h"
#include "supervisor/log/output_pipe.h"
#include "supervisor/log/worker.h"

namespace reeve::log {

struct LogThread::Instance {
    std::optional<OutputPipe> out;  // none: our own stdout was handed over
    std::optional<OutputPipe> err;  // none: that, or merged
    OutputFds fds;

    struct OnTerminal {
        std::optional<Owner> owner;
        std::shared_ptr<ReadCursor> cursor;
        // Kept open over a run, so that it is there for whoever closes all his and opens it again.
        base::Fd slave;
        os::WindowSize window;  // of who is attached
        bool attached = false;
        std::string typed{};  // since the last run, for the next one
    };
    std::unique_ptr<OnTerminal> terminal;  // instead of the pipes

    template <typename Action>
    void each(Action action) const {
        if (out) action(*out, std::size_t{0});
        if (err) action(*err, std::size_t{1});
    }

    Engine::Positions announce_boundary() const {
        Engine::Positions positions;
        each([&](const OutputPipe& pipe, std::size_t index) {
            positions[index] = pipe.cursor->announce(pipe.write.get());
        });
        return positions;
    }
};

namespace {

// For what nobody can see before he asks, and a question brings it along: marks of runs.
constexpr std::chrono::milliseconds kSoon{20};

// How long the end may take as long as there is progress: so many times the patience without.
constexpr int kMostDeadlines = 5;

// A run may have made the descriptor that all runs share non-blocking (node does), and the next
// one's `cat` would fail with EAGAIN.
void make_blocking(int fd) {
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags >= 0 && (flags & O_NONBLOCK) != 0) ::fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
}

}  // namespace

base::OsExpected<std::unique_ptr<LogThread>> LogThread::start(loop::Loop& loop, Console& console,
                                                              OwnLog& own_log) {
    auto engine = Engine::open(console, own_log);
    if (!engine) return Unexpected<base::OsError>{engine.error()};

    std::unique_ptr<LogThread> log{new LogThread{loop}};
    log->engine_ = std::move(*engine);
    auto thread = start_worker("reeve-log", [engine = log->engine_.get()] { engine->run(); });
    if (!thread) return Unexpected<base::OsError>{thread.error()};
    log->thread_ = std::move(*thread);
    return log;
}

LogThread::LogThread(loop::Loop& loop)
    : from_engine_{loop},
      drain_deadline_{loop, [this] { drain_more(); }},
      flush_soon_{loop, [this] { flush(); }},
      self_{std::make_shared<LogThread*>(this)} {}

LogThread::~LogThread() {
    self_.reset();
    if (!thread_.joinable()) return;
    flush();
    // The log thread itself never waits for anything, so this is quick.
    engine_->post([engine = engine_.get()] { engine->stop(); });
    thread_.join();
}

void LogThread::to_engine(std::function<void(Engine&)> task) {
    held_.push_back(std::move(task));
    flush();
}

// A thousand programs that end together wake the log thread a few times instead of a thousand.
void LogThread::to_engine_soon(std::function<void(Engine&)> task) {
    held_.push_back(std::move(task));
    if (!flush_soon_.active()) flush_soon_.start(kSoon);
}

void LogThread::flush() {
    if (held_.empty()) return;
    engine_->post([engine = engine_.get(), tasks = std::exchange(held_, {})] {
        for (const auto& task : tasks) task(*engine);
    });
}

base::OsExpected<OutputFds> LogThread::open_instance(InstanceId id, InstanceName name,
                                                     const conf::Output& out,
                                                     const conf::Output& err,
                                                     std::optional<Owner> owner) {
    if (const auto known = instances_.find(id); known != instances_.end()) {
        known->second->each(
            [&](const OutputPipe& pipe, std::size_t) { set_pipe_owner(pipe.write.get(), owner); });
        to_engine([=, name = std::move(name.name)](Engine& engine) {
            engine.set_outputs(id, name, out, err, owner);
        });
        return known->second->fds;
    }

    auto instance = std::make_unique<Instance>();
    // The post must be copyable.
    auto opening = std::make_shared<Engine::Opening>();
    opening->id = id;
    opening->name = std::move(name);
    opening->owner = owner;
    const auto open = [&](const conf::Output& output, std::optional<OutputPipe>& pipe,
                          std::optional<Engine::Opening::Stream>& stream,
                          int own) -> base::OsExpected<int> {
        if (output.kind == conf::Output::Kind::direct) return own;
        auto made = make_output_pipe(owner);
        if (!made) return Unexpected<base::OsError>{made.error()};
        pipe = std::move(made->output);
        stream = Engine::Opening::Stream{output, std::move(made->read), pipe->cursor};
        return pipe->write.get();
    };
    const auto out_fd = open(out, instance->out, opening->out, STDOUT_FILENO);
    if (!out_fd) return Unexpected<base::OsError>{out_fd.error()};
    const auto err_fd = err.kind == conf::Output::Kind::merged
                            ? out_fd
                            : open(err, instance->err, opening->err, STDERR_FILENO);
    if (!err_fd) return Unexpected<base::OsError>{err_fd.error()};

    const OutputFds fds = instance->fds = {*out_fd, *err_fd};
    instances_[id] = std::move(instance);
    to_engine([opening](Engine& engine) { engine.open_instance(std::move(*opening)); });
    return fds;
}

void LogThread::open_on_terminal(InstanceId id, InstanceName name, const conf::Output& out,
                                 std::optional<Owner> owner) {
    if (const auto known = instances_.find(id); known != instances_.end()) {
        if (known->second->terminal) known->second->terminal->owner = owner;
        to_engine([=, name = std::move(name.name)](Engine& engine) {
            engine.set_outputs(id, name, out, {conf::Output::Kind::merged, {}}, owner);
        });
        return;
    }
    auto instance = std::make_unique<Instance>();
    auto cursor = std::make_shared<ReadCursor>();
    instance->terminal = std::make_unique<Instance::OnTerminal>(
        Instance::OnTerminal{.owner = owner, .cursor = cursor, .slave = {}, .window = {}});
    instances_[id] = std::move(instance);

    auto opening = std::make_shared<Engine::Opening>();
    opening->id = id;
    opening->name = std::move(name);
    opening->owner = owner;
    opening->out = Engine::Opening::Stream{out, {}, std::move(cursor)};
    to_engine([opening](Engine& engine) { engine.open_instance(std::move(*opening)); });
}

base::OsExpected<OutputFds> LogThread::begin_run(InstanceId id, std::uint32_t run) {
    const auto found = instances_.find(id);
    if (found == instances_.end()) return OutputFds{};
    if (auto& terminal = found->second->terminal) {
        const auto owner =
            terminal->owner ? std::optional<uid_t>{terminal->owner->uid} : std::nullopt;
        auto opened = os::open_terminal(owner);
        if (!opened) return Unexpected<base::OsError>{opened.error()};
        terminal->slave = std::move(opened->slave);
        if (terminal->attached) (void)os::set_window_size(terminal->slave.get(), terminal->window);
        // The post must be copyable.
        auto master = std::make_shared<base::Fd>(std::move(opened->master));
        to_engine([id, run, master](Engine& engine) {
            engine.begin_on_terminal(id, std::move(*master), run);
        });
        if (!terminal->typed.empty()) {
            to_engine([id, typed = std::exchange(terminal->typed, {})](Engine& engine) {
                engine.type(id, typed);
            });
        }
        return OutputFds{terminal->slave.get(), terminal->slave.get()};
    }
    found->second->each(
        [](const OutputPipe& pipe, std::size_t) { make_blocking(pipe.write.get()); });
    to_engine([id, run, positions = found->second->announce_boundary()](Engine& engine) {
        engine.add_boundary(id, positions, true, run);
    });
    return found->second->fds;
}

void LogThread::set_pid(InstanceId id, std::uint32_t run, pid_t pid) {
    const auto found = instances_.find(id);
    if (found == instances_.end()) return;
    found->second->each([run, pid](const OutputPipe& pipe, std::size_t) {
        pipe.cursor->set_process(run, static_cast<std::uint32_t>(pid));
    });
    if (const auto& terminal = found->second->terminal) {
        terminal->cursor->set_process(run, static_cast<std::uint32_t>(pid));
    }
    to_engine_soon([id, run, pid](Engine& engine) {
        engine.set_pid(id, run, static_cast<std::uint64_t>(pid));
    });
}

void LogThread::end_run(InstanceId id, std::uint32_t run) {
    const auto found = instances_.find(id);
    if (found == instances_.end()) return;
    if (auto& terminal = found->second->terminal) terminal->slave.reset();
    to_engine_soon([id, run, positions = found->second->announce_boundary()](Engine& engine) {
        engine.add_boundary(id, positions, false, run);
    });
}

void LogThread::await_line(InstanceId id, std::uint32_t run, std::optional<conf::Pattern> pattern,
                           std::function<void()> matched) {
    std::shared_ptr<LineWait> wait;
    if (pattern) {
        wait = std::make_shared<LineWait>(
            run, std::move(*pattern),
            [this, matched = std::move(matched)] { from_engine_.post(matched); });
    }
    to_engine([id, wait = std::move(wait)](Engine& engine) { engine.await_line(id, wait); });
}

void LogThread::stop_waiting(InstanceId id) {
    to_engine([id](Engine& engine) { engine.stop_waiting(id); });
}

void LogThread::begin_stop(InstanceId id) {
    to_engine_soon([id](Engine& engine) { engine.begin_stop(id); });
}

void LogThread::end_stop(InstanceId id) {
    to_engine_soon([id](Engine& engine) { engine.end_stop(id); });
}

void LogThread::on_report(std::function<void(OutputReport)> callback) {
    on_report_ = std::move(callback);
    to_engine([this](Engine& engine) {
        engine.report_to([this](OutputReport report) {
            from_engine_.post(
                [this, report = std::move(report)]() mutable { on_report_(std::move(report)); });
        });
    });
}

void LogThread::close_instance(InstanceId id, bool for_good) {
    if (instances_.erase(id) == 0) return;
    to_engine([id, for_good](Engine& engine) { engine.close_instance(id, for_good); });
}

void LogThread::reopen_files() {
    to_engine([](Engine& engine) { engine.reopen_files(); });
}

void LogThread::set_prefix(bool prefix) {
    to_engine([prefix](Engine& engine) { engine.set_prefix(prefix); });
}

void LogThread::query(Query query, std::function<void(std::vector<Line>)> answer) {
    to_engine([this, query = std::move(query), answer = std::move(answer)](Engine& engine) {
        from_engine_.post(
            [answer, lines = engine.query(query)]() mutable { answer(std::move(lines)); });
    });
}

void LogThread::dropped_of(std::vector<RunKey> runs,
                           std::function<void(std::vector<std::uint64_t>)> answer) {
    to_engine([this, runs = std::move(runs), answer = std::move(answer)](Engine& engine) {
        from_engine_.post([answer, lines = engine.dropped_of(runs)] { answer(lines); });
    });
}

void LogThread::counters(std::function<void(std::vector<InstanceCounters>)> answer) {
    to_engine([this, answer = std::move(answer)](Engine& engine) {
        from_engine_.post([answer, all = engine.counters()]() mutable { answer(std::move(all)); });
    });
}

std::unique_ptr<LogThread::Follower> LogThread::follow(
    Query query, std::function<void(std::vector<Line>)> on_lines) {
    const std::uint64_t id = next_follower_++;
    followers_[id] = std::move(on_lines);
    to_engine([id, query = std::move(query), deliver = deliver_to(id)](Engine& engine) {
        engine.follow(id, query, deliver);
    });
    return std::unique_ptr<Follower>{new Follower{self_, id}};
}

// On the log thread: brings them to the one who waits for them on the loop.
std::function<void(std::vector<Line>)> LogThread::deliver_to(std::uint64_t follower) {
    return [this, follower](std::vector<Line> batch) {
        from_engine_.post([this, follower, lines = std::move(batch)]() mutable {
            const auto found = followers_.find(follower);
            if (found == followers_.end()) return;
            // Called from a copy: it may end the following.
            const auto callback = found->second;
            callback(std::move(lines));
        });
    };
}

std::unique_ptr<LogThread::Follower> LogThread::look(
    LookRequest request, std::function<void(Look)> answer,
    std::function<void(std::vector<Line>)> on_lines) {
    const std::uint64_t id = next_follower_++;
    if (request.follow) followers_[id] = std::move(on_lines);
    to_engine([this, id, request = std::move(request), answer = std::move(answer),
               deliver = deliver_to(id)](Engine& engine) {
        from_engine_.post([answer, look = engine.look(id, request, deliver)]() mutable {
            answer(std::move(look));
        });
    });
    return std::unique_ptr<Follower>{new Follower{self_, id}};
}

LogThread::Follower::~Follower() {
    const auto thread = thread_.lock();
    if (!thread) return;
    LogThread& log = **thread;
    log.followers_.erase(id_);
    log.to_engine([id = id_](Engine& engine) { engine.unfollow(id); });
}

void LogThread::Follower::took(std::size_t lines) {
    const auto thread = thread_.lock();
    if (!thread) return;
    (*thread)->to_engine([id = id_, lines](Engine& engine) { engine.took(id, lines); });
}

template <typename Action>
void LogThread::to_attached(std::uint64_t id, Action action) {
    from_engine_.post([this, id, action = std::move(action)]() mutable {
        const auto found = attached_.find(id);
        if (found == attached_.end()) return;
        // A copy: it may end the attachment.
        const TerminalListener listener = found->second;
        action(listener);
    });
}

std::unique_ptr<LogThread::Attachment> LogThread::attach(InstanceId instance, os::WindowSize size,
                                                         std::size_t lines,
                                                         TerminalListener listener) {
    const auto found = instances_.find(instance);
    if (found == instances_.end()) return nullptr;
    auto& terminal = found->second->terminal;
    if (!terminal || std::exchange(terminal->attached, true)) return nullptr;

    const std::uint64_t id = next_attachment_++;
    attached_[id] = std::move(listener);
    // Of the log thread: they bring it to the one who waits for it on the loop.
    TerminalListener from_there{
        .on_output =
            [this, id](std::string bytes, std::uint64_t missed) {
                to_attached(id, [bytes = std::move(bytes), missed](const TerminalListener& there) {
                    there.on_output(bytes, missed);
                });
            },
        .on_taken =
            [this, id](std::size_t bytes) {
                to_attached(id, [bytes](const TerminalListener& there) { there.on_taken(bytes); });
            }};
    to_engine([instance, lines, from_there = std::move(from_there)](Engine& engine) {
        engine.attach(instance, lines, from_there);
    });
    set_window(instance, size);
    return std::unique_ptr<Attachment>{new Attachment{self_, id, instance}};
}

void LogThread::set_window(InstanceId id, os::WindowSize size) {
    const auto found = instances_.find(id);
    if (found == instances_.end() || !found->second->terminal) return;
    found->second->terminal->window = size;
    const base::Fd& slave = found->second->terminal->slave;
    // A program that hung it up is told nothing any more.
    if (slave) (void)os::set_window_size(slave.get(), size);
}

LogThread::Attachment::~Attachment() {
    const auto thread = thread_.lock();
    if (!thread) return;
    LogThread& log = **thread;
    log.attached_.erase(id_);
    const auto found = log.instances_.find(instance_);
    if (found == log.instances_.end()) return;
    log.set_window(instance_, {});
    found->second->terminal->attached = false;
    found->second->terminal->typed.clear();
    log.to_engine([instance = instance_](Engine& engine) { engine.detach(instance); });
}

void LogThread::Attachment::type(std::string bytes) {
    const auto thread = thread_.lock();
    if (!thread) return;
    const auto found = (*thread)->instances_.find(instance_);
    if (found == (*thread)->instances_.end()) return;
    if (auto& terminal = found->second->terminal; !terminal->slave) {
        terminal->typed += bytes;
        return;
    }
    (*thread)->to_engine([instance = instance_, bytes = std::move(bytes)](Engine& engine) {
        engine.type(instance, bytes);
    });
}

void LogThread::Attachment::resize(os::WindowSize size) {
    if (const auto thread = thread_.lock()) (*thread)->set_window(instance_, size);
}

void LogThread::Attachment::took(std::size_t bytes) {
    const auto thread = thread_.lock();
    if (!thread) return;
    (*thread)->to_engine(
        [instance = instance_, bytes](Engine& engine) { engine.seat_took(instance, bytes); });
}

void LogThread::Attachment::flush(std::function<void()> done) {
    const auto thread = thread_.lock();
    if (!thread) return;
    LogThread& log = **thread;
    log.to_engine([&log, id = id_, instance = instance_, done = std::move(done)](Engine& engine) {
        engine.flush_seat(instance);
        log.to_attached(id, [done](const TerminalListener&) { done(); });
    });
}

void LogThread::drain(std::chrono::milliseconds patience, std::function<void(bool)> done) {
    drain_done_ = std::move(done);
    drain_patience_ = patience;
    drain_deadlines_ = kMostDeadlines;
    to_engine([this](Engine& engine) {
        engine.drain([this] { from_engine_.post([this] { end_drain(true); }); });
        from_engine_.post([this] { wait_for_drain(); });
    });
}

// Not by a timer that repeats: a log thread that is late would take two looks in a row, between
// which nothing can have moved.
void LogThread::wait_for_drain() {
    if (drain_done_) drain_deadline_.start(drain_patience_);
}

void LogThread::drain_more() {
    const bool is_last = --drain_deadlines_ == 0;
    to_engine([this, is_last](Engine& engine) {
        if (engine.drains_on() && !is_last) return from_engine_.post([this] { wait_for_drain(); });
        engine.give_up();
        from_engine_.post([this] { end_drain(false); });
    });
}

void LogThread::end_drain(bool complete) {
    drain_deadline_.stop();
    if (const auto done = std::exchange(drain_done_, {})) done(complete);
}

}  // namespace reeve::log
