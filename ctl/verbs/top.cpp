#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "conf/units.h"
#include "ctl/full_screen.h"
#include "ctl/screens/screens.h"
#include "ctl/verbs/verbs.h"

namespace reeve::ctl {

namespace {

using std::chrono::milliseconds;

// Whoever looks on does not wait for a reeve that hangs.
constexpr milliseconds kPatience{2000};

milliseconds steady() {
    return std::chrono::duration_cast<milliseconds>(
        std::chrono::steady_clock::now().time_since_epoch());
}

// Something that was asked for and has not been answered.
struct Doing {
    std::string target;
    Exchange exchange;
};

class Screen {
public:
    explicit Screen(const Session& session) : session_{session}, top_{session.style} {}

    Exit run() {
        if (!screen_.open(session_.style.colour)) {
            return session_.fail({Exit::failed, "this terminal can't be drawn on",
                                  "set TERM, or see 'reevectl status'"});
        }
        look();
        for (;;) {
            screen_.draw(top_.page(screen_.width(), screen_.height()));
            if (!wait()) return Exit::failed;  // the terminal has gone
            while (const auto key = screen_.key()) {
                const auto wish = top_.press(*key);
                if (!wish) continue;
                if (wish->kind == Top::Wish::Kind::leave) return Exit::done;
                fulfil(*wish);
            }
            hear();
            if (steady() - looked_ >= session_.options.interval) look();
        }
    }

private:
    void look() {
        Call call = session_.question("/v1/status");
        call.timeout = session_.options.timeout.value_or(kPatience);
        auto status = session_.client.ask<api::Status>(call);
        looked_ = steady();
        if (status) {
            top_.set(*std::move(status), session_.world.now(), looked_);
        } else {
            top_.set_trouble(status.error().message);
        }
    }

    // For a key, an answer, or the time of the next look.
    bool wait() const {
        std::vector<pollfd> polled{{STDIN_FILENO, POLLIN, 0}};
        for (const Doing& doing : doing_) polled.push_back({doing.exchange.fd(), POLLIN, 0});
        const auto left = looked_ + session_.options.interval - steady();
        const int ready = ::poll(polled.data(), polled.size(),
                                 static_cast<int>(std::max<milliseconds::rep>(left.count(), 0)));
        if (ready < 0) return errno == EINTR;  // the size of the terminal has changed
        return (polled.front().revents & (POLLHUP | POLLERR)) == 0;
    }

    void fulfil(const Top::Wish& wish) {
        switch (wish.kind) {
            case Top::Wish::Kind::act:
                begin(wish);
                return;
            case Top::Wish::Kind::explain:
                show(explain_text(session_, wish.target));
                return;
            case Top::Wish::Kind::card:
                show(card_text(session_, wish.target));
                return;
            case Top::Wish::Kind::leave:
                return;
        }
    }

    void begin(const Top::Wish& wish) {
        auto exchange =
            session_.client.begin(action_call(session_.options, wish.verb, wish.target));
        if (!exchange) return top_.say(exchange.error().message, Colour::red);
        top_.say(wish.target + ": asked");
        doing_.push_back({wish.target, *std::move(exchange)});
    }

    void hear() {
        for (Doing& doing : doing_) {
            if (doing.exchange.pump() == Exchange::Progress::going_on) continue;
            tell(doing.exchange.finish());
            doing.target.clear();
        }
        if (std::erase_if(doing_, [](const Doing& doing) { return doing.target.empty(); }) > 0) {
            look();
        }
    }

    void tell(const Expected<Reply, Failure>& reply) {
        if (!reply) return top_.say(reply.error().message, Colour::red);
        const auto done = session_.client.decode<api::ActionReply>(reply->body);
        if (!done) return top_.say(done.error().message, Colour::red);
        for (const api::ActionResult& result : done->results) {
            std::string text = result.name + ": " + result.state;
            if (!result.message.empty() && result.message != result.state)
                text += ": " + result.message;
            top_.say(text, result.ok ? Colour::green : Colour::red);
        }
    }

    // A page of its own, until a key leaves it.
    void show(const Expected<std::string, Failure>& text) {
        if (!text) return top_.say(text.error().message, Colour::red);
        std::vector<ScreenLine> lines;
        for (std::size_t at = 0; at < text->size();) {
            const std::size_t end = std::min(text->find('\n', at), text->size());
            lines.push_back({text->substr(at, end - at)});
            at = end + 1;
        }
        std::size_t first = 0;
        for (;;) {
            const auto height = static_cast<std::size_t>(std::max(screen_.height() - 1, 1));
            first = std::min(first, lines.size() > height ? lines.size() - height : 0);
            std::vector<ScreenLine> page;
            for (std::size_t i = first; i < lines.size() && i < first + height; ++i) {
                page.push_back({cut(lines[i].text, static_cast<std::size_t>(screen_.width()),
                                    session_.style)});
            }
            page.resize(height);
            page.push_back({"q or Esc goes back", Colour::dim});
            screen_.draw(page);
            pollfd polled{STDIN_FILENO, POLLIN, 0};
            if (::poll(&polled, 1, -1) < 0 && errno != EINTR) return;
            if ((polled.revents & (POLLHUP | POLLERR)) != 0) return;
            while (const auto key = screen_.key()) {
                using Name = Top::Key::Name;
                if (key->name == Name::down || key->text == "j") {
                    ++first;
                } else if (key->name == Name::up || key->text == "k") {
                    first -= first > 0 ? 1 : 0;
                } else if (key->name == Name::page_down || key->text == " ") {
                    first += height;
                } else if (key->name == Name::page_up) {
                    first -= std::min(first, height);
                } else if (key->name == Name::home) {
                    first = 0;
                } else if (key->name == Name::end) {
                    first = lines.size();
                } else {
                    return;
                }
            }
        }
    }

    const Session& session_;
    Top top_;
    FullScreen screen_;
    milliseconds looked_{0};
    std::vector<Doing> doing_;
};

}  // namespace

Exit top_verb(const Session& session) {
    if (!session.style.terminal || ::isatty(STDIN_FILENO) == 0) {
        return session.fail(
            {Exit::failed, "'top' needs a terminal", "'reevectl status' prints the table once"});
    }
    const auto term = session.world.environment.find("TERM");
    if (term != session.world.environment.end() && term->second == "dumb") {
        return session.fail({Exit::failed, "'top' needs a terminal that has a cursor to move",
                             "TERM=dumb has none; 'reevectl status' prints the table "
                             "once"});
    }
    // Said before anything is drawn.
    Call call = session.question("/v1/status");
    if (const auto status = session.client.ask<api::Status>(call); !status) {
        return session.fail(status.error());
    }
    return Screen{session}.run();
}

}  // namespace reeve::ctl
