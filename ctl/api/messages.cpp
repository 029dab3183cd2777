#include "ctl/api/messages.h"

// Sixteen characters at a time, where every processor of the kind can.
#if defined(__SSE2__)
#define RAPIDJSON_SSE2
#elif defined(__ARM_NEON) && defined(__aarch64__)
#define RAPIDJSON_NEON
#endif
#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <type_traits>
#include <utility>

#include "ctl/api/usual_line.h"

namespace reeve::api {

namespace {

using Json = nlohmann::ordered_json;

std::string dump(const Json& value) {
    return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// ---- the fields of each message, once: the encoder and the decoder both walk these -----------

template <typename V, typename T>
requires std::is_same_v<std::remove_const_t<T>, Pids>
void walk(V& visit, T& value) {
    visit("current", value.current);
    visit("limit", value.limit);
    visit("which", value.which);
}

template <typename V, typename T>
requires std::is_same_v<std::remove_const_t<T>, Reaped>
void walk(V& visit, T& value) {
    visit("runs", value.runs);
    visit("orphans", value.orphans);
    visit("strays", value.strays);
}

template <typename V, typename T>
requires std::is_same_v<std::remove_const_t<T>, SupervisorStatus>
void walk(V& visit, T& value) {
    visit("version", value.version);
    visit("pid", value.pid);
    visit("state", value.state);
    visit("uptime_seconds", value.uptime_seconds);
    visit("config", value.config);
    visit("config_changed", value.config_changed);
    visit("subreaper", value.subreaper);
    visit("tracking", value.tracking);
    visit("pids", value.pids);
    visit("reaped", value.reaped);
}

template <typename V, typename T>
requires std::is_same_v<std::remove_const_t<T>, LastExit>
void walk(V& visit, T& value) {
    visit("code", value.code);
    visit("signal", value.signal);
    visit("at", value.at);
    visit("lasted_seconds", value.lasted_seconds);
    visit("reason", value.reason);
}

template <typename V, typename T>
requires std::is_same_v<std::remove_const_t<T>, ProgramStatus>
void walk(V& visit, T& value) {
    visit("name", value.name);
    visit("program", value.program);
    visit("instance", value.instance);
    visit("groups", value.groups);
    visit("type", value.type);
    visit("transient", value.transient);
    visit("state", value.state);
    visit("desired", value.desired);
    visit("ready", value.ready);
    visit("health", value.health);
    visit("pid", value.pid);
    visit("run", value.run);
    visit("since", value.since);
    visit("uptime_seconds", value.uptime_seconds);
    visit("restarts", value.restarts);
    visit("failures", value.failures);
    visit("last_exit", value.last_exit);
    visit("retry_in_seconds", value.retry_in_seconds);
    visit("waiting_for", value.waiting_for);
    visit("next_run", value.next_run);
    visit("skipped_runs", value.skipped_runs);
    visit("processes", value.processes);
    visit("orphans", value.orphans);
    visit("zombies", value.zombies);
    visit("cpu_seconds", value.cpu_seconds);
    visit("memory_bytes", value.memory_bytes);
    visit("note", value.note);
}

template <typename V, typename T>
requires std::is_same_v<std::remove_const_t<T>, Status>
void walk(V& visit, T& value) {
    visit("supervisor", value.supervisor);
    visit("programs", value.programs);
}

template <typename V, typename T>
requires std::is_same_v<std::remove_const_t<T>, ConfigEntry>
void walk(V& visit, T& value) {
    visit("key", value.key);
    visit("value", value.value);
    visit("file", value.file);
    visit("line", value.line);
}

template <typename V, typename T>
requires std::is_same_v<std::remove_const_t<T>, RunRecord>
void walk(V& visit, T& value) {
    visit("name", value.name);
    visit("run", value.run);
    visit("pid", value.pid);
    visit("started", value.started);
    visit("exit", value.exit);
}

template <typename V, typename T>
requires std::is_same_v<std::remove_const_t<T>, ProgramCard>
void walk(V& visit, T& value) {
    visit("name", value.name);
    visit("description", value.description);
    visit("instances", value.instances);
    visit("config", value.config);
    visit("runs", value.runs);
}

template <typename V, typename T>
requires std::is_same_v<std::remove_const_t<T>, ActionRequest>
void walk(V& visit, T& value) {
    visit("wait", value.wait);
    visit("timeout", value.timeout);
    visit("signal", value.signal);
    visit("scope", value.scope);
    visit("rolling", value.rolling);
    visit("instances", value.instances);
}

template <typename V, typename T>
requires std::is_same_v<std::remove_const_t<T>, ActionResult>
void walk(V& visit, T& value) {
    visit("name", value.name);
    visit("ok", value.ok);
    visit("state", value.state);
    visit("pid", value.pid);
    visit("message", value.message);
    visit("last_lines", value.last_lines);
}

template <typename V, typename T>
requires std::is_same_v<std::remove_const_t<T>, ActionReply>
void walk(V& visit, T& value) {
    visit("ok", value.ok);
    visit("results", value.results);
}

template <typename V, typename T>
requires std::is_same_v<std::remove_const_t<T>, DiffRequest>
void walk(V&, T&) {}

template <typename V, typename T>
requires std::is_same_v<std::remove_const_t<T>, RemoveRequest>
void walk(V& visit, T& value) {
    visit("wait", value.wait);
    visit("timeout", value.timeout);
}

template <typename V, typename T>
requires std::is_same_v<std::remove_const_t<T>, ConfigRequest>
void walk(V& visit, T& value) {
    visit("wait", value.wait);
    visit("timeout", value.timeout);
}

template <typename V, typename T>
requires std::is_same_v<std::remove_const_t<T>, ProgramChange>
void walk(V& visit, T& value) {
    visit("program", value.program);
    visit("action", value.action);
    visit("keys", value.keys);
    visit("message", value.message);
}

template <typename V, typename T>
requires std::is_same_v<std::remove_const_t<T>, ReeveChange>
void walk(V& visit, T& value) {
    visit("key", value.key);
    visit("action", value.action);
}

template <typename V, typename T>
requires std::is_same_v<std::remove_const_t<T>, ConfigReply>
void walk(V& visit, T& value) {
    visit("ok", value.ok);
    visit("differs", value.differs);
    visit("programs", value.programs);
    visit("reeve", value.reeve);
    visit("results", value.results);
}

template <typename V, typename T>
requires std::is_same_v<std::remove_const_t<T>, ShutdownRequest>
void walk(V& visit, T& value) {
    visit("reason", value.reason);
}

template <typename V, typename T>
requires std::is_same_v<std::remove_const_t<T>, ShutdownReply>
void walk(V& visit, T& value) {
    visit("ok", value.ok);
    visit("pid", value.pid);
    visit("message", value.message);
}

template <typename V, typename T>
requires std::is_same_v<std::remove_const_t<T>, Process>
void walk(V& visit, T& value) {
    visit("pid", value.pid);
    visit("ppid", value.ppid);
    visit("state", value.state);
    visit("command", value.command);
    visit("user", value.user);
    visit("cpu_seconds", value.cpu_seconds);
    visit("memory_bytes", value.memory_bytes);
    visit("main", value.main);
    visit("orphan", value.orphan);
    visit("zombie", value.zombie);
    visit("neglected_seconds", value.neglected_seconds);
    visit("children", value.children);
}

template <typename V, typename T>
requires std::is_same_v<std::remove_const_t<T>, ProgramTree>
void walk(V& visit, T& value) {
    visit("name", value.name);
    visit("processes", value.processes);
}

template <typename V, typename T>
requires std::is_same_v<std::remove_const_t<T>, Tree>
void walk(V& visit, T& value) {
    visit("programs", value.programs);
    visit("strays", value.strays);
}

template <typename V, typename T>
requires std::is_same_v<std::remove_const_t<T>, NeglectfulParent>
void walk(V& visit, T& value) {
    visit("program", value.program);
    visit("parent_pid", value.parent_pid);
    visit("parent_command", value.parent_command);
    visit("count", value.count);
    visit("oldest_seconds", value.oldest_seconds);
    visit("pids", value.pids);
}

template <typename V, typename T>
requires std::is_same_v<std::remove_const_t<T>, Zombies>
void walk(V& visit, T& value) {
    visit("zombies", value.zombies);
}

template <typename V, typename T>
requires std::is_same_v<std::remove_const_t<T>, Finding>
void walk(V& visit, T& value) {
    visit("subject", value.subject);
    visit("verdict", value.verdict);
    visit("detail", value.detail);
    visit("remedy", value.remedy);
}

template <typename V, typename T>
requires std::is_same_v<std::remove_const_t<T>, Doctor>
void walk(V& visit, T& value) {
    visit("findings", value.findings);
}

template <typename V, typename T>
requires std::is_same_v<std::remove_const_t<T>, LogLine>
void walk(V& visit, T& value) {
    visit("time", value.time);
    visit("name", value.name);
    visit("program", value.program);
    visit("instance", value.instance);
    visit("run", value.run);
    visit("pid", value.pid);
    visit("stream", value.stream);
    visit("line", value.line);
}

template <typename V, typename T>
requires std::is_same_v<std::remove_const_t<T>, OwnLogLine>
void walk(V& visit, T& value) {
    visit("time", value.time);
    visit("level", value.level);
    visit("message", value.message);
}

// An event's data is JSON already and goes through as it is.
struct Raw {
    std::string& text;
};
struct ConstRaw {
    const std::string& text;
};

template <typename V>
void walk(V& visit, Event& value) {
    visit("id", value.id);
    visit("event", value.event);
    visit("time", value.time);
    visit("program", value.program);
    Raw data{value.data};
    visit("data", data);
}

template <typename V>
void walk(V& visit, const Event& value) {
    visit("id", value.id);
    visit("event", value.event);
    visit("time", value.time);
    visit("program", value.program);
    const ConstRaw data{value.data};
    visit("data", data);
}

template <typename V>
void walk(V& visit, RunRequest& value) {
    visit("name", value.name);
    Raw program{value.program};
    visit("program", program);
    visit("wait", value.wait);
    visit("timeout", value.timeout);
}

template <typename V>
void walk(V& visit, const RunRequest& value) {
    visit("name", value.name);
    const ConstRaw program{value.program};
    visit("program", program);
    visit("wait", value.wait);
    visit("timeout", value.timeout);
}

template <typename V, typename T>
requires std::is_same_v<std::remove_const_t<T>, ErrorBody>
void walk(V& visit, T& value) {
    visit("code", value.code);
    visit("message", value.message);
    visit("hint", value.hint);
}

// ---- out -------------------------------------------------------------------------------------

// Text that is made of many small pieces, which are gathered before the string has to look at its
// room.  The last of them are in it after finish() only: no destructor may run out of memory.
class Pieces {
public:
    explicit Pieces(std::string& out) : out_{out} {}
    Pieces(const Pieces&) = delete;
    Pieces& operator=(const Pieces&) = delete;

    void put(char c) { *room_for(1) = c, ++used_; }
    void put(std::string_view text) {
        if (text.size() > sizeof chunk_) {
            flush();
            out_ += text;
            return;
        }
        std::copy(text.begin(), text.end(), room_for(text.size()));
        used_ += text.size();
    }
    // Its size is known to the compiler, who copies it without a call.
    template <std::size_t N>
    void put_key(char before, const char (&name)[N]) {
        constexpr std::size_t kLength = N - 1;
        char* const begin = room_for(kLength + 4);
        begin[0] = before;
        begin[1] = '"';
        std::memcpy(begin + 2, name, kLength);
        begin[kLength + 2] = '"';
        begin[kLength + 3] = ':';
        used_ += kLength + 4;
    }
    template <typename T>
    std::string_view put_number(T value) {
        char* const begin = room_for(kLongestNumber);
        const auto length = static_cast<std::size_t>(
            std::to_chars(begin, begin + kLongestNumber, value).ptr - begin);
        used_ += length;
        return {begin, length};
    }
    // 1500 as "1.5", 2000 as "2.0".
    void put_thousandths(std::uint64_t value) {
        put_number(value / 1000);
        auto rest = static_cast<unsigned>(value % 1000);
        std::size_t count = 3;
        for (; count > 1 && rest % 10 == 0; --count) rest /= 10;
        put('.');
        put_digits(rest, count);
    }
    void put_digits(unsigned value, std::size_t count) {
        char* const begin = room_for(count);
        for (std::size_t at = count; at-- > 0; value /= 10)
            begin[at] = static_cast<char>('0' + value % 10);
        used_ += count;
    }

    void finish() { flush(); }

private:
    static constexpr std::size_t kLongestNumber = 32;

    char* room_for(std::size_t size) {
        if (sizeof chunk_ - used_ < size) flush();
        return chunk_ + used_;
    }
    void flush() {
        out_.append(chunk_, used_);
        used_ = 0;
    }

    std::string& out_;
    std::size_t used_ = 0;
    char chunk_[2048];
};

// What to_text() gives.
void put_text(Pieces& out, Timestamp time) {
    using namespace std::chrono;
    const auto day = floor<days>(time);
    const year_month_day date{day};
    const hh_mm_ss clock{time - day};
    const int year = static_cast<int>(date.year());
    if (year >= 0 && year <= 9999) {
        out.put_digits(static_cast<unsigned>(year), 4);
    } else {
        // Nobody's clock, but to_text() is total.
        char text[64];
        std::snprintf(text, sizeof text, "%04d", year);
        out.put(std::string_view{text});
    }
    const auto put = [&out](char before, auto value, std::size_t digits) {
        out.put(before);
        out.put_digits(static_cast<unsigned>(value), digits);
    };
    put('-', static_cast<unsigned>(date.month()), 2);
    put('-', static_cast<unsigned>(date.day()), 2);
    put('T', clock.hours().count(), 2);
    put(':', clock.minutes().count(), 2);
    put(':', clock.seconds().count(), 2);
    put('.', clock.subseconds().count(), 3);
    out.put('Z');
}

// Nothing in it that JSON escapes, and nothing that may be no UTF-8: nearly all we ever write.
bool is_plain(std::string_view text) {
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; });
}

// Writes text as it goes: a status of a thousand programs needs no tree of a thousand objects.
class Encoder {
public:
    explicit Encoder(Pieces& out) : out_{out} {}

    // The brace that opens the object comes with its first member.
    template <std::size_t N, typename T>
    void operator()(const char (&name)[N], const T& value) {
        out_.put_key(std::exchange(first_, false) ? '{' : ',', name);
        write(out_, value);
    }

    static void write(Pieces& out, const std::string& value) {
        if (!is_plain(value)) {
            out.put(dump(Json(value)));
            return;
        }
        out.put('"');
        out.put(value);
        out.put('"');
    }
    static void write(Pieces& out, bool value) {
        out.put(value ? std::string_view{"true"} : std::string_view{"false"});
    }
    static void write(Pieces& out, double value) {
        // JSON has neither infinities nor what is no number.
        if (!std::isfinite(value)) {
            out.put(std::string_view{"null"});
            return;
        }
        // Nearly all we ever write: thousandths, which a double tells apart up to here.
        constexpr double kExact = 1e12;
        const double thousandths = std::nearbyint(value * 1000);
        if (std::abs(thousandths) < kExact && thousandths / 1000 == value && !std::signbit(value))
            return out.put_thousandths(static_cast<std::uint64_t>(thousandths));
        const std::string_view written = out.put_number(value);
        if (written.find_first_of(".e") == std::string_view::npos) out.put(std::string_view{".0"});
    }
    static void write(Pieces& out, int value) { out.put_number(value); }
    static void write(Pieces& out, std::int64_t value) { out.put_number(value); }
    static void write(Pieces& out, std::uint64_t value) { out.put_number(value); }
    static void write(Pieces& out, Timestamp value) {
        out.put('"');
        put_text(out, value);
        out.put('"');
    }
    static void write(Pieces& out, const ConstRaw& value) { out.put(value.text); }

    template <typename T>
    static void write(Pieces& out, const std::optional<T>& value) {
        if (value)
            write(out, *value);
        else
            out.put(std::string_view{"null"});
    }

    template <typename T>
    static void write(Pieces& out, const std::vector<T>& values) {
        out.put('[');
        bool first = true;
        for (const T& value : values) {
            if (!std::exchange(first, false)) out.put(',');
            write(out, value);
        }
        out.put(']');
    }

    template <typename T>
    requires std::is_class_v<T>
    static void write(Pieces& out, const T& value) {
        Encoder inner{out};
        walk(inner, value);
        out.put(inner.first_ ? std::string_view{"{}"} : std::string_view{"}"});
    }

private:
    Pieces& out_;
    bool first_ = true;
};

template <typename T>
void encode(std::string& out, const T& value) {
    Pieces pieces{out};
    Encoder::write(pieces, value);
    pieces.finish();
}

template <typename T>
std::string encode(const T& value) {
    std::string out;
    encode(out, value);
    return out;
}

// ---- in --------------------------------------------------------------------------------------

enum class Missing {
    is_an_error,  // replies: an older reeve than we know how to talk to
    is_default,   // requests: what is not said is not wanted
};

using Value = rapidjson::Value;

// A text that has been read: the values lie in the text, which is therefore its own.
class Parsed {
public:
    static Expected<Parsed, DecodeError> object(std::string_view text) {
        std::string own;
        own.reserve(text.size() + kReadBehind);
        return object(std::move(own.assign(text)));
    }
    static Expected<Parsed, DecodeError> object(std::string&& text) {
        // Not by recursion: requests may be as deep as they are long.
        constexpr unsigned kFlags = rapidjson::kParseInsituFlag | rapidjson::kParseIterativeFlag |
                                    rapidjson::kParseFullPrecisionFlag;
        // A zero byte, which JSON never has, would be taken for the end.
        if (text.find('\0') != std::string::npos || !is_utf8(text))
            return Unexpected<DecodeError>{{"not JSON"}};
        text.append(kReadBehind, '\0');
        Parsed parsed{std::move(text)};
        if (parsed.document_.ParseInsitu<kFlags>(parsed.text_->data()).HasParseError())
            return Unexpected<DecodeError>{{"not JSON"}};
        if (!parsed.document_.IsObject()) return Unexpected<DecodeError>{{"not a JSON object"}};
        return parsed;
    }

    const Value& value() const { return document_; }
    // Null: there is none of that name.
    const Value* member(const char* name) const {
        const auto found = document_.FindMember(name);
        return found == document_.MemberEnd() ? nullptr : &found->value;
    }

private:
    explicit Parsed(std::string text) : text_{std::make_unique<std::string>(std::move(text))} {}

    std::unique_ptr<std::string> text_;  // a short one would move with this
    rapidjson::Document document_;
};

std::string_view view(const Value& string) {
    return {string.GetString(), string.GetStringLength()};
}

std::string dump(const Value& value) {
    rapidjson::StringBuffer text;
    rapidjson::Writer<rapidjson::StringBuffer> writer{text};
    value.Accept(writer);
    return {text.GetString(), text.GetSize()};
}

// Where in the message: only when something is wrong is it written out, "programs[3].pid".
struct Place {
    const Place* above = nullptr;
    std::string_view name{};
    std::size_t index = 0;  // where there is no name

    std::string text() const {
        const std::string before = above ? above->text() : "";
        if (name.empty()) return above ? before + "[" + std::to_string(index) + "]" : "";
        return before.empty() ? std::string{name} : before + "." + std::string{name};
    }
};

// The first thing that is wrong ends it; later fields are left as they are.
class Decoder {
public:
    Decoder(const Value& object, const Place& place, std::string& error, Missing missing)
        : object_{object},
          next_{object.MemberBegin()},
          place_{place},
          error_{error},
          missing_{missing} {}

    template <typename T>
    void operator()(const char* name, T& value) {
        if (!error_.empty()) return;
        const Place place{&place_, name};
        const auto found = find(name);
        if (found == object_.MemberEnd()) {
            if (missing_ == Missing::is_an_error) error_ = place.text() + " is missing";
            return;
        }
        next_ = found + 1;
        read(found->value, place, value);
    }

    template <typename T>
    requires std::is_class_v<T>
    void read(const Value& json, const Place& place, T& value) {
        if (!json.IsObject()) return wrong(place, "an object");
        Decoder inner{json, place, error_, missing_};
        walk(inner, value);
    }

    void read(const Value& json, const Place& place, std::string& value) {
        if (!json.IsString()) return wrong(place, "a string");
        value = view(json);
    }

    void read(const Value& json, const Place& place, bool& value) {
        if (!json.IsBool()) return wrong(place, "true or false");
        value = json.GetBool();
    }

    void read(const Value& json, const Place& place, double& value) {
        if (!json.IsNumber()) return wrong(place, "a number");
        value = json.GetDouble();
    }

    void read(const Value& json, const Place& place, std::int64_t& value) {
        if (!json.IsInt64()) return wrong(place, "a whole number");
        value = json.GetInt64();
    }

    void read(const Value& json, const Place& place, int& value) {
        if (!json.IsInt64()) return wrong(place, "a whole number");
        if (!json.IsInt()) return wrong(place, "a smaller number");
        value = json.GetInt();
    }

    void read(const Value& json, const Place& place, std::uint64_t& value) {
        if (!json.IsUint64()) return wrong(place, "a whole number from 0 on");
        value = json.GetUint64();
    }

    void read(const Value& json, const Place& place, Timestamp& value) {
        const auto time = json.IsString() ? parse_timestamp(view(json)) : std::nullopt;
        if (!time) return wrong(place, "a time such as \"2026-11-22T10:17:00.120Z\"");
        value = *time;
    }

    void read(const Value& json, const Place& place, Raw& value) {
        if (!json.IsObject()) return wrong(place, "an object");
        value.text = dump(json);
    }

    template <typename T>
    void read(const Value& json, const Place& place, std::optional<T>& value) {
        value.reset();
        if (json.IsNull()) return;
        read(json, place, value.emplace());
    }

    template <typename T>
    void read(const Value& json, const Place& place, std::vector<T>& values) {
        if (!json.IsArray()) return wrong(place, "an array");
        values.clear();
        values.reserve(json.Size());
        for (const Value& element : json.GetArray()) {
            if (!error_.empty()) return;
            const Place here{&place, {}, values.size()};
            read(element, here, values.emplace_back());
        }
    }

private:
    // Whoever wrote it wrote the fields in our order, as a rule.
    Value::ConstMemberIterator find(std::string_view name) const {
        if (next_ != object_.MemberEnd() && view(next_->name) == name) return next_;
        return object_.FindMember(Value{
            rapidjson::StringRef(name.data(), static_cast<rapidjson::SizeType>(name.size()))});
    }

    void wrong(const Place& place, std::string_view expected) {
        if (error_.empty()) error_ = place.text() + " is not " + std::string{expected};
    }

    const Value& object_;
    Value::ConstMemberIterator next_;
    const Place& place_;
    std::string& error_;
    Missing missing_;
};

template <typename T>
Expected<T, DecodeError> decode(const Value& object, const Place& place, Missing missing) {
    T value;
    std::string error;
    Decoder decoder{object, place, error, missing};
    walk(decoder, value);
    if (!error.empty()) return Unexpected<DecodeError>{{std::move(error)}};
    return value;
}

template <typename T>
Expected<T, DecodeError> decode_reply(auto&& text) {
    const auto parsed = Parsed::object(std::forward<decltype(text)>(text));
    if (!parsed) return Unexpected<DecodeError>{parsed.error()};
    return decode<T>(parsed->value(), {}, Missing::is_an_error);
}

// Notes which fields a message has.
struct NameList {
    std::vector<std::string_view> names;
    template <typename T>
    void operator()(std::string_view name, const T&) {
        names.push_back(name);
    }
};

// An empty body is {}; an unknown field is refused.
template <typename T>
Expected<T, DecodeError> decode_request(std::string_view text) {
    if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) return T{};
    const auto parsed = Parsed::object(text);
    if (!parsed) return Unexpected<DecodeError>{parsed.error()};
    NameList known;
    const T sample;
    walk(known, sample);
    for (const auto& member : parsed->value().GetObject()) {
        const bool is_known =
            std::ranges::find(known.names, view(member.name)) != known.names.end();
        if (!is_known) return Unexpected<DecodeError>{{"unknown field " + dump(member.name)}};
    }
    return decode<T>(parsed->value(), {}, Missing::is_default);
}

// How many brackets and braces are open at once, at the most.
std::size_t deepest(std::string_view json) {
    std::size_t depth = 0;
    std::size_t most = 0;
    bool in_string = false;
    for (std::size_t at = 0; at < json.size(); ++at) {
        const char c = json[at];
        if (in_string && c == '\\') {
            ++at;
        } else if (c == '"') {
            in_string = !in_string;
        } else if (!in_string && (c == '{' || c == '[')) {
            most = std::max(most, ++depth);
        } else if (!in_string && (c == '}' || c == ']') && depth > 0) {
            --depth;
        }
    }
    return most;
}

// Digits at `at`, all of them or nothing.
std::optional<int> digits(std::string_view text, std::size_t at, std::size_t count) {
    if (at + count > text.size()) return std::nullopt;
    int value = 0;
    for (const char c : text.substr(at, count)) {
        if (c < '0' || c > '9') return std::nullopt;
        value = value * 10 + (c - '0');
    }
    return value;
}

}  // namespace

std::string to_text(Timestamp time) {
    std::string text;
    Pieces pieces{text};
    put_text(pieces, time);
    pieces.finish();
    return text;
}

std::optional<Timestamp> parse_timestamp(std::string_view text) {
    using namespace std::chrono;
    if (text.size() != std::string_view{"2026-11-22T10:17:00.120Z"}.size()) return std::nullopt;
    if (text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':' ||
        text[19] != '.' || text[23] != 'Z') {
        return std::nullopt;
    }
    const auto y = digits(text, 0, 4), mo = digits(text, 5, 2), d = digits(text, 8, 2);
    const auto h = digits(text, 11, 2), mi = digits(text, 14, 2), s = digits(text, 17, 2);
    const auto ms = digits(text, 20, 3);
    if (!y || !mo || !d || !h || !mi || !s || !ms) return std::nullopt;
    const year_month_day date{year{*y}, month{static_cast<unsigned>(*mo)},
                              day{static_cast<unsigned>(*d)}};
    // A leap second is 60 at most.
    if (!date.ok() || *h > 23 || *mi > 59 || *s > 60) return std::nullopt;
    return Timestamp{sys_days{date} + hours{*h} + minutes{*mi} + seconds{*s} + milliseconds{*ms}};
}

std::string to_sse(const Event& event) {
    std::string out = "id: " + std::to_string(event.id) + "\nevent: " + event.event + "\ndata: ";
    for (const char c : to_json(event)) out += c == '\n' || c == '\r' ? ' ' : c;
    out += "\n\n";
    return out;
}

int http_status_of(std::string_view word) {
    for (const ErrorCode& code : kErrorCodes) {
        if (code.word == word) return code.http_status;
    }
    return kInternal.http_status;
}

namespace {

// Each byte as the character of its number, in UTF-8.
std::string from_latin1(std::string_view bytes) {
    std::string text;
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x80) {
            text += c;
        } else {
            text += static_cast<char>(0xc0 | (byte >> 6));
            text += static_cast<char>(0x80 | (byte & 0x3f));
        }
    }
    return text;
}

// The inverse; false where there are other characters.
bool to_latin1(std::string& text) {
    std::size_t out = 0;
    for (std::size_t at = 0; at < text.size(); ++at) {
        auto byte = static_cast<unsigned char>(text[at]);
        if (byte >= 0x80) {
            if ((byte != 0xc2 && byte != 0xc3) || at + 1 == text.size()) return false;
            byte = static_cast<unsigned char>((byte << 6) |
                                              (static_cast<unsigned char>(text[++at]) & 0x3f));
        }
        text[out++] = static_cast<char>(byte);
    }
    text.resize(out);
    return true;
}

}  // namespace

// Unicode, table 3-7.
bool is_utf8(std::string_view text) {
    const auto byte = [text](std::size_t at) -> unsigned {
        return at < text.size() ? static_cast<unsigned char>(text[at]) : 0;
    };
    for (std::size_t at = 0; at < text.size();) {
        // Nearly all is ASCII.
        if (std::uint64_t eight = 0; text.size() - at >= sizeof eight) {
            std::memcpy(&eight, text.data() + at, sizeof eight);
            if ((eight & 0x8080'8080'8080'8080) == 0) {
                at += sizeof eight;
                continue;
            }
        }
        const unsigned first = byte(at);
        const unsigned second = byte(at + 1);
        std::size_t size = 1;
        if (first >= 0x80) {
            if (first < 0xc2 || first > 0xf4) return false;
            size = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
            const unsigned from = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
            const unsigned to = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
            if (second < from || second > to) return false;
            for (std::size_t more = 2; more < size; ++more)
                if ((byte(at + more) & 0xc0) != 0x80) return false;
        }
        at += size;
    }
    return true;
}

std::string to_json(const Status& value) {
    constexpr std::size_t kUsual = 512;  // of one program: grown to once, not by doubling
    std::string out;
    out.reserve((value.programs.size() + 2) * kUsual);
    encode(out, value);
    return out;
}
std::string to_json(const ProgramStatus& value) {
    return encode(value);
}
std::string to_json(const ProgramCard& value) {
    return encode(value);
}
std::string to_json(const RunRecord& value) {
    return encode(value);
}
std::string to_json(const ActionRequest& value) {
    return encode(value);
}
std::string to_json(const ActionReply& value) {
    return encode(value);
}
std::string to_json(const RunRequest& value) {
    return encode(value);
}
std::string to_json(const RemoveRequest& value) {
    return encode(value);
}
std::string to_json(const ConfigRequest& value) {
    return encode(value);
}
std::string to_json(const ConfigReply& value) {
    return encode(value);
}
std::string to_json(const ShutdownRequest& value) {
    return encode(value);
}
std::string to_json(const ShutdownReply& value) {
    return encode(value);
}
std::string to_json(const Tree& value) {
    return encode(value);
}
std::string to_json(const Zombies& value) {
    return encode(value);
}
std::string to_json(const Doctor& value) {
    return encode(value);
}
std::string to_json(const LogLine& value) {
    const bool utf8 = is_utf8(value.line);
    LogLine shown = value;
    if (!utf8) shown.line = from_latin1(value.line);
    std::string text = encode(shown);
    text.pop_back();
    if (value.partial) text += R"(,"partial":true)";
    if (!utf8) text += R"(,"encoding":"latin-1")";
    if (!value.event.empty()) text += R"(,"event":)" + to_json_string(value.event);
    return text + "}";
}
std::string to_json(const OwnLogLine& value) {
    return encode(value);
}
std::string to_json(const Event& value) {
    return encode(value);
}
std::string to_json(const ErrorBody& value) {
    return "{\"error\":" + encode(value) + "}";
}

template <>
Expected<Status, DecodeError> from_json<Status>(std::string_view text) {
    return decode_reply<Status>(text);
}
Expected<Status, DecodeError> read_status(std::string text) {
    return decode_reply<Status>(std::move(text));
}
template <>
Expected<ProgramCard, DecodeError> from_json<ProgramCard>(std::string_view text) {
    return decode_reply<ProgramCard>(text);
}
template <>
Expected<ActionReply, DecodeError> from_json<ActionReply>(std::string_view text) {
    return decode_reply<ActionReply>(text);
}
template <>
Expected<ConfigReply, DecodeError> from_json<ConfigReply>(std::string_view text) {
    return decode_reply<ConfigReply>(text);
}
template <>
Expected<ShutdownReply, DecodeError> from_json<ShutdownReply>(std::string_view text) {
    return decode_reply<ShutdownReply>(text);
}
template <>
Expected<Tree, DecodeError> from_json<Tree>(std::string_view text) {
    return decode_reply<Tree>(text);
}
template <>
Expected<Zombies, DecodeError> from_json<Zombies>(std::string_view text) {
    return decode_reply<Zombies>(text);
}
template <>
Expected<Doctor, DecodeError> from_json<Doctor>(std::string_view text) {
    return decode_reply<Doctor>(text);
}
template <>
Expected<LogLine, DecodeError> from_json<LogLine>(std::string_view text) {
    if (auto usual = read_usual_line(text); usual && is_utf8(usual->line)) return *std::move(usual);
    auto line = decode_reply<LogLine>(text);
    if (!line) return line;
    // A line that has none of these is not looked at twice.
    const std::string_view behind =
        text.substr(text.size() - std::min<std::size_t>(text.size(), 96));
    const auto may_have = [behind](std::string_view name) {
        return behind.find(name) != std::string_view::npos;
    };
    if (!may_have("\"partial\"") && !may_have("\"encoding\"") && !may_have("\"event\""))
        return line;
    const auto parsed = Parsed::object(text);
    const Value* const flag = parsed->member("partial");
    line->partial = flag && flag->IsTrue();
    const Value* const event = parsed->member("event");
    if (event && event->IsString()) line->event = view(*event);
    const Value* const encoding = parsed->member("encoding");
    if (!encoding) return line;
    if (!encoding->IsString() || view(*encoding) != "latin-1")
        return Unexpected<DecodeError>{{"encoding is not \"latin-1\""}};
    if (!to_latin1(line->line))
        return Unexpected<DecodeError>{{"line has characters that are not of its encoding"}};
    return line;
}
template <>
Expected<OwnLogLine, DecodeError> from_json<OwnLogLine>(std::string_view text) {
    return decode_reply<OwnLogLine>(text);
}
template <>
Expected<Event, DecodeError> from_json<Event>(std::string_view text) {
    return decode_reply<Event>(text);
}

template <>
Expected<ErrorBody, DecodeError> from_json<ErrorBody>(std::string_view text) {
    const auto parsed = Parsed::object(text);
    if (!parsed) return Unexpected<DecodeError>{parsed.error()};
    const Value* const error = parsed->member("error");
    if (!error) return Unexpected<DecodeError>{{"error is missing"}};
    if (!error->IsObject()) return Unexpected<DecodeError>{{"error is not an object"}};
    return decode<ErrorBody>(*error, Place{nullptr, "error"}, Missing::is_an_error);
}

template <>
Expected<ActionRequest, DecodeError> from_json<ActionRequest>(std::string_view text) {
    return decode_request<ActionRequest>(text);
}
template <>
Expected<RunRequest, DecodeError> from_json<RunRequest>(std::string_view text) {
    // What is written out again is gone through level by level.
    constexpr std::size_t kDeepest = 100;
    if (deepest(text) > kDeepest) {
        return Unexpected<DecodeError>{{"nested more than " + std::to_string(kDeepest) + " deep"}};
    }
    return decode_request<RunRequest>(text);
}
template <>
Expected<RemoveRequest, DecodeError> from_json<RemoveRequest>(std::string_view text) {
    return decode_request<RemoveRequest>(text);
}
template <>
Expected<DiffRequest, DecodeError> from_json<DiffRequest>(std::string_view text) {
    return decode_request<DiffRequest>(text);
}
template <>
Expected<ConfigRequest, DecodeError> from_json<ConfigRequest>(std::string_view text) {
    return decode_request<ConfigRequest>(text);
}
template <>
Expected<ShutdownRequest, DecodeError> from_json<ShutdownRequest>(std::string_view text) {
    return decode_request<ShutdownRequest>(text);
}

std::string to_json_string(std::string_view text) {
    return dump(Json(std::string{text}));
}

std::string flatten_json(std::string_view object) {
    const Json json = Json::parse(object, nullptr, false);
    if (!json.is_object()) return std::string{object};
    std::string out;
    for (const auto& [name, value] : json.items()) {
        if (value.is_null()) continue;
        if (!out.empty()) out += ' ';
        out += name;
        out += '=';
        const bool bare =
            value.is_string() && !value.get_ref<const std::string&>().empty() &&
            value.get_ref<const std::string&>().find_first_of(" \t\r\n\"=") == std::string::npos;
        out += bare ? value.get_ref<const std::string&>() : dump(value);
    }
    return out;
}

std::string pretty_json(std::string_view text) {
    const Json json = Json::parse(text, nullptr, false);
    if (json.is_discarded()) return std::string{text};
    return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace reeve::api
