#include "supervisor/log/history.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <limits>
#include <thread>
#include <tuple>
#include <utility>

#include "supervisor/log/file_lines.h"
#include "supervisor/log/line_reader.h"
#include "supervisor/log/log_directory.h"
#include "supervisor/model/line_buffer.h"

namespace reeve::log {

namespace {

using namespace std::chrono_literals;
using conf::LogFormat;

constexpr std::size_t kLongest = model::LineBuffer::kLongest;
// As JSON each byte may take six.
constexpr std::size_t kLongestJson = 6 * kLongest + 4096;

// How much is looked at in one go of the search backwards; it doubles.
constexpr std::uint64_t kFirstStep = 64 * 1024;
constexpr std::uint64_t kLargestStep = 4 * 1024 * 1024;

// What was put into a file while it was rotated may be that much older than the file's beginning.
constexpr WallTime kSlack = 10min;

constexpr std::uint64_t kAll = std::numeric_limits<std::uint64_t>::max();

std::string directory_of(const std::string& path) {
    return path.substr(0, path.size() - file_name(path).size());
}

std::string words_of(const base::OsError& error) {
    if (error.number == EBADMSG) return error.subject + " is damaged or cut off";
    if (error.number == ENOTSUP)
        return error.subject + " is compressed in a way that reeve can't read";
    return error.text();
}

// Of an index's mark.
Line::Kind kind_of(LineIndex::Kind mark) {
    switch (mark) {
        case LineIndex::Kind::run_begin:
            return Line::Kind::run_begin;
        case LineIndex::Kind::dropped:
            return Line::Kind::missed;
        default:
            return Line::Kind::run_end;
    }
}

}  // namespace

struct History::Head {
    Entry entry;
    std::size_t source = 0;

    // For a heap whose front comes first.
    bool operator<(const Head& other) const {
        const auto order = [](const Head& head) {
            auto all = std::tuple_cat(order_of(head.entry.line), std::tuple{head.source});
            std::get<0>(all) = head.entry.key;
            return all;
        };
        return order(other) < order(*this);
    }
};

// One log: the file and what it was rotated to.
class History::FileSource {
public:
    FileSource(FileHistory history, History& owner)
        : history_{std::move(history)}, owner_{owner}, read_to_{history_.until} {}

    const FileHistory& history() const { return history_; }

    // ENOENT: the files have less than memory, because somebody has moved or emptied them, or what
    // was meant for them went elsewhere.
    base::OsExpected<void> open(const std::vector<Line>& memory);

    // Finds where to begin, and how many lines there are from there on; they are only counted where
    // the last so many are wanted.
    std::uint64_t search();

    bool next(Entry& entry);

    // Why open() went wrong, where that is worth a word.
    std::optional<std::string> take_trouble() { return std::exchange(trouble_, std::nullopt); }

    // Lines that search() found and that have gone since.
    std::uint64_t take_lost() { return std::exchange(lost_, 0); }

    // All lines that were complete before this position have been read.
    std::int64_t read_to() const { return read_to_; }

private:
    struct Part {
        std::optional<RotatedFile> rotated;
        std::optional<MovedFile> moved;  // neither: the present file
        std::optional<FileSpan> span;
        std::uint64_t begin = 0;
        std::uint64_t limit = kAll;
        WallTime opened{0};  // rotations before and behind it
        WallTime closed = WallTime::max();
        std::uint64_t lines = 0;  // that search() has counted
    };
    struct Mark {
        const FileHistory::Stream* stream;
        LineIndex::Entry entry;
    };
    // A part, or a piece of one, that is being read.
    struct Reading {
        Reading(FileSource& source, const Part& of, FileReader& file, LineReader::Part range)
            : part{of},
              lines{file, range,
                    source.history_.format == LogFormat::json ? kLongestJson : kLongest} {}

        const Part& part;
        LineReader lines;
        const FileHistory::Stream* stream = nullptr;  // whose the line is that goes on
        Line last;                                    // its time and run
    };

    // All of the files, the oldest first.
    std::vector<Part> list(LogFiles files, const FileSpans::State& state) const;
    void assign_spans(std::vector<Part>& moved, FileSpans::State state) const;
    void add_parts(std::vector<Part> all);
    void say_what_is_lacking(const std::vector<Part>& all);
    bool only_old_ones_have_gone(const std::vector<Part>& all, const FileSpans::State& state) const;
    std::int64_t least_size(const std::vector<Line>& memory) const;
    std::int64_t whole_from(const std::vector<Part>& all) const;
    void add_marks();
    base::OsExpected<FileReader*> reader_of(const Part& part);
    void search_part(Part& part, std::uint64_t& found);
    bool read(Reading& reading, Line& line, std::int64_t& position);
    bool parse(Reading& reading, const LineReader::Piece& piece, Line& line);
    bool wanted(const Reading& reading, const Line& line, bool ours) const;
    const FileHistory::Stream* stream_of(const ParsedLine& parsed) const;
    bool enough(std::uint64_t found) const {
        return owner_.options_.last_lines && found >= *owner_.options_.last_lines;
    }

    FileHistory history_;
    History& owner_;
    std::optional<FileReader> present_;
    std::optional<FileReader> rotated_;  // the one that is being read
    std::vector<Part> parts_;            // the oldest first
    std::vector<Mark> marks_;
    std::string text_;

    std::size_t part_ = 0;  // where to read on
    std::uint64_t begin_ = 0;
    std::unique_ptr<Reading> reading_;
    std::size_t mark_ = 0;
    bool begun_ = false;         // the first line has been read
    std::optional<Entry> held_;  // what comes behind the marks that are due
    std::int64_t held_at_ = 0;
    std::optional<std::string> trouble_;
    WallTime key_{0};
    std::uint64_t lost_ = 0;
    std::int64_t read_to_;
};

// ---- what there is

// What the lines take in the file, at least.
std::int64_t History::FileSource::least_size(const std::vector<Line>& memory) const {
    std::size_t each = 1;
    if (history_.format == LogFormat::text)
        each += std::string_view{"2026-11-22T10:17:00.120Z  | "}.size();
    if (history_.format == LogFormat::json) each += 100;
    std::size_t size = 0;
    for (const Line& line : memory) {
        const bool is_there = line.kind == Line::Kind::text || line.kind == Line::Kind::unended;
        const bool is_its =
            std::any_of(history_.streams.begin(), history_.streams.end(), [&](const auto& stream) {
                return stream.key == StreamKey{line.instance, line.source};
            });
        if (is_there && is_its) size += line.text.size() + each;
    }
    return static_cast<std::int64_t>(size);
}

// The position from which on all that was queued is in files that can be found.
std::int64_t History::FileSource::whole_from(const std::vector<Part>& all) const {
    std::int64_t from = history_.until;
    for (auto part = all.rbegin(); part != all.rend(); ++part) {
        if (!part->span) continue;
        if (part->span->end < from) break;
        from = std::min(from, part->span->begin);
    }
    return from;
}

base::OsExpected<void> History::FileSource::open(const std::vector<Line>& memory) {
    const auto deadline = std::chrono::steady_clock::now() + owner_.options_.patience;
    while (history_.target->written() < static_cast<std::uint64_t>(history_.until)) {
        const int error = history_.target->outcome().write_error;
        if (error != 0 || std::chrono::steady_clock::now() >= deadline || owner_.cancelled_) {
            errno = error != 0 ? error : ETIMEDOUT;
            return base::os_error("write", history_.path);
        }
        std::this_thread::sleep_for(1ms);
    }
    for (int tries = 1;; ++tries) {
        const auto state = history_.target->spans();
        auto files = look_at_log(history_.path);
        if (!files) return Unexpected<base::OsError>{files.error()};
        struct stat status {};
        const bool same = files->current && state.present &&
                          ::fstat(files->current->descriptor(), &status) == 0 &&
                          state.present->device == status.st_dev &&
                          state.present->inode == status.st_ino;
        const auto is_present = [&](const MovedFile& file) {
            return state.present && file.device == state.present->device &&
                   file.inode == state.present->inode;
        };
        const bool is_found =
            same || std::any_of(files->moved.begin(), files->moved.end(), is_present);
        // It may be being rotated right now.
        constexpr int kMostTries = 20;
        const bool any_ours = state.present || !state.rotated.empty();
        if (!is_found && any_ours && tries < kMostTries) {
            std::this_thread::sleep_for(5ms);
            continue;
        }
        auto known = state;
        // Somebody may have emptied it.
        const bool is_short = same && status.st_size < history_.until - known.present->span.base;
        if (!is_found || is_short) known.present.reset();
        if (files->current) present_ = std::move(files->current);
        std::vector<Part> all = list(std::move(*files), known);
        if (history_.until - whole_from(all) < least_size(memory)) {
            if (any_ours && !only_old_ones_have_gone(all, state)) say_what_is_lacking(all);
            errno = ENOENT;
            return base::os_error("open", history_.path);
        }
        add_parts(std::move(all));
        add_marks();
        return {};
    }
}

// What is missing was rotated and taken away since, as `keep` has it, and all behind it is there.
bool History::FileSource::only_old_ones_have_gone(const std::vector<Part>& all,
                                                  const FileSpans::State& state) const {
    const std::int64_t from = whole_from(all);
    return std::ranges::any_of(state.rotated, [&](const FileSpan& span) {
        return span.end == from && std::ranges::none_of(all, [&](const Part& part) {
                   return part.rotated && part.rotated->time == span.stamp;
               });
    });
}

void History::FileSource::say_what_is_lacking(const std::vector<Part>& all) {
    trouble_ = history_.path +
               " lacks lines (it was moved, emptied or could not be written): only what memory has "
               "is shown";
    for (auto part = all.rbegin(); part != all.rend(); ++part) {
        if (!part->moved) continue;
        *trouble_ += "; older ones may be in " + directory_of(history_.path) + part->moved->name;
        break;
    }
}

// What each of the files that somebody has moved has of ours: its inode says so or, when it is
// another since it was compressed, its size and when it was written.
void History::FileSource::assign_spans(std::vector<Part>& moved, FileSpans::State state) const {
    for (Part& part : moved) {
        const MovedFile& file = *part.moved;
        if (const auto& present = state.present;
            present && file.device == present->device && file.inode == present->inode) {
            part.span = present->span;
            part.span->end = history_.until;
        }
    }
    const auto assign = [&](bool compressed, auto is_it) {
        for (Part& part : moved) {
            const MovedFile& file = *part.moved;
            if (part.span || (file.compression != conf::Compression::none) != compressed) continue;
            const auto found = std::ranges::find_if(state.moved, [&](const MovedSpan& span) {
                const auto size =
                    static_cast<std::uint64_t>(span.file.span.end - span.file.span.base);
                const std::uint64_t modulus =
                    file.compression == conf::Compression::gzip ? 0xffff'ffffu : kAll;
                return file.size && *file.size == (size & modulus) && is_it(file, span);
            });
            if (found == state.moved.end()) continue;
            part.span = found->file.span;
            state.moved.erase(found);
        }
    };
    assign(false, [](const MovedFile& file, const MovedSpan& span) {
        return file.device == span.file.device && file.inode == span.file.inode;
    });
    // Both are in the order of their age, which tells those of one size apart.
    assign(true, [](const MovedFile& file, const MovedSpan& span) {
        return file.written >= span.file.opened - 1s && file.written <= span.left + 2s;
    });
}

std::vector<History::FileSource::Part> History::FileSource::list(
    LogFiles files, const FileSpans::State& state) const {
    std::vector<Part> all;
    for (RotatedFile& file : files.rotated) {
        Part part;
        const auto span =
            std::find_if(state.rotated.begin(), state.rotated.end(),
                         [&](const FileSpan& known) { return known.stamp == file.time; });
        if (span != state.rotated.end()) part.span = *span;
        part.closed = file.time;
        part.rotated = std::move(file);
        all.push_back(std::move(part));
    }
    std::vector<Part> moved;
    struct stat present {};
    if (present_) ::fstat(present_->descriptor(), &present);
    for (MovedFile& file : files.moved) {
        const std::string path = directory_of(history_.path) + file.name;
        const bool is_linked =
            present_ && file.inode == present.st_ino && file.device == present.st_dev;
        if (is_linked || std::ranges::find(history_.others, path) != history_.others.end())
            continue;
        Part part;
        // Who compresses may keep no more of the time than the seconds.
        part.closed = file.written + 1s;
        part.moved = std::move(file);
        moved.push_back(std::move(part));
    }
    assign_spans(moved, state);
    std::ranges::move(moved, std::back_inserter(all));
    std::ranges::stable_sort(all, {}, &Part::closed);
    // What is ours is in the order in which it was written, whatever the clock said.
    std::ranges::stable_sort(all, {}, [](const Part& part) {
        return part.span ? part.span->begin : std::numeric_limits<std::int64_t>::min();
    });
    if (!present_) return all;
    Part part;
    const bool is_elsewhere = std::any_of(all.begin(), all.end(), [&](const Part& other) {
        return other.moved && state.present && other.moved->inode == state.present->inode &&
               other.moved->device == state.present->device;
    });
    if (state.present && !is_elsewhere) {
        part.span = state.present->span;
        part.span->end = history_.until;
    }
    all.push_back(std::move(part));
    return all;
}

void History::FileSource::add_parts(std::vector<Part> all) {
    WallTime opened{0};
    for (Part& part : all) {
        part.opened = std::exchange(opened, std::max(opened, part.closed));
        if (part.span) {
            const FileSpan& span = *part.span;
            if (span.begin > history_.until) continue;
            if (span.end >= history_.until)
                part.limit = static_cast<std::uint64_t>(history_.until - span.base);
            if (history_.from) {
                const bool is_over = part.rotated || part.moved;
                if (is_over && span.end <= *history_.from) continue;
                part.begin = static_cast<std::uint64_t>(
                    std::max(std::int64_t{0}, *history_.from - span.base));
            }
        } else if (history_.from) {
            continue;
        }
        if (owner_.options_.since && part.closed < *owner_.options_.since) continue;
        if (owner_.options_.until && part.opened > *owner_.options_.until + kSlack) continue;
        parts_.push_back(std::move(part));
    }
}

void History::FileSource::add_marks() {
    for (FileHistory::Stream& stream : history_.streams) {
        for (const LineIndex::Entry& entry : stream.index)
            if (entry.kind == LineIndex::Kind::run_begin && entry.number != 0)
                stream.pids[entry.run] = entry.number;
        for (const LineIndex::Entry& entry : stream.index) {
            const bool of_run =
                entry.kind == LineIndex::Kind::run_begin || entry.kind == LineIndex::Kind::run_end;
            if (entry.kind != LineIndex::Kind::dropped && !(of_run && stream.has_marks)) continue;
            if (stream.run && *stream.run != entry.run) continue;
            if (owner_.options_.since && entry.time < *owner_.options_.since) continue;
            if (owner_.options_.until && entry.time > *owner_.options_.until) continue;
            if (history_.from &&
                (entry.position < *history_.from ||
                 (entry.position == *history_.from && entry.time <= history_.from_time)))
                continue;
            marks_.push_back({&stream, entry});
        }
    }
    std::stable_sort(marks_.begin(), marks_.end(), [](const Mark& a, const Mark& b) {
        return a.entry.position < b.entry.position;
    });
}

base::OsExpected<FileReader*> History::FileSource::reader_of(const Part& part) {
    if (!part.rotated && !part.moved) return &*present_;
    auto opened = part.moved ? FileReader::open(history_.path, *part.moved)
                             : FileReader::open(history_.path, *part.rotated);
    if (!opened) return Unexpected<base::OsError>{opened.error()};
    rotated_ = std::move(*opened);
    return &*rotated_;
}

// ---- backwards

std::uint64_t History::FileSource::search() {
    std::uint64_t found = 0;
    part_ = 0;
    begin_ = parts_.empty() ? 0 : parts_.front().begin;
    if (!owner_.options_.last_lines && !owner_.options_.since) return 0;
    for (std::size_t index = parts_.size(); index-- > 0 && !owner_.cancelled_;) {
        part_ = index;
        search_part(parts_[index], found);
        if (enough(found) || begin_ > parts_[index].begin) break;
    }
    rotated_.reset();
    return found;
}

// Leaves in begin_ where to begin, if it is in this part.
void History::FileSource::search_part(Part& part, std::uint64_t& found) {
    begin_ = part.begin;
    // Only lines that have their time, in a file that can be read anywhere, are searched by time.
    const auto& since = owner_.options_.since;
    const auto file = reader_of(part);
    if (!file) return;  // read() says why
    if ((*file)->is_compressed() && !owner_.options_.last_lines) return;

    struct stat status {};
    std::uint64_t end = part.limit;
    if (!(*file)->is_compressed() && ::fstat((*file)->descriptor(), &status) == 0)
        end = std::min(end, static_cast<std::uint64_t>(status.st_size));
    std::uint64_t size = (*file)->is_compressed() ? kAll : kFirstStep;
    while (end > part.begin && !owner_.cancelled_) {
        const std::uint64_t begin = end - part.begin > size ? end - size : part.begin;
        Reading reading{*this, part, **file, {begin, end, part.limit}};
        Line line;
        std::int64_t position = 0;
        std::uint64_t here = 0;
        while (read(reading, line, position)) ++here;
        trouble_.reset();
        found += here;
        part.lines += here;
        begin_ = begin;
        if (enough(found)) return;
        // A segment that has lines, and none of them is young enough, ends the search.
        if (since && reading.last.time != WallTime{0} && here == 0 && reading.last.time < *since)
            return;
        end = begin;
        size = std::min(size * 2, kLargestStep);
    }
    begin_ = part.begin;
}

// ---- forwards

bool History::FileSource::next(Entry& entry) {
    for (;;) {
        if (trouble_) {
            entry.line = {.instance = history_.streams.front().key.instance,
                          .source = history_.streams.front().key.source,
                          .kind = Line::Kind::note,
                          .text = *std::exchange(trouble_, std::nullopt)};
            entry.key = key_;
            return true;
        }
        const std::int64_t due = held_ ? held_at_ : history_.until;
        if (held_ || part_ >= parts_.size()) {
            if (mark_ < marks_.size() && marks_[mark_].entry.position <= due) {
                const Mark& mark = marks_[mark_++];
                entry.line = {
                    .time = mark.entry.time,
                    .instance = mark.stream->key.instance,
                    .run = mark.entry.run,
                    .source = mark.stream->key.source,
                    .kind = kind_of(mark.entry.kind),
                    .number = mark.entry.number,
                };
                entry.key = key_ = std::max(key_, mark.entry.time);
                return true;
            }
            if (!held_) return false;
            entry = *std::exchange(held_, std::nullopt);
            return true;
        }
        const Part& part = parts_[part_];
        if (!reading_) {
            const auto file = reader_of(part);
            if (!file) {
                lost_ += part.lines;
                trouble_ = words_of(file.error()) + ": what was in it is missing here";
                ++part_;
                if (part_ < parts_.size()) begin_ = parts_[part_].begin;
                continue;
            }
            reading_ = std::make_unique<Reading>(*this, part, **file,
                                                 LineReader::Part{begin_, part.limit, part.limit});
        }
        Line line;
        std::int64_t position = 0;
        if (!read(*reading_, line, position)) {
            reading_.reset();
            rotated_.reset();
            ++part_;
            if (part_ < parts_.size()) begin_ = parts_[part_].begin;
            continue;
        }
        if (line.time != WallTime{0}) {
            key_ = std::max(key_, line.time);
        } else if (part.closed != WallTime::max()) {
            key_ = std::max(key_, part.closed);
        }
        // What was there before this reeve began comes before all of its runs.
        held_at_ = part.span && position >= part.span->begin
                       ? position
                       : std::numeric_limits<std::int64_t>::min();
        held_ = Entry{std::move(line), key_};
        // Marks of runs whose output is not looked at.
        if (!std::exchange(begun_, true)) {
            while (mark_ < marks_.size() && marks_[mark_].entry.position < held_at_) ++mark_;
        }
    }
}

// The next line that is wanted; false at the end, or with trouble_.
bool History::FileSource::read(Reading& reading, Line& line, std::int64_t& position) {
    LineReader::Piece piece;
    for (std::uint64_t count = 0;; ++count) {
        if (count % 1024 == 0) {
            ++owner_.progress_;
            if (owner_.cancelled_) return false;
        }
        const auto more = reading.lines.next(piece);
        if (!more) {
            trouble_ = words_of(more.error()) + ": what follows in it is missing here";
            return false;
        }
        if (!*more) return false;
        const auto& span = reading.part.span;
        position = span ? span->base + static_cast<std::int64_t>(piece.begin) : 0;
        const bool ours = span && position >= span->begin;
        if (!parse(reading, piece, line)) continue;
        if (line.kind == Line::Kind::partial && !owner_.options_.with_partial) {
            read_to_ = position;
            continue;
        }
        reading.last = line;
        reading.last.text.clear();
        if (wanted(reading, line, ours)) return true;
    }
}

bool History::FileSource::parse(Reading& reading, const LineReader::Piece& piece, Line& line) {
    line = Line{};
    std::string_view text = piece.text;
    const bool is_piece = !piece.ended && text.size() == kLongest;
    std::optional<ParsedLine> parsed;
    switch (history_.format) {
        case LogFormat::raw:
            break;
        case LogFormat::text:
            if (piece.first) parsed = parse_text_line(text);
            break;
        case LogFormat::json:
            parsed = parse_json_line(text, text_);
            if (parsed) text = text_;
            break;
    }
    if (parsed) {
        reading.stream = stream_of(*parsed);
    } else if (!history_.shared) {
        reading.stream = &history_.streams.front();
    } else if (piece.first) {
        reading.stream = nullptr;  // nobody knows whose it is
    }
    if (!reading.stream) return false;
    const FileHistory::Stream& stream = *reading.stream;
    line.instance = stream.key.instance;
    line.source = stream.key.source;

    const auto& span = reading.part.span;
    const std::int64_t position = span ? span->base + static_cast<std::int64_t>(piece.begin) : 0;
    if (span && position >= span->begin) {
        // As in memory, a line is of the moment when the last of it came.
        const std::int64_t last = span->base + static_cast<std::int64_t>(piece.end) - 1;
        auto after = std::upper_bound(
            stream.index.begin(), stream.index.end(), last,
            [](std::int64_t at, const LineIndex::Entry& entry) { return at < entry.position; });
        for (auto entry = after; entry != stream.index.begin();) {
            if ((--entry)->position != last) break;
            if (entry->kind != LineIndex::Kind::unended) continue;
            // That newline is ours.
            line.kind = Line::Kind::unended;
            after = entry;
        }
        if (after != stream.index.begin()) {
            line.time = std::prev(after)->time;
            line.run = std::prev(after)->run;
            const auto pid = stream.pids.find(line.run);
            if (pid != stream.pids.end()) line.number = pid->second;
        }
    }
    if (parsed) {
        line.time = parsed->time;
        if (parsed->run != 0) line.run = parsed->run;
        if (parsed->pid != 0) line.number = parsed->pid;
        if (parsed->partial)
            line.kind = text.size() == kLongest ? Line::Kind::piece : Line::Kind::unended;
    } else if (!piece.first || history_.format != LogFormat::raw) {
        line.time = reading.last.time;
        line.run = reading.last.run;
    }
    if (history_.format == LogFormat::text && piece.ended && text.ends_with(kNoNewline)) {
        text.remove_suffix(kNoNewline.size());
        line.kind = Line::Kind::unended;
    }
    if (!piece.ended) line.kind = is_piece ? Line::Kind::piece : Line::Kind::partial;
    if (stream.is_terminal && piece.ended && history_.format == LogFormat::raw &&
        text.ends_with('\r'))
        text.remove_suffix(1);
    line.text = text;
    return true;
}

const FileHistory::Stream* History::FileSource::stream_of(const ParsedLine& parsed) const {
    if (!history_.shared) return &history_.streams.front();
    for (const FileHistory::Stream& stream : history_.streams) {
        if (stream.key.source != parsed.source) continue;
        if (!parsed.name.empty() ? stream.name == parsed.name
                                 : stream.name == parsed.program ||
                                       stream.name == std::string{parsed.program} + "@" +
                                                          std::to_string(parsed.instance))
            return &stream;
    }
    return nullptr;
}

bool History::FileSource::wanted(const Reading& reading, const Line& line, bool ours) const {
    const Options& options = owner_.options_;
    if (reading.stream->run && (!ours || line.run != *reading.stream->run)) return false;
    if (line.time == WallTime{0}) {
        // All that is known is when its file was begun and ended.
        return !(options.until && reading.part.opened > *options.until);
    }
    return !(options.since && line.time < *options.since) &&
           !(options.until && line.time > *options.until);
}

// ---- all of it

History::History(Look look, const Options& options) : look_{std::move(look)}, options_{options} {}

History::~History() = default;

void History::prepare() {
    prepared_ = true;
    std::vector<Line> notes;
    for (FileHistory& history : look_.files) {
        auto source = std::make_unique<FileSource>(std::move(history), *this);
        const auto opened = source->open(look_.instead);
        if (opened) {
            files_.push_back(std::move(source));
            continue;
        }
        // What was never a file, or is none any more, has nothing to be missed.
        const int why = opened.error().number;
        const auto& streams = source->history().streams;
        auto trouble = source->take_trouble();
        if (!trouble && why != ENOENT && why != ESPIPE && why != ENOTDIR)
            trouble = opened.error().text() + ": only what memory has is shown";
        if (trouble) {
            notes.push_back({.instance = streams.front().key.instance,
                             .source = streams.front().key.source,
                             .kind = Line::Kind::note,
                             .text = *std::move(trouble)});
        }
        for (const Line& line : look_.instead) {
            const auto is_its = [&line](const FileHistory::Stream& stream) {
                return stream.key == StreamKey{line.instance, line.source};
            };
            if (std::any_of(streams.begin(), streams.end(), is_its)) look_.lines.push_back(line);
        }
    }
    look_.files.clear();
    look_.instead.clear();
    std::stable_sort(look_.lines.begin(), look_.lines.end(), comes_before);
    look_.lines.insert(look_.lines.begin(), notes.begin(), notes.end());

    std::uint64_t found = static_cast<std::uint64_t>(
        std::count_if(look_.lines.begin(), look_.lines.end(),
                      [](const Line& line) { return is_line(line.kind); }));
    for (const auto& file : files_) found += file->search();
    if (options_.last_lines && found > *options_.last_lines) skip_ = found - *options_.last_lines;
    for (std::size_t source = 0; source <= files_.size(); ++source) push(source);
}

bool History::take(std::size_t source, Entry& entry) {
    if (source < files_.size()) return files_[source]->next(entry);
    if (in_memory_ == look_.lines.size()) return false;
    entry.line = std::move(look_.lines[in_memory_++]);
    entry.key = entry.line.time;
    return true;
}

void History::push(std::size_t source) {
    Head head;
    if (!take(source, head.entry)) return;
    head.source = source;
    heads_.push_back(std::move(head));
    std::push_heap(heads_.begin(), heads_.end());
}

bool History::next(std::size_t bytes, std::vector<Line>& lines) {
    if (!prepared_) prepare();
    std::size_t taken = 0;
    while (!heads_.empty() && taken < bytes && !cancelled_) {
        std::pop_heap(heads_.begin(), heads_.end());
        Head head = std::move(heads_.back());
        heads_.pop_back();
        push(head.source);
        if (head.source < files_.size()) {
            const std::uint64_t lost = files_[head.source]->take_lost();
            skip_ -= std::min(skip_, lost);
        }
        const bool is_counted = is_line(head.entry.line.kind);
        if (skip_ > 0 && head.entry.line.kind != Line::Kind::note) {
            if (is_counted) --skip_;
            continue;
        }
        taken += cost(head.entry.line);
        lines.push_back(std::move(head.entry.line));
    }
    return !heads_.empty() && !cancelled_;
}

std::vector<Seen> History::seen() const {
    std::vector<Seen> seen = look_.seen;
    for (const auto& file : files_) {
        for (const FileHistory::Stream& stream : file->history().streams)
            for (Seen& known : seen)
                if (known.stream == stream.key) known.file = std::min(known.file, file->read_to());
    }
    return seen;
}

}  // namespace reeve::log
