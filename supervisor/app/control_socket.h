#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "conf/config.h"
#include "supervisor/app/former.h"
#include "supervisor/app/passed_socket.h"
#include "supervisor/base/expected.h"
#include "supervisor/control/process_source.h"
#include "supervisor/loop/fd_watch.h"
#include "supervisor/loop/loop.h"
#include "supervisor/loop/timer.h"
#include "supervisor/loop/work.h"
#include "supervisor/os/inotify.h"
#include "supervisor/os/unix_socket.h"

namespace reeve::app {

// The control socket's file and the state file beside it.  They may lie on a disk that hangs: once
// programs run, look() is for another thread.
class ControlFiles {
public:
    // Where and as the configuration says.  The error is a sentence.  Where it names no socket, and
    // there is no place for the usual one (a read-only image), we go on without: why_none().
    // One that was passed to us is taken in any case, and left as it is.
    static Expected<std::shared_ptr<ControlFiles>, std::string> open(const conf::Control& control,
                                                                     PassedSocket passed = {});

    // Why there was no place for a socket at the start; empty: there was.
    const std::string& why_none() const { return why_none_; }
    // The socket is somebody else's, who keeps it and its file.
    bool passed() const { return passed_; }

    const std::string& path() const { return request_.path; }
    std::string state_file() const { return state_file_of(request_.path); }

    // Of open(); empty when there is none.  Called once.
    base::Fd take_listener() { return std::move(socket_.fd); }

    // The socket's mode from the next look() on.  On any thread, at any time.
    void want_mode(const conf::Control& control);

    // And keeps it so.
    Expected<void, std::string> write_state(const ReeveState& state);

    // What was found, and done about it.
    struct Look {
        base::Fd listener;  // the socket was gone: the new one, which nobody listens at yet
        bool state_again = false;
        // That somebody has changed it again meanwhile.
        bool once_more = false;
        std::string trouble;        // why there is no socket of ours
        std::string state_trouble;  // why there is no state file
        std::string mode_trouble;   // why the socket has not the mode that is wanted
        // What was given a watch, and the names in there that matter.
        std::set<int> watches;
        std::set<std::string> names;
        std::optional<base::OsError> no_watch;
    };
    // Puts back what is not there; what is another's stays.  `inotify` may be null.
    Look look(os::Inotify* inotify);

    // Nobody could listen at what look() has made: the next one makes it anew.  On any thread,
    // while no look() is under way.
    void forsake();

    // For good: removes what is there and ours.  `keep_state`: but for that one.  Gives up on a
    // look() that does not come back.
    void remove(bool keep_state);

private:
    explicit ControlFiles(os::ListenRequest request)
        : request_{std::move(request)}, wanted_mode_{request_.mode} {}

    // Why not, and whether for want of a place, which may come.
    struct NoSocket {
        std::string text;
        bool no_place = false;
    };
    Expected<void, NoSocket> listen();
    bool is_there() const;
    void watch_places(os::Inotify& inotify, Look& look) const;
    void restore_state(Look& look);

    os::ListenRequest request_;
    std::atomic<mode_t> wanted_mode_;  // no mutex: a look() may hang
    bool ours_alone_ = false;          // its directory must be
    std::string why_none_;
    bool passed_ = false;

    std::mutex mutex_;
    bool removed_ = false;
    os::ListeningSocket socket_;
    bool forsaken_ = false;
    std::optional<ReeveState> state_;
};

// Makes them again when somebody deletes them or puts something in their place: a clean-up of /run,
// a hand that slipped.
//
// inotify only says when to look.  It is heard ten times a second at most, so that nobody keeps us
// busy by deleting it, or by what else he does in that directory.
class ControlSocket {
public:
    static constexpr std::chrono::milliseconds kPause{100};
    // Where something is in the way that no change of names will tell the end of.
    static constexpr std::chrono::milliseconds kRetry{30'000};
    // Where inotify can't be had.
    static constexpr std::chrono::milliseconds kPollEvery{10'000};
    // One who deletes it in a loop is told of once in so long.
    static constexpr std::chrono::milliseconds kQuiet{10'000};

    using Warn = std::function<void(const std::string&)>;

    // `loop` must outlive this.
    ControlSocket(loop::Loop& loop, std::shared_ptr<ControlFiles> files, Warn warn);
    ControlSocket(const ControlSocket&) = delete;
    ControlSocket& operator=(const ControlSocket&) = delete;

    // `move_to` is given each new listener.
    void watch(std::function<base::OsExpected<void>(base::Fd)> move_to);
    // Gives the socket's file the mode that this says.
    void set(const conf::Control& control);
    // Not from now on.
    void stop();

    // For the doctor.
    control::Finding finding() const;
    // nullopt: as it was at the start.
    const std::optional<std::string>& why_no_state() const { return why_no_state_; }

private:
    void open_inotify();
    void look();
    void looked(ControlFiles::Look look);
    void hear();
    bool concerns(const os::Inotify::Event& event) const;
    void tell(ControlFiles::Look& look);
    std::string sentence(const std::string& trouble) const;
    void tell_of_return();

    loop::Loop& loop_;
    std::shared_ptr<ControlFiles> files_;
    Warn warn_;
    std::function<base::OsExpected<void>(base::Fd)> move_to_;
    std::shared_ptr<os::Inotify> inotify_;  // none: `why_polls_`, and it is tried again
    loop::FdWatch fd_watch_;
    std::set<int> watches_;
    std::set<std::string> names_;
    loop::Timer heard_;
    loop::Timer later_;
    loop::Timer quiet_;
    loop::Work work_;
    std::string why_polls_;
    std::string trouble_;
    bool was_there_;
    std::optional<std::string> why_no_state_;
    std::string mode_trouble_;
    bool look_again_ = false;
    std::size_t returns_ = 0;  // that were not told of
};

}  // namespace reeve::app
