#include "supervisor/app/supervise.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <variant>

#include "conf/load.h"
#include "conf/local_zone.h"
#include "supervisor/app/access_rules.h"
#include "supervisor/app/configurer.h"
#include "supervisor/app/control_ports.h"
#include "supervisor/app/control_socket.h"
#include "supervisor/app/doctor.h"
#include "supervisor/app/event_handlers.h"
#include "supervisor/app/file_watch.h"
#include "supervisor/app/former.h"
#include "supervisor/app/guard_watch.h"
#include "supervisor/app/linux_host.h"
#include "supervisor/app/listen_sockets.h"
#include "supervisor/app/memory.h"
#include "supervisor/app/options.h"
#include "supervisor/app/passed_socket.h"
#include "supervisor/app/pid_watch.h"
#include "supervisor/app/sampler.h"
#include "supervisor/app/service_manager.h"
#include "supervisor/app/termination_log.h"
#include "supervisor/app/tracking.h"
#include "supervisor/base/probes.h"
#include "supervisor/control/event_json.h"
#include "supervisor/control/log_source.h"
#include "supervisor/control/server.h"
#include "supervisor/core/roster.h"
#include "supervisor/log/console.h"
#include "supervisor/log/log_thread.h"
#include "supervisor/log/own_log.h"
#include "supervisor/loop/loop.h"
#include "supervisor/loop/signal_watch.h"
#include "supervisor/loop/timer.h"
#include "supervisor/loop/work.h"
#include "supervisor/os/limits.h"
#include "supervisor/os/notify_socket.h"
#include "supervisor/os/oom.h"
#include "supervisor/os/procfs.h"
#include "supervisor/os/reap.h"
#include "supervisor/os/subreaper.h"

namespace reeve::app {

namespace {

using std::chrono::milliseconds;

// How long the last output may lie still on its way out when everything has ended.
constexpr milliseconds kLastWords{1000};
constexpr milliseconds kConsoleFlush{500};
constexpr milliseconds kSettled{2000};

// Late among the kernel's victims when memory runs out: programs can be started again, and without
// reeve nobody does.  Not exempt: should reeve itself be what grows, it has to go.
constexpr int kOomScoreAdj = -900;

// For the disks that [socket.NAME]s lie on, and the name service that knows their owners.
constexpr milliseconds kSocketsPatience{2000};

// What those get who entered our PID namespace from outside, once all programs are down.
constexpr milliseconds kGuestsPatience{500};

// Whoever looks for leaks wants to see everything given back.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kOrderlyExit = true;
#else
constexpr bool kOrderlyExit = false;
#endif

// A second reeve beside one that runs has no say in what becomes of its container.
int refused(const std::string& why, bool may_be_second = false) {
    const std::string text = "reeve: " + why + "\n";
    std::fputs(text.c_str(), stderr);
    if (may_be_second) return kExitSystem;
    write_termination_log(termination_path(), no_start_message(text, kExitSystem));
    return kExitSystem;
}

// contract.md §3: the defaults that depend on being the init of a PID namespace.
core::Roster::Settings settings_of(const conf::Supervisor& supervisor, bool pid1) {
    using conf::ExitOn;
    core::Roster::Settings settings;
    settings.exit_on = supervisor.exit_on.value_or(
        pid1 ? std::vector{ExitOn::essential, ExitOn::failed, ExitOn::all_done}
             : std::vector{ExitOn::essential});
    settings.stop_timeout =
        supervisor.stop_timeout.value_or(pid1 ? std::chrono::seconds{9} : std::chrono::seconds{25});
    return settings;
}

// Closed ones are filled with /dev/null, lest the first socket of ours become somebody's stdout.
void occupy_standard_descriptors() {
    int fd = 0;
    do {
        fd = ::open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= 2);
    if (fd > 2) ::close(fd);
}

// "Nothing else ends it but KILL": what would by default, and has no meaning here, is ignored.
// SIGTTOU among them: a terminal must not stop reeve for writing to it from the background.  The
// signals of a fault keep their meaning, and so does TSTP, a person's own wish.
void ignore_pointless_signals() {
    for (const int signal : {SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGPWR, SIGSTKFLT, SIGXCPU,
                             SIGXFSZ, SIGTTIN, SIGTTOU, SIGPIPE}) {
        std::signal(signal, SIG_IGN);
    }
    for (int signal = SIGRTMIN; signal <= SIGRTMAX; ++signal) std::signal(signal, SIG_IGN);
}

// What is asked by signals waits until it is heard: before, it would end a reeve that starts, or be
// lost where that is PID 1.  What our parent blocked would never be.
sigset_t block_signals_until_heard(bool pid1) {
    sigset_t later;
    sigemptyset(&later);
    for (const int signal : {SIGHUP, SIGUSR1, SIGUSR2, SIGQUIT}) sigaddset(&later, signal);
    if (pid1) {
        for (const int signal : {SIGTERM, SIGINT}) sigaddset(&later, signal);
    }
    pthread_sigmask(SIG_SETMASK, &later, nullptr);
    return later;
}

log::Level level_of(core::Weight weight) {
    switch (weight) {
        case core::Weight::debug:
            return log::Level::debug;
        case core::Weight::info:
            return log::Level::info;
        case core::Weight::warn:
            return log::Level::warn;
    }
    return log::Level::info;
}

// What the start has left on the machine, taken back where nothing comes of it.
class StartTraces {
public:
    StartTraces(ControlFiles& files, Tracking& tracking) : files_{files}, tracking_{tracking} {}
    StartTraces(const StartTraces&) = delete;
    StartTraces& operator=(const StartTraces&) = delete;
    ~StartTraces() {
        if (stay_) return;
        files_.remove(false);
        if (tracking_.cgroups) tracking_.cgroups->close();
    }
    void stay() { stay_ = true; }

private:
    ControlFiles& files_;
    Tracking& tracking_;
    bool stay_ = false;
};

// The shell that is PID 1 and runs us as a child; empty: there is none.  A container's entrypoint
// script that forgot its `exec`.
std::string parent_shell() {
    if (::getppid() != 1) return {};
    const auto stat = os::read_stat(1);
    if (!stat) return {};
    for (const std::string_view shell : {"sh", "dash", "bash", "ash", "busybox", "ksh", "zsh"}) {
        if (stat->comm() == shell) return std::string{shell};
    }
    return {};
}

// As PID 1: whoever is in our PID namespace and no descendant of ours (docker exec, nsenter) is
// killed by the kernel when we end.  They are asked before, and get a moment.
void dismiss_guests() {
    const auto any = [] { return os::scan_processes().size() > 1; };
    if (!any()) return;
    ::kill(-1, SIGTERM);
    const auto end = std::chrono::steady_clock::now() + kGuestsPatience;
    while (any() && std::chrono::steady_clock::now() < end) {
        std::this_thread::sleep_for(milliseconds{10});
    }
}

void tell_of_former(const FormerEnd& former, log::OwnLog& log) {
    const auto list = [](const std::vector<std::string>& names) {
        constexpr std::size_t kNamed = 10;
        std::string text;
        for (std::size_t i = 0; i < names.size() && i < kNamed; ++i) {
            text += (i == 0 ? "" : ", ") + names[i];
        }
        if (names.size() > kNamed) {
            text += " and " + std::to_string(names.size() - kNamed) + " more";
        }
        return text;
    };
    const std::string whose =
        "the reeve before this one (pid " + std::to_string(former.pid) + ") was killed; ";
    if (!former.ended.empty()) {
        log.warn(whose + "ended what it left behind: " + list(former.ended));
    }
    if (!former.left.empty()) {
        log.error(whose + "could not end what it left behind: " + list(former.left));
    }
}

// Each warning of a configuration once, however often that is read again.
void tell_warnings(const conf::Config& config, std::set<std::string>& told, log::OwnLog& log) {
    for (const conf::Warning& warning : config.warnings) {
        const conf::Place place = warning.place;
        const std::string text =
            conf::format_error({config.files[place.file], place.line, place.column, warning.text});
        if (told.insert(text).second) log.warn(text);
    }
}

// Each error of a configuration on a line of its own.
void tell_refusal(const std::string& who, const control::Refusal& refusal, log::OwnLog& log) {
    log.error(who + ": the configuration stays as it is");
    std::string_view rest = refusal.message;
    while (!rest.empty()) {
        const std::size_t end = std::min(rest.find('\n'), rest.size());
        log.error(who + ": " + std::string{rest.substr(0, end)});
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
}

// SIGHUP.  Those that come while the files are being read are one: they are read once more.
class HangUps {
public:
    HangUps(control::ConfigSource& configs, core::Actor actor, log::OwnLog& log)
        : configs_{configs}, actor_{std::move(actor)}, log_{log} {}

    void ask() {
        again_ = under_way_;
        if (std::exchange(under_way_, true)) return;
        configs_.apply(actor_, [this](const auto& plan) {
            under_way_ = false;
            if (!plan) tell_refusal("SIGHUP", plan.error(), log_);
            if (again_) ask();
        });
    }

private:
    control::ConfigSource& configs_;
    const core::Actor actor_;
    log::OwnLog& log_;
    bool under_way_ = false;
    bool again_ = false;
};

// SIGQUIT: what is going on, into the log.
void dump_state(const core::Roster& roster, log::OwnLog& log) {
    for (const auto& instance : roster.instances()) {
        std::string line = "state: " + instance->name() + " " +
                           std::string{model::name_of(instance->state())} + ", wanted " +
                           std::string{model::name_of(instance->machine().desired())};
        if (instance->run()) {
            line += ", pid " + std::to_string(instance->run()->pid) + ", run " +
                    std::to_string(instance->run_number());
        }
        if (const auto note = roster.note(*instance); !note.empty()) line += ": " + note;
        log.info(line);
    }
}

// The last line that a program wrote before it failed belongs to its note; the output is the log
// thread's, so it comes a moment later.
void fetch_last_words(core::Roster& roster, log::LogThread& output, const core::Event& event) {
    if (!std::holds_alternative<core::event::Failed>(event.body)) return;
    for (const auto& instance : roster.instances()) {
        if (instance->name() != event.program) continue;
        const auto run = instance->run_number();
        log::Query query;
        query.instances = {instance->slot()};
        query.last_lines = 1;
        query.run = static_cast<std::uint32_t>(run);
        output.query(query, [&roster, slot = instance->slot(), run](std::vector<log::Line> lines) {
            for (const log::Line& line : lines) {
                if (log::is_line(line.kind)) roster.set_last_words(slot, run, line.text);
            }
        });
    }
}

// Why reeve ends: the last line of its log, and for the kubelet.
class LastWords {
public:
    LastWords(loop::Loop& loop, log::LogThread& output, log::OwnLog& log,
              const core::Roster& roster, std::function<void()> said)
        : output_{output},
          log_{log},
          roster_{roster},
          said_{std::move(said)},
          writing_{loop},
          patience_{loop, [this] { finish(); }} {}

    void say(int code) {
        log_.info("reeve ends: " + roster_.shutdown().reason() + " (exit code " +
                  std::to_string(code) + ")");
        // A file on a disk that hangs does not keep us.
        patience_.start(kLastWords);
        const std::string path = termination_path();
        auto there = std::make_shared<bool>(false);
        const bool begun =
            writing_.start([path, there] { *there = ::access(path.c_str(), F_OK) == 0; },
                           [this, path, code, there] {
                               if (*there) return write_last_lines(path, code);
                               finish();
                           });
        if (!begun) finish();
    }

private:
    static constexpr std::size_t kLastLines = 100;

    void write_last_lines(const std::string& path, int code) {
        const auto& by = roster_.ended_by();
        if (!by) return write(path, code, {});
        log::Query query;
        query.instances = {by->slot};
        query.last_lines = kLastLines;
        query.run = static_cast<std::uint32_t>(by->run);
        query.most_bytes = 64 * 1024;
        output_.query(query, [this, path, code](std::vector<log::Line> lines) {
            std::vector<std::string> texts;
            for (const log::Line& line : lines) {
                if (log::is_line(line.kind)) texts.push_back(line.text);
            }
            write(path, code, texts);
        });
    }

    void write(const std::string& path, int code, const std::vector<std::string>& lines) {
        const auto& by = roster_.ended_by();
        const std::string message = termination_message(roster_.shutdown().reason(), code,
                                                        by ? by->name : std::string{}, lines);
        const bool begun = writing_.start([path, message] { write_termination_log(path, message); },
                                          [this] { finish(); });
        if (!begun) finish();
    }

    void finish() {
        patience_.stop();
        if (said_) std::exchange(said_, nullptr)();
    }

    log::LogThread& output_;
    log::OwnLog& log_;
    const core::Roster& roster_;
    std::function<void()> said_;
    loop::Work writing_;
    loop::Timer patience_;
};

}  // namespace

int supervise(conf::Config config, std::shared_ptr<const conf::Sources> sources) {
    occupy_standard_descriptors();
    PassedSocket passed = take_passed_socket(conf::own_environment(), getpid());
    const std::vector<std::string> not_taken = std::move(passed.remarks);
    (void)os::close_inherited_on_exec();
    ignore_pointless_signals();

    const bool pid1 = os::is_pid1();
    const sigset_t heard_later = block_signals_until_heard(pid1);
    if (!pid1) {
        if (const auto subreaper = os::become_subreaper(); !subreaper) {
            return refused(subreaper.error().text() + " (orphans would not come home)");
        }
    }
    if (!os::read_stat(getpid())) {
        return refused("/proc cannot be read (mount it: what is left of a program is read there)");
    }
    std::optional<rlimit> nofile;
    if (const auto found = os::raise_nofile()) nofile = *found;

    // Before anything is started: a second reeve on the same socket must not start things twice.
    const auto opened = ControlFiles::open(config.control, std::move(passed));
    if (!opened) return refused(opened.error(), !pid1);
    const std::shared_ptr<ControlFiles> files = *opened;
    Machine machine;
    machine.pid1 = pid1;
    machine.parent_shell = pid1 ? std::string{} : parent_shell();
    machine.socket = files->path();
    machine.state_file = files->state_file();
    const auto former = end_former(machine.state_file);
    if (!former) {
        files->remove(true);
        return refused(former.error(), !pid1);
    }

    auto tracking = set_up_tracking();
    if (!tracking) {
        files->remove(true);
        std::fprintf(stderr, "reeve: %s\n", tracking.error().c_str());
        return kExitUsage;
    }
    ReeveState state = own_state();
    if (tracking->tags.usable()) state.tags = tracking->tags.range();
    if (tracking->cgroups) state.cgroup = tracking->cgroups->directory();
    if (const auto written = files->write_state(state); !written) {
        machine.why_no_state = written.error();
    }
    StartTraces traces{*files, *tracking};
    machine.oom_score_adj_before = os::lower_own_oom_score_adj(kOomScoreAdj);

    auto loop = loop::Loop::open();
    if (!loop) return refused(loop.error().text());

    log::Console::Options console_options;
    console_options.dropped_text = config.supervisor.log_format == conf::LogFormat::json
                                       ? log::OwnLog::dropped_text_json
                                       : log::OwnLog::dropped_text;
    auto console = log::Console::start(std::move(console_options));
    if (!console) return refused(console.error().text());
    log::OwnLog own_log{**console,
                        {.level = config.supervisor.log_level,
                         .format = config.supervisor.log_format,
                         .target = config.supervisor.log}};
    (*loop)->on_uncaught([&](std::string_view where, std::string_view what) {
        own_log.error("internal error in a " + std::string{where} + ": " + std::string{what});
    });

    auto output = log::LogThread::start(**loop, **console, own_log);
    if (!output) return refused(output.error().text());

    // After whoever had them before us has ended, and before anything is started.  One that can't
    // be had is no reason to keep other programs down: its own are tried, with it, like any that
    // fail to start.
    ListenSockets sockets;
    sockets.configure(config.sockets);
    const std::vector<std::string> sockets_missing = sockets.open_all(kSocketsPatience);

    int exit_code = kExitInternal;
    {
        core::EventLog events;
        const std::string notify_directory = files->path() + ".notify";
        LinuxHost host{{.loop = **loop,
                        .log = **output,
                        .own_log = own_log,
                        .events = events,
                        .environment = conf::own_environment(),
                        .tags = tracking->tags,
                        .nofile = nofile,
                        .oom_score_adj = machine.oom_score_adj_before,
                        .cgroups = tracking->cgroups ? &*tracking->cgroups : nullptr,
                        .no_cgroups = tracking->why_no_cgroups,
                        .sockets = &sockets,
                        .notify_directory = notify_directory}};
        core::Roster roster{host, events, config, settings_of(config.supervisor, pid1)};
        (*output)->set_prefix(roster.instances().size() > 1);

        events.subscribe([&](const core::Event& event) {
            if (const auto* change = std::get_if<core::event::StateChanged>(&event.body);
                change && change->to == model::State::stopping) {
                REEVE_PROBE_STOP(event.program.c_str(), change->run);
            }
            const auto level = level_of(core::weight_of(event));
            if (own_log.enabled(level)) {
                own_log.write(
                    level, core::sentence(event),
                    own_log.wants_objects() ? api::to_json(control::to_api(event)) : std::string{});
            }
            fetch_last_words(roster, **output, event);
        });

        EventHandlers handlers{**loop, events, host.side_commands(), own_log,
                               conf::own_environment()};
        handlers.set(config.on_event);
        host.set_event_handlers(handlers);
        const std::function<void(const conf::Config&)> set_handlers = [&](const conf::Config& now) {
            handlers.set(now.on_event);
        };

        (*output)->on_report([&](log::OutputReport report) {
            roster.on_output(report.instance, std::move(report.troubles), report.dropped_lines,
                             {.run = report.run, .lines = report.dropped_of_run});
        });

        AccessRules access{**loop, config.control,
                           [&](const std::string& text) { own_log.warn(text); }};
        ControlPorts ports{**loop,
                           {.info = [&](const std::string& text) { own_log.info(text); },
                            .warn = [&](const std::string& text) { own_log.warn(text); }}};
        ports.set(config.control);
        PidWatch pids{**loop, host, events, config.supervisor.pids_warn};
        ControlSocket control_socket{**loop, files,
                                     [&](const std::string& text) { own_log.warn(text); }};
        Sampler sampler{
            **loop,
            host,
            roster,
            {.config = config.files.front(),
             .subreaper = true,
             .tracking = [&] { return tracking->name(!host.no_more_cgroups().empty()); },
             .pids = [&] { return pids.ask(); },
             .examine =
                 [&] {
                     machine.why_no_state =
                         control_socket.why_no_state().value_or(machine.why_no_state);
                     return examine(machine, *tracking, control_socket.finding(),
                                    host.no_more_cgroups(), roster, pids.ask(), pids.warn(),
                                    own_log.trouble(), sockets, access.list(), ports.findings());
                 }}};
        host.on_unexamined([&] { sampler.sample([](const control::Sample&) {}); });
        GuardWatch guards{**loop, host, roster, sampler};
        FileWatch watched_files{**loop,
                                roster,
                                {[&](const std::string& text) { own_log.warn(text); },
                                 [&](const std::string& text) { own_log.debug(text); }}};
        // Also when that is for the next run only, and this one has ended.
        host.on_redefined([&] {
            guards.configure();
            watched_files.follow_roster();
        });
        std::set<std::string> warnings_told;
        ServiceManager manager{**loop, roster, events,
                               service_wishes(conf::own_environment(), getpid()),
                               [&](const std::string& text) { own_log.warn(text); }};
        Configurer configurer{
            {.loop = **loop,
             .roster = roster,
             .host = host,
             .events = events,
             .sockets = sockets,
             .environment = conf::own_environment(),
             .settings_of =
                 [pid1](const conf::Supervisor& wanted) { return settings_of(wanted, pid1); },
             .applied =
                 [&](const conf::Config& now) {
                     own_log.set_level(now.supervisor.log_level);
                     pids.set_warn(now.supervisor.pids_warn);
                     (*output)->set_prefix(roster.instances().size() > 1);
                     guards.configure();
                     watched_files.follow_roster();
                     set_handlers(now);
                     access.set(now.control);
                     control_socket.set(now.control);
                     ports.set(now.control);
                     tell_warnings(now, warnings_told, own_log);
                 },
             .apply_begins = [&] { manager.apply_begins(); },
             .apply_ended = [&](bool successful) { manager.apply_ended(successful); }},
            config,
            std::move(sources)};
        control::ThreadLogSource logs{**loop, **output, own_log};
        const control::World world{
            .loop = **loop,
            .roster = roster,
            .host = host,
            .processes = sampler,
            .logs = logs,
            .config = configurer,
            .own_uid = getuid(),
            .access = access.list(),
            .remote = ports.access(),
            .on_wrong_token = [&](const control::Peer& peer) { ports.tell_wrong_token(peer); }};
        control::Server server{world, [&](const std::string& trouble) { own_log.warn(trouble); }};
        access.on_change([&] { server.review(); });
        if (base::Fd listener = files->take_listener()) {
            const auto listening = server.start(std::move(listener));
            if (!listening) return refused(listening.error().text());
        }
        if (const auto watching = host.start(roster); !watching) {
            return refused(watching.error().text());
        }

        const core::Actor by_signal{core::Actor::Via::signal, getuid(), getpid()};
        HangUps hang_ups{configurer, by_signal, own_log};
        std::vector<std::unique_ptr<loop::SignalWatch>> signals;
        const auto on = [&](int signal, std::function<void()> act) {
            signals.push_back(std::make_unique<loop::SignalWatch>(**loop));
            return signals.back()->start(signal, std::move(act)).has_value();
        };
        const bool all_watched =
            on(SIGTERM, [&] { roster.shut_down("SIGTERM", by_signal); }) &&
            on(SIGINT, [&] { roster.shut_down("SIGINT", by_signal); }) &&
            on(SIGUSR1,
               [&] {
                   (*output)->reopen_files();
                   own_log.reopen();
                   own_log.info("SIGUSR1: log files are opened anew");
               }) &&
            on(SIGQUIT, [&] { dump_state(roster, own_log); }) &&
            on(SIGHUP, [&] { hang_ups.ask(); }) && on(SIGUSR2, [&] {
                own_log.warn("SIGUSR2: upgrading in place is not in this version");
            });
        if (!all_watched) return refused("signals cannot be watched");
        pthread_sigmask(SIG_UNBLOCK, &heard_later, nullptr);

        LastWords last_words{**loop, **output, own_log, roster,
                             [&] { (*output)->drain(kLastWords, [&](bool) { (*loop)->stop(); }); }};
        roster.on_finished([&](int code) {
            exit_code = code;
            last_words.say(code);
        });

        events.publish(
            host.wall_now(), {},
            core::event::SupervisorStarted{REEVE_VERSION, getpid(), roster.instances().size()});
        tell_of_former(*former, own_log);
        tell_warnings(config, warnings_told, own_log);
        for (const std::string& remark : not_taken) own_log.warn(remark);
        if (!machine.parent_shell.empty()) {
            own_log.warn("started by " + machine.parent_shell +
                         ", which is PID 1: signals to the container do not come here, and other "
                         "orphans stay zombies (write `exec reeve` in the script)");
        }
        // Nothing outlives PID 1.
        if (!machine.why_no_state.empty() && !pid1) {
            own_log.warn("should this reeve be killed, the next one will not know what is left: " +
                         machine.why_no_state);
        }
        if (std::ranges::any_of(config.programs,
                                [](const auto& program) { return program.schedule.has_value(); })) {
            const std::string fault = conf::fault_of_local_zone(
                conf::own_environment(),
                [](const std::string& path) { return ::access(path.c_str(), F_OK) == 0; });
            if (!fault.empty()) own_log.warn(fault);
        }
        for (const std::string& missing : sockets_missing) {
            own_log.warn(missing + "; it is tried again whenever one of its programs starts");
        }
        traces.stay();
        control_socket.watch([&](base::Fd fd) { return server.move_to(std::move(fd)); });
        ports.start(world);
        release_startup_memory();
        roster.start_autostart();
        manager.started();
        // Once more when the first programs are up: starting many leaves holes in the heap.
        loop::Timer settled{**loop, [] {
                                release_startup_memory();
                                (void)loop::Work::keep_reader();
                            }};
        settled.start(kSettled);
        (*loop)->run();
        control_socket.stop();
        ports.stop();
        server.stop();
        // What could not be killed is the next one's to know of.
        files->remove(os::have_children());
        os::remove_notify_directory(notify_directory);
        sockets.close(kSocketsPatience);
        if (tracking->cgroups) tracking->cgroups->close();
        if (pid1) dismiss_guests();
        (void)own_log.stop(kConsoleFlush);
        (void)(*console)->stop(kConsoleFlush);
        // What is left is to close, one by one, what the end of the process closes at once; and a
        // write to our own output that never returns has a thread of its own, and keeps it.
        if (!kOrderlyExit) ::_exit(exit_code);
    }
    output->reset();
    return exit_code;
}

}  // namespace reeve::app
