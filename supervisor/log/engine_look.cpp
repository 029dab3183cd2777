#include <algorithm>

#include "supervisor/log/engine.h"

// The engine's answers to readers: what memory has, and what of it must come from files.
namespace reeve::log {

namespace {

// Leaves out the oldest beyond the limits that the query sets.
void limit(const Query& query, std::vector<Line>& lines) {
    std::size_t wanted = query.last_lines.value_or(lines.size());
    std::size_t bytes = 0;
    std::size_t first = lines.size();
    std::uint64_t missed = 0;
    while (first > 0) {
        const Line& line = lines[first - 1];
        if (is_line(line.kind) && wanted == 0) break;
        if (bytes + cost(line) > query.most_bytes) {
            missed = static_cast<std::uint64_t>(
                std::count_if(lines.begin(), lines.begin() + static_cast<std::ptrdiff_t>(first),
                              [](const Line& older) { return is_line(older.kind); }));
            if (query.last_lines) missed = std::min<std::uint64_t>(missed, wanted);
            break;
        }
        bytes += cost(line);
        if (is_line(line.kind)) --wanted;
        --first;
    }
    lines.erase(lines.begin(), lines.begin() + static_cast<std::ptrdiff_t>(first));
    if (missed == 0) return;
    Line mark{.kind = Line::Kind::missed, .number = missed};
    if (!lines.empty()) mark.time = lines.front().time;
    lines.insert(lines.begin(), std::move(mark));
}

}  // namespace

std::vector<Line> Engine::query(const Query& query) {
    for (const InstanceId id : query.instances)
        for (const Source source : {Source::out, Source::err})
            if (Capture* const capture = find(id, source)) capture->catch_up(kCatchUp);
    return collect(query, true);
}

std::vector<Line> Engine::collect(const Query& query, bool with_partial) {
    std::vector<Line> lines;
    for (const InstanceId id : query.instances)
        for (const Source source : {Source::out, Source::err})
            if (const Capture* const capture = find(id, source))
                capture->collect(query, lines, with_partial);
    std::stable_sort(lines.begin(), lines.end(), comes_before);
    limit(query, lines);
    return lines;
}

// One stream, as it is at the moment of a look.
struct Engine::Looked {
    const Capture* capture = nullptr;
    FileSink* file = nullptr;
    std::optional<std::uint32_t> run;
    const Seen* seen = nullptr;  // by the look before
    std::vector<Line> lines;     // of memory
};

void Engine::look_at(const Capture& capture, const LookRequest& request,
                     std::optional<std::uint32_t> run, Looked& looked) {
    looked.capture = &capture;
    looked.file = capture.file();
    looked.run = run;
    Query query = request.query;
    query.run = run;
    for (const Seen& seen : request.after)
        if (seen.stream == StreamKey{capture.instance(), capture.source()}) looked.seen = &seen;
    std::optional<Ring::Position> after;
    if (looked.seen) after = looked.seen->memory;
    capture.collect(query, looked.lines, !request.follow, after);
}

// Whether what is asked for goes back further than memory.
bool Engine::wants_older(const Looked& looked, const LookRequest& request,
                         std::optional<WallTime> oldest_wanted) const {
    const Capture& capture = *looked.capture;
    if (request.query.source && *request.query.source != capture.source()) return false;
    if (looked.seen) return !capture.ring().reaches_back_to(looked.seen->memory);
    if (looked.run && capture.has_marks() && capture.ring().has_begin_of(*looked.run)) return false;
    const WallTime reach = capture.reaches_back_to();
    // Lines that memory has forgotten may be of the same millisecond as the first that it has.
    if (request.query.since && reach < *request.query.since) return false;
    return !oldest_wanted || reach > *oldest_wanted;
}

Look Engine::look(std::uint64_t follower, const LookRequest& request, const OnLines& on_lines) {
    // All of them first: one may have its sibling read on.
    for (const InstanceId id : request.query.instances)
        for (const Source source : {Source::out, Source::err})
            if (Capture* const capture = find(id, source)) capture->catch_up(kCatchUp);
    std::vector<Looked> all;
    std::vector<Line> lines;
    for (std::size_t index = 0; index < request.query.instances.size(); ++index) {
        for (const Source source : {Source::out, Source::err}) {
            const Capture* const capture = find(request.query.instances[index], source);
            if (!capture) continue;
            std::optional<std::uint32_t> run;
            if (!request.runs.empty()) run = request.runs[index];
            look_at(*capture, request, run, all.emplace_back());
            lines.insert(lines.end(), all.back().lines.begin(), all.back().lines.end());
        }
    }

    // Where memory has as many lines as were asked for, older ones are not looked for.
    std::optional<WallTime> oldest_wanted;
    if (const auto& wanted = request.query.last_lines; wanted && request.after.empty()) {
        std::vector<WallTime> times;
        for (const Line& line : lines)
            if (is_line(line.kind)) times.push_back(line.time);
        if (*wanted == 0) {
            oldest_wanted = WallTime::max();
        } else if (times.size() >= *wanted) {
            const auto nth = times.end() - static_cast<std::ptrdiff_t>(*wanted);
            std::nth_element(times.begin(), nth, times.end());
            oldest_wanted = *nth;
        }
    }

    Look look;
    std::vector<Line> notes;
    std::uint64_t in_files = 0;
    for (Looked& looked : all) {
        const StreamKey key{looked.capture->instance(), looked.capture->source()};
        Seen& seen = look.seen.emplace_back();
        seen.stream = key;
        seen.time = FileClock::real()->wall();
        seen.memory = looked.capture->ring().position();
        if (looked.file) seen.file = looked.file->file().position();

        const bool wants_more = wants_older(looked, request, oldest_wanted);
        if (wants_more && !looked.file && !looked.seen && looked.capture->ring().forgotten_before())
            look.forgotten.push_back(key);
        bool from_file = wants_more && looked.file && !request.memory_only;
        if (from_file && looked.file->file().is_away()) {
            from_file = false;
            if (!looked.seen && looked.capture->ring().forgotten_before()) {
                notes.push_back({.instance = key.instance,
                                 .source = key.source,
                                 .kind = Line::Kind::note,
                                 .text = looked.file->file().target()->path() +
                                         " can't be opened: older lines went to reeve's own "
                                         "stderr"});
            }
        }
        if (from_file && looked.file->format() == conf::LogFormat::raw &&
            looked.file->file().is_shared()) {
            from_file = false;
            if (!looked.seen) {
                notes.push_back(
                    {.instance = key.instance,
                     .source = key.source,
                     .kind = Line::Kind::note,
                     .text = "there may be older lines in " + looked.file->file().target()->path() +
                             ", into which others write as well: in format \"raw\" they can't be "
                             "told apart"});
            }
        }
        if (!from_file) {
            look.lines.insert(look.lines.end(), std::make_move_iterator(looked.lines.begin()),
                              std::make_move_iterator(looked.lines.end()));
            continue;
        }
        look.instead.insert(look.instead.end(), std::make_move_iterator(looked.lines.begin()),
                            std::make_move_iterator(looked.lines.end()));
        SharedFile& file = looked.file->file();
        auto known = std::find_if(look.files.begin(), look.files.end(),
                                  [&](const FileHistory& f) { return f.target == file.target(); });
        if (known == look.files.end()) {
            FileHistory history;
            history.path = file.target()->path();
            history.format = looked.file->format();
            history.shared = file.is_shared();
            history.target = file.target();
            history.until = file.position();
            if (looked.seen) {
                history.from = looked.seen->file;
                history.from_time = looked.seen->time;
            }
            in_files += static_cast<std::uint64_t>(history.until - history.from.value_or(0));
            for (SharedFile* const other : files_)
                if (other->target() != history.target)
                    history.others.push_back(other->target()->path());
            look.files.push_back(std::move(history));
            known = std::prev(look.files.end());
        }
        known->streams.push_back({.key = key,
                                  .name = looked.capture->name().name,
                                  .has_marks = looked.capture->has_marks(),
                                  .is_terminal = looked.capture->is_terminal(),
                                  .run = looked.run,
                                  .index = file.index(key).entries()});
    }
    std::stable_sort(look.lines.begin(), look.lines.end(), comes_before);
    std::stable_sort(look.instead.begin(), look.instead.end(), comes_before);
    if (look.files.empty()) limit(request.query, look.lines);
    look.lines.insert(look.lines.begin(), notes.begin(), notes.end());

    // A follower holds no more than so much while files are read.
    constexpr std::uint64_t kNear = 128 * 1024;
    const bool near = look.files.empty() || (!request.after.empty() && in_files <= kNear);
    if (!request.follow || !(near || request.last)) return look;
    look.following = true;
    Query query = request.query;
    std::sort(query.instances.begin(), query.instances.end());
    followers_.add(follower, query, {}, on_lines);
    return look;
}

void Engine::follow(std::uint64_t id, Query query, OnLines on_lines) {
    query.most_bytes = std::min(query.most_bytes, Followers::kMost);
    std::sort(query.instances.begin(), query.instances.end());

    // First what is in the pipes, then the past, so that nothing comes twice.
    for (const InstanceId instance : query.instances) {
        for (const Source source : {Source::out, Source::err}) {
            Capture* const capture = find(instance, source);
            if (capture) capture->catch_up(kCatchUp);
        }
    }
    followers_.add(id, query, collect(query, false), std::move(on_lines));
}

void Engine::took(std::uint64_t id, std::size_t lines) {
    followers_.took(id, lines);
}

void Engine::unfollow(std::uint64_t id) {
    followers_.remove(id);
}

}  // namespace reeve::log
