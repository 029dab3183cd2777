#include <limits>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "conf/quote.h"
#include "conf/transient.h"

namespace reeve::conf {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kDeepest = 64;

// Is told of one thing after the other, so that no document is too deep for our stack.
class Builder final : public nlohmann::json_sax<Json> {
public:
    bool null() override {
        return wrong("is null, which TOML doesn't have (leave the key out for its default)");
    }
    bool boolean(bool value) override {
        Value* const slot = add(Value::Type::boolean);
        if (slot) slot->integer = value ? 1 : 0;
        return slot != nullptr;
    }
    bool number_integer(number_integer_t value) override {
        Value* const slot = add(Value::Type::integer);
        if (slot) slot->integer = value;
        return slot != nullptr;
    }
    bool number_unsigned(number_unsigned_t value) override {
        constexpr auto kMost =
            static_cast<number_unsigned_t>(std::numeric_limits<std::int64_t>::max());
        if (value > kMost) return wrong("is too large a number (TOML's have 64 bits)");
        return number_integer(static_cast<number_integer_t>(value));
    }
    bool number_float(number_float_t value, const string_t& text) override {
        Value* const slot = add(Value::Type::floating);
        if (slot) {
            slot->number = value;
            slot->text = text;
        }
        return slot != nullptr;
    }
    bool string(string_t& text) override {
        if (text.find('\0') != std::string::npos) {
            return wrong("has a NUL character, which no text of a configuration can have");
        }
        Value* const slot = add(Value::Type::string);
        if (slot) slot->text = std::move(text);
        return slot != nullptr;
    }
    bool binary(binary_t&) override { return wrong("is binary"); }
    bool start_object(std::size_t) override { return open(Value::Type::table); }
    bool start_array(std::size_t) override { return open(Value::Type::array); }
    bool end_object() override { return close(); }
    bool end_array() override { return close(); }
    bool key(string_t& name) override {
        if (name.find('\0') != std::string::npos) {
            error_ = "a key has a NUL character, which none can have";
            return false;
        }
        key_ = name;
        if (!open_.back()->find(name)) return true;
        return wrong("is there twice (remove one)");
    }
    bool parse_error(std::size_t at, const std::string&,
                     const nlohmann::detail::exception& error) override {
        // 406: a number that no double can hold.
        error_ = error.id == 406 ? "has too large a number"
                                 : "is not JSON (from byte " + std::to_string(at) + " on)";
        return false;
    }

    Expected<Value, std::string> take() {
        if (!error_.empty()) return Unexpected<std::string>{std::move(error_)};
        return std::move(root_);
    }

private:
    // Where the value that comes next belongs; null: it is not wanted there.
    Value* add(Value::Type type) {
        const Place place{0, 0, ++count_};
        Value* slot = &root_;
        if (open_.empty()) {
            if (type != Value::Type::table) {
                error_ = "is no JSON object";
                return nullptr;
            }
        } else if (Value& into = *open_.back(); into.is(Value::Type::array)) {
            slot = &into.items.emplace_back();
        } else {
            into.entries.push_back({std::move(key_), place, {}});
            slot = &into.entries.back().value;
        }
        slot->type = type;
        slot->place = place;
        return slot;
    }

    bool open(Value::Type type) {
        if (open_.size() == kDeepest) {
            return wrong("is nested more than " + std::to_string(kDeepest) +
                         " deep (no key of reeve needs that)");
        }
        // The last of what it belongs to, which gets no more until this one is closed: it stays
        // where it is.
        Value* const slot = add(type);
        if (slot) open_.push_back(slot);
        return slot != nullptr;
    }

    bool close() {
        open_.pop_back();
        return true;
    }

    // "depends_on[1].name"
    std::string path() const {
        std::string text;
        for (std::size_t i = 0; i < open_.size(); ++i) {
            const bool last = i + 1 == open_.size();
            if (open_[i]->is(Value::Type::array)) {
                const std::size_t index = open_[i]->items.size() - (last ? 0 : 1);
                text += "[" + std::to_string(index) + "]";
            } else {
                const std::string& key = last ? key_ : open_[i]->entries.back().key;
                text += (text.empty() ? "" : ".") + print_key(key);
            }
        }
        return text;
    }

    bool wrong(const std::string& what) {
        const std::string where = path();
        error_ = where.empty() ? what : quoted_short(where) + " " + what;
        return false;
    }

    Value root_;
    std::vector<Value*> open_;
    std::string key_;
    std::uint32_t count_ = 0;
    std::string error_;
};

}  // namespace

Expected<Value, std::string> read_json_table(std::string_view json) {
    Builder builder;
    Json::sax_parse(json, &builder);
    return builder.take();
}

void set_file(Value& value, std::uint32_t file) {
    value.place.file = file;
    for (Value& item : value.items) set_file(item, file);
    for (Value::Entry& entry : value.entries) {
        entry.place.file = file;
        set_file(entry.value, file);
    }
}

}  // namespace reeve::conf
