#include "supervisor/app/control_socket.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <thread>
#include <utility>

#include "conf/paths.h"
#include "conf/units.h"
#include "supervisor/os/user.h"

namespace reeve::app {

using std::chrono::milliseconds;

namespace {

// For a look that is under way at the end, and the disk that it looks at.
constexpr milliseconds kRemovePatience{2000};
constexpr milliseconds kRemoveLook{10};

constexpr milliseconds kNoThreadRetry{1000};

// There is nowhere to put it, or not for us.
bool means_no_place(int number) {
    return number == EROFS || number == EACCES || number == EPERM || number == ENOENT ||
           number == ENOTDIR || number == ENOSPC || number == EDQUOT;
}

std::string name_in_directory(const std::string& path) {
    return path.substr(path.rfind('/') + 1);
}

// Where `access` decides everybody may connect; a group is a wish that nobody else does.
mode_t mode_of(const conf::Control& control, bool has_group) {
    const mode_t usual = has_group ? 0660 : control.access.empty() ? 0600 : 0666;
    return control.mode.value_or(usual);
}

}  // namespace

Expected<std::shared_ptr<ControlFiles>, std::string> ControlFiles::open(
    const conf::Control& control, PassedSocket passed) {
    os::ListenRequest request;
    if (passed.fd) {
        request.path = std::move(passed.path);
        std::shared_ptr<ControlFiles> files{new ControlFiles{std::move(request)}};
        files->passed_ = true;
        files->socket_.fd = std::move(passed.fd);
        return files;
    }
    request.path = control.socket.empty() ? conf::default_socket() : control.socket;
    request.mode = mode_of(control, !control.group.empty());
    if (!control.group.empty()) {
        const auto group = os::resolve_group(control.group);
        if (!group) return Unexpected<std::string>{group.error().text()};
        request.group = *group;
    }
    std::shared_ptr<ControlFiles> files{new ControlFiles{std::move(request)}};
    files->ours_alone_ = control.socket.empty() && files->path().starts_with("/tmp/");
    if (auto listening = files->listen(); !listening) {
        if (!control.socket.empty() || !listening.error().no_place) {
            return Unexpected<std::string>{std::move(listening.error().text)};
        }
        files->why_none_ = std::move(listening.error().text);
    }
    return files;
}

Expected<void, ControlFiles::NoSocket> ControlFiles::listen() {
    // The default of last resort lies in a directory where anybody may make one before us.
    if (const std::string directory = conf::directory_of(path()); ours_alone_) {
        const int number = ::mkdir(directory.c_str(), 0700) == 0 ? 0 : errno;
        struct stat status {};
        if (::lstat(directory.c_str(), &status) != 0) {
            return Unexpected<NoSocket>{
                NoSocket{base::OsError{"make", directory, number}.text(), means_no_place(number)}};
        }
        if (!S_ISDIR(status.st_mode) || status.st_uid != ::geteuid() ||
            (status.st_mode & 077) != 0) {
            return Unexpected<NoSocket>{
                NoSocket{directory + " is not a directory of ours alone (set [control] socket, or "
                                     "XDG_RUNTIME_DIR)"}};
        }
    }
    request_.mode = wanted_mode_;
    auto socket = os::listen_at(request_);
    if (!socket) {
        const bool failed = socket.error().kind == os::ListenError::Kind::failed;
        return Unexpected<NoSocket>{
            NoSocket{socket.error().text(), failed && means_no_place(socket.error().cause.number)}};
    }
    socket_ = std::move(*socket);
    forsaken_ = false;
    return {};
}

// The group is that of the start: another one waits for a restart.
void ControlFiles::want_mode(const conf::Control& control) {
    wanted_mode_ = mode_of(control, request_.group.has_value());
}

Expected<void, std::string> ControlFiles::write_state(const ReeveState& state) {
    const std::lock_guard lock{mutex_};
    state_ = state;
    return app::write_state(state_file(), state);
}

// The number of our file is no other's for as long as the socket is open.
bool ControlFiles::is_there() const {
    struct stat info {};
    return !forsaken_ && ::lstat(path().c_str(), &info) == 0 && info.st_dev == socket_.device &&
           info.st_ino == socket_.inode;
}

ControlFiles::Look ControlFiles::look(os::Inotify* inotify) {
    const std::lock_guard lock{mutex_};
    Look look;
    if (removed_) return look;
    if (passed_) {
        restore_state(look);
        return look;
    }
    // Watched first, looked at then: what changes after that is heard.
    if (inotify) watch_places(*inotify, look);
    if (!is_there()) {
        // A new reeve looks at the state file before it starts anything, so one that is there and
        // runs has had the place since ours was lost.
        if (const pid_t other = other_owner_of_state(state_file()); other != 0) {
            look.trouble = "it is another reeve's by now (pid " + std::to_string(other) + ")";
            return look;
        }
        if (auto listening = listen(); !listening) {
            look.trouble = std::move(listening.error().text);
            return look;
        }
        look.listener = std::move(socket_.fd);
        // The directories may be new ones.
        if (inotify) watch_places(*inotify, look);
        look.once_more = !is_there();
    }
    if (const mode_t wanted = wanted_mode_; wanted != request_.mode) {
        auto request = request_;
        request.mode = wanted;
        if (const auto changed = os::change_socket_file(socket_, request); changed) {
            request_.mode = wanted;
        } else {
            look.mode_trouble = changed.error().text();
        }
    }
    restore_state(look);
    return look;
}

void ControlFiles::restore_state(Look& look) {
    if (!state_ || is_written(state_file(), *state_)) return;
    if (const auto written = app::write_state(state_file(), *state_); !written) {
        look.state_trouble = written.error();
        return;
    }
    look.state_again = true;
}

// All that it lies below, so that a move of any of them is heard; of names only those in the
// nearest that is there, since in /run and /tmp they come and go all the time.
void ControlFiles::watch_places(os::Inotify& inotify, Look& look) const {
    using What = os::Inotify::What;
    look.no_watch.reset();
    look.names = {name_in_directory(path()), name_in_directory(state_file())};
    std::string nearest = conf::directory_of(path());
    for (;;) {
        const auto watch = inotify.watch(nearest, What::names);
        if (watch) {
            look.watches.insert(*watch);
            break;
        }
        const int number = watch.error().number;
        if ((number != ENOENT && number != ENOTDIR) || nearest == "/" || nearest == ".") {
            look.no_watch = watch.error();
            break;
        }
        look.names.insert(name_in_directory(nearest));
        nearest = conf::directory_of(nearest);
    }
    while (nearest != "/" && nearest != ".") {
        nearest = conf::directory_of(nearest);
        // One that we may not read is none that others move.
        if (const auto watch = inotify.watch(nearest, What::itself)) look.watches.insert(*watch);
    }
}

void ControlFiles::forsake() {
    const std::lock_guard lock{mutex_};
    forsaken_ = true;
}

void ControlFiles::remove(bool keep_state) {
    std::unique_lock lock{mutex_, std::try_to_lock};
    const auto end = std::chrono::steady_clock::now() + kRemovePatience;
    while (!lock && std::chrono::steady_clock::now() < end) {
        std::this_thread::sleep_for(kRemoveLook);
        (void)lock.try_lock();
    }
    if (!lock || std::exchange(removed_, true)) return;
    if (!passed_) os::remove_socket_file(socket_);
    if (state_ && !keep_state) remove_state(state_file(), *state_);
}

ControlSocket::ControlSocket(loop::Loop& loop, std::shared_ptr<ControlFiles> files, Warn warn)
    : loop_{loop},
      files_{std::move(files)},
      warn_{std::move(warn)},
      fd_watch_{loop},
      heard_{loop, [this] { hear(); }},
      later_{loop, [this] { look(); }},
      quiet_{loop, [this] { tell_of_return(); }},
      work_{loop, loop::Work::Lane::may_hang, files_->path()},
      trouble_{files_->why_none()},
      was_there_{trouble_.empty()} {
    if (!was_there_) warn_(sentence(trouble_) + "; it is tried again");
}

void ControlSocket::watch(std::function<base::OsExpected<void>(base::Fd)> move_to) {
    move_to_ = std::move(move_to);
    look();
}

void ControlSocket::set(const conf::Control& control) {
    files_->want_mode(control);
    look_again_ = work_.busy();
    look();
}

void ControlSocket::stop() {
    move_to_ = nullptr;
    fd_watch_.stop();
    heard_.stop();
    later_.stop();
    quiet_.stop();
    tell_of_return();
    quiet_.stop();
}

void ControlSocket::open_inotify() {
    if (inotify_) return;
    auto opened = os::Inotify::open();
    if (!opened) {
        why_polls_ = opened.error().text();
        if (opened.error().number == EMFILE) why_polls_ += " (raise fs.inotify.max_user_instances)";
        return;
    }
    const auto watching =
        fd_watch_.start((*opened)->fd(), {.readable = true}, [this](loop::FdWatch::Ready) {
            fd_watch_.pause();
            heard_.start(kPause);
        });
    if (!watching) {
        why_polls_ = watching.error().text();
        return;
    }
    fd_watch_.pause();
    inotify_ = std::move(*opened);
}

bool ControlSocket::concerns(const os::Inotify::Event& event) const {
    if (event.watch == -1) return true;
    return watches_.contains(event.watch) && (event.name.empty() || names_.contains(event.name));
}

void ControlSocket::hear() {
    bool concerned = false;
    for (const os::Inotify::Event& event : inotify_->read()) concerned |= concerns(event);
    if (concerned) return look();
    fd_watch_.resume();
}

void ControlSocket::look() {
    if (!move_to_ || work_.busy()) return;
    heard_.stop();
    later_.stop();
    open_inotify();
    if (inotify_) fd_watch_.pause();
    auto look = std::make_shared<ControlFiles::Look>();
    const bool begun = work_.start(
        [look, files = files_, inotify = inotify_] { *look = files->look(inotify.get()); },
        [this, look] { looked(std::move(*look)); });
    if (!begun) later_.start(kNoThreadRetry);
}

void ControlSocket::looked(ControlFiles::Look look) {
    if (!move_to_) return;
    if (inotify_) {
        watches_ = std::move(look.watches);
        names_ = std::move(look.names);
        for (const int watch : inotify_->watches())
            if (!watches_.contains(watch)) inotify_->unwatch(watch);
        why_polls_.clear();
        if (look.no_watch) {
            why_polls_ = look.no_watch->text();
            if (look.no_watch->number == ENOSPC)
                why_polls_ += " (raise fs.inotify.max_user_watches)";
        }
        fd_watch_.resume();
    }
    if (look.listener) {
        if (const auto moved = move_to_(std::move(look.listener)); !moved) {
            look.trouble = moved.error().text();
            files_->forsake();
        } else if (trouble_.empty() && !look.once_more) {
            ++returns_;
            if (!quiet_.active()) tell_of_return();
        }
    }
    tell(look);
    if (std::exchange(look_again_, false)) {
        later_.start(std::chrono::milliseconds{0});
    } else if (look.once_more) {
        later_.start(kPause);
    } else if (!why_polls_.empty()) {
        later_.start(kPollEvery);
    } else if (!trouble_.empty() || !look.state_trouble.empty() || !look.mode_trouble.empty()) {
        later_.start(kRetry);
    }
}

void ControlSocket::tell_of_return() {
    if (returns_ == 0) return;
    const std::string times = returns_ == 1 ? "" : " " + std::to_string(returns_) + " times";
    warn_("control socket " + files_->path() + " was deleted" + times + "; it is there again");
    returns_ = 0;
    quiet_.start(kQuiet);
}

void ControlSocket::tell(ControlFiles::Look& look) {
    if (look.trouble != trouble_) {
        if (look.trouble.empty()) {
            warn_("control socket " + files_->path() + " is there" + (was_there_ ? " again" : ""));
            was_there_ = true;
        } else {
            warn_(sentence(look.trouble) + "; it is tried again");
        }
        trouble_ = std::move(look.trouble);
    }
    // Not known while the place is another's.
    if (!trouble_.empty()) return;
    if (look.mode_trouble != std::exchange(mode_trouble_, look.mode_trouble) &&
        !look.mode_trouble.empty()) {
        warn_("control socket " + files_->path() +
              " has not the mode that [control] asks for: " + look.mode_trouble);
    }
    const bool new_trouble =
        !look.state_trouble.empty() && look.state_trouble != why_no_state_.value_or("");
    if (new_trouble) {
        warn_("state file " + files_->state_file() +
              " was deleted, and can't be written again: " + look.state_trouble);
    }
    if (look.state_again || !look.state_trouble.empty()) why_no_state_ = look.state_trouble;
}

std::string ControlSocket::sentence(const std::string& trouble) const {
    if (was_there_)
        return "control socket " + files_->path() +
               " was deleted, and can't be made again: " + trouble;
    return "no control socket, so reevectl can't reach this reeve: " + trouble +
           " (mount something to write on there, or set [control] socket or listen)";
}

control::Finding ControlSocket::finding() const {
    using Verdict = control::Finding::Verdict;
    if (!trouble_.empty()) {
        return {"control", Verdict::bad, sentence(trouble_),
                "mend what the reason names (it is tried again at each change there, and every " +
                    conf::format_duration(kRetry) + ")"};
    }
    if (files_->passed()) {
        return {"control",
                Verdict::ok,
                "listens at " + files_->path() + ", which was opened by who started reeve",
                {}};
    }
    if (!why_polls_.empty()) {
        return {"control", Verdict::warn,
                "listens at " + files_->path() + "; whether that was deleted is looked every " +
                    conf::format_duration(kPollEvery) + ": " + why_polls_,
                "mend what the reason names"};
    }
    return {"control",
            Verdict::ok,
            "listens at " + files_->path() + ", which is made again when somebody deletes it",
            {}};
}

}  // namespace reeve::app
