#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ctl/command_line.h"
#include "ctl/screens/text.h"

namespace reeve::ctl {

// One line of a screen that is drawn again and again.
struct ScreenLine {
    std::string text;
    Colour colour = Colour::none;
    bool bright = false;  // the reverse of the others: a title, what is chosen
};

// The live table: what it shows and what its keys do, without a terminal and without a clock.
class Top {
public:
    // What is typed; all but these is a Character.
    struct Key {
        enum class Name {
            character,
            up,
            down,
            page_up,
            page_down,
            home,
            end,
            enter,
            escape,
            erase
        };
        Name name = Name::character;
        std::string text{};  // of `character`, in UTF-8
    };

    // What a key asks for.
    struct Wish {
        enum class Kind { act, explain, card, leave };
        Kind kind = Kind::act;
        Verb verb = Verb::status;  // of `act`: start, stop, restart, reset
        std::string target{};
    };

    explicit Top(Style style) : style_{style} {}

    // A new picture; `at` is a steady clock's.
    void set(api::Status status, api::Timestamp now, std::chrono::milliseconds at);
    // There is none: the old one stays, and it is said why.
    void set_trouble(std::string why) { trouble_ = std::move(why); }
    // What became of something, until the next key.
    void say(std::string text, Colour colour = Colour::none);

    std::optional<Wish> press(const Key& key);

    // `height` lines, of which none is longer than `width` columns.
    std::vector<ScreenLine> page(int width, int height) const;

private:
    enum class Order { configuration, cpu, memory, name };
    struct Row {
        api::ProgramStatus program;
        std::optional<double> cpu_percent;  // of one core, since the last picture
    };
    struct Spent {
        std::optional<std::int64_t> run;
        double cpu_seconds = 0;
        std::chrono::milliseconds at{0};
        std::optional<double> percent;
    };

    std::vector<const Row*> rows() const;
    const Row* chosen(const std::vector<const Row*>& rows) const;
    void move(std::ptrdiff_t by);
    std::optional<Wish> press_letter(char letter);
    std::optional<Wish> ask(Verb verb);
    bool is_sure(const Key& key) const;
    std::string table(const std::vector<const Row*>& rows, int width) const;
    ScreenLine bottom() const;

    Style style_;
    std::string heading_;
    std::vector<Row> all_;
    std::map<std::string, Spent> spent_;
    api::Timestamp now_{};
    std::string trouble_;
    std::string said_;
    Colour said_colour_ = Colour::none;
    Order order_ = Order::configuration;
    std::string filter_;
    bool typing_filter_ = false;
    bool helping_ = false;
    std::optional<Wish> to_confirm_;
    std::string chosen_;             // a name: rows come and go
    mutable std::size_t first_ = 0;  // of those that are seen
    mutable std::size_t page_height_ = 10;
};

}  // namespace reeve::ctl
