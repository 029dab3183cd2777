#include "supervisor/control/line_writer.h"

#include "supervisor/log/format.h"

namespace reeve::control {

using log::Line;

namespace {

std::string_view event_of(Line::Kind kind) {
    switch (kind) {
        case Line::Kind::run_begin:
            return "run_begin";
        case Line::Kind::run_end:
            return "run_end";
        case Line::Kind::note:
            return "note";
        case Line::Kind::text:
        case Line::Kind::piece:
        case Line::Kind::partial:
        case Line::Kind::unended:
        case Line::Kind::missed:
            break;
    }
    return {};
}

bool is_run_mark(Line::Kind kind) {
    return kind == Line::Kind::run_begin || kind == Line::Kind::run_end;
}

}  // namespace

LineWriter::LineWriter(const core::Roster& roster, const std::vector<log::InstanceId>& instances,
                       const Settings& settings)
    : roster_{roster}, settings_{settings} {
    for (const log::InstanceId id : instances) {
        const core::Instance* instance = roster.instance_at(id);
        if (!instance) continue;
        facts_[id] = {.name = instance->name(),
                      .program = instance->program().name,
                      .number = instance->number(),
                      .ends = {}};
    }
    refresh();
}

void LineWriter::refresh() {
    for (auto& [id, facts] : facts_) refresh(id, facts);
}

void LineWriter::refresh(log::InstanceId id) {
    if (const auto known = facts_.find(id); known != facts_.end()) refresh(id, known->second);
}

void LineWriter::refresh(log::InstanceId id, Facts& facts) const {
    const core::Instance* const there = roster_.instance_at(id);
    if (!there) return;
    const core::Instance& instance = *there;
    facts.run = instance.run() ? static_cast<std::uint32_t>(instance.run()->number) : 0;
    facts.pid = instance.run() ? instance.run()->pid : 0;
    const auto& ends = instance.run_ends();
    if (ends.empty() || (!facts.ends.empty() && facts.ends.rbegin()->first == ends.back().run))
        return;
    facts.ends.clear();
    for (const core::Instance::RunEnd& end : ends)
        facts.ends[static_cast<std::uint32_t>(end.run)] = {end.reason, end.pid};
}

void LineWriter::append(std::string& out, const Line& line) {
    const auto known = facts_.find(line.instance);
    if (known == facts_.end()) return;
    if (line.kind == Line::Kind::run_begin)
        pids_[line.instance] = {line.run, static_cast<std::int64_t>(line.number)};
    if (is_run_mark(line.kind) && !settings_.marks) return;
    settings_.format == Format::text ? append_text(out, line, known->second)
                                     : append_json(out, line, known->second);
}

std::string LineWriter::words_of(const Line& line, const Facts& facts) const {
    std::string words;
    switch (line.kind) {
        case Line::Kind::run_begin: {
            words = "run " + std::to_string(line.run);
            const std::int64_t pid = pid_of(line, facts);
            if (pid != 0) words += ", pid " + std::to_string(pid);
            break;
        }
        case Line::Kind::run_end: {
            words = "run " + std::to_string(line.run) + " ended";
            const auto end = facts.ends.find(line.run);
            if (end != facts.ends.end() && !end->second.reason.empty())
                words += ": " + end->second.reason;
            break;
        }
        case Line::Kind::missed:
            words = std::to_string(line.number) + (line.number == 1 ? " line is" : " lines are") +
                    " missing here";
            break;
        case Line::Kind::note:
        case Line::Kind::text:
        case Line::Kind::piece:
        case Line::Kind::partial:
        case Line::Kind::unended:
            words = line.text;
            break;
    }
    return words;
}

void LineWriter::append_text(std::string& out, const Line& line, const Facts& facts) {
    const auto prefix = [&] {
        if (!settings_.prefix) return;
        out += facts.name;
        out += " | ";
    };
    if (!is_line(line.kind)) {
        if (unfinished_) out += '\n';
        unfinished_.reset();
        prefix();
        out += "--- " + words_of(line, facts) + " ---\n";
        return;
    }
    // A long line comes in pieces, and no other may come between them.
    const Unfinished self{line.instance, line.source};
    if (unfinished_ && *unfinished_ != self) out += '\n';
    if (!unfinished_ || *unfinished_ != self) prefix();
    out += line.text;
    unfinished_.reset();
    if (line.kind == Line::Kind::piece) {
        unfinished_ = self;
    } else {
        out += '\n';
    }
}

void LineWriter::append_json(std::string& out, const Line& line, const Facts& facts) {
    out += R"({"time":)";
    if (line.time.count() == 0) {
        out += "null";
    } else {
        out += '"';
        log::append_time(out, line.time);
        out += '"';
    }
    out += R"(,"name":)";
    log::append_json_string(out, facts.name);
    out += R"(,"program":)";
    log::append_json_string(out, facts.program);
    out += R"(,"instance":)" + std::to_string(facts.number);
    out += R"(,"run":)" + std::to_string(line.run);
    const std::int64_t pid = pid_of(line, facts);
    out += R"(,"pid":)" + (pid == 0 ? "null" : std::to_string(pid));
    if (!is_line(line.kind)) {
        out += R"(,"stream":"reeve","line":)";
        log::append_json_string(out, words_of(line, facts));
        if (const std::string_view event = event_of(line.kind); !event.empty()) {
            out += R"(,"event":")";
            out += event;
            out += '"';
        }
        out += "}\n";
        return;
    }
    out += line.source == log::Source::out ? R"(,"stream":"stdout","line":)"
                                           : R"(,"stream":"stderr","line":)";
    const bool utf8 = log::append_json_string(out, line.text);
    if (line.kind != Line::Kind::text) out += R"(,"partial":true)";
    if (!utf8) out += R"(,"encoding":"latin-1")";
    out += "}\n";
}

std::int64_t LineWriter::pid_of(const Line& line, const Facts& facts) const {
    if (line.number != 0 && line.kind != Line::Kind::missed)
        return static_cast<std::int64_t>(line.number);
    const auto known = pids_.find(line.instance);
    if (known != pids_.end() && known->second.first == line.run && known->second.second != 0)
        return known->second.second;
    if (line.run == 0) return 0;
    if (facts.run == line.run && facts.pid != 0) return facts.pid;
    const auto end = facts.ends.find(line.run);
    return end == facts.ends.end() ? 0 : end->second.pid;
}

}  // namespace reeve::control
