#include "supervisor/log/file_sink.h"

#include <algorithm>
#include <utility>

namespace reeve::log {

namespace {

// As much as a disk takes in a few milliseconds, so that its pauses are not felt.
constexpr std::size_t kFileQueue = 1024 * 1024;
// The longest beginning of a line that memory is sure to have as well.
constexpr std::size_t kMostBegun = 32 * 1024;
// With nothing going for so long, it does not keep up.
constexpr auto kStuckAfter = std::chrono::seconds{5};

using Clock = std::chrono::steady_clock;

}  // namespace

std::shared_ptr<SharedFile> SharedFile::make(std::string name, std::string path,
                                             std::optional<Owner> owner,
                                             const conf::Rotation& rotation,
                                             const Services& services) {
    std::shared_ptr<SharedFile> file{new SharedFile{std::move(name), services}};
    file->target_ = std::make_shared<FileTarget>(std::move(path), owner, rotation, file);
    file->submit();  // so that the file is there, or it is said that it can't be
    return file;
}

void SharedFile::add(FileSink& user) {
    // What is queued from now on comes behind what is being read for one of them.
    each_user([](FileSink& other) { other.company(); });
    FileSink** last = &first_user_;
    while (*last) last = &(*last)->next_user_;
    *last = &user;
    const auto at = std::ranges::lower_bound(indexes_, user.stream(), {},
                                             &std::pair<StreamKey, LineIndex>::first);
    if (at == indexes_.end() || at->first != user.stream())
        indexes_.emplace(at, user.stream(), LineIndex{});
}

LineIndex& SharedFile::index(StreamKey stream) {
    return std::ranges::lower_bound(indexes_, stream, {}, &std::pair<StreamKey, LineIndex>::first)
        ->second;
}

template <typename Action>
void SharedFile::each_user(Action action) const {
    for (FileSink* user = first_user_; user;) {
        FileSink* const next = user->next_user_;
        action(*user);
        user = next;
    }
}

bool SharedFile::is_shared() const {
    return first_user_ && first_user_->next_user_;
}

void SharedFile::remove(FileSink& user) {
    FileSink** at = &first_user_;
    while (*at != &user) at = &(*at)->next_user_;
    *at = user.next_user_;
    bool is_left = false;
    each_user([&](const FileSink& other) { is_left |= other.stream() == user.stream(); });
    if (!is_left)
        std::erase_if(indexes_,
                      [&user](const auto& index) { return index.first == user.stream(); });
    if (is_used()) return;
    // It is told when there is nothing left.
    room_wanted_ = true;
    services_.unused(*this);
}

bool SharedFile::has_room() {
    if (target_->queued() >= kFileQueue) {
        room_wanted_ = true;
        // It may have been written in between, and then nobody would tell.
        if (target_->queued() >= kFileQueue) {
            if (!full_since_) full_since_ = Clock::now();
            return false;
        }
    }
    full_since_.reset();
    return true;
}

std::optional<Trouble> SharedFile::trouble() {
    const auto now = Clock::now();
    const std::uint64_t written = target_->written();
    // Nobody has looked for a while: that it was idle then, too.
    const bool anew = now - std::exchange(looked_, now) >= kStuckAfter;
    if (std::exchange(written_seen_, written) != written || idle() || anew) moved_ = now;
    if (trouble_) return *trouble_;
    if (now - moved_ < kStuckAfter) return std::nullopt;
    return Trouble{.effect = Trouble::Effect::waits,
                   .place = target_->path(),
                   .reason = model::kDoesNotKeepUp,
                   .since = as_time_point(moved_)};
}

void SharedFile::set_trouble(Trouble::Effect effect, int error) {
    std::string reason = base::errno_text(error);
    if (trouble_ && trouble_->effect == effect && trouble_->reason == reason) return;
    trouble_ = std::make_unique<Trouble>(Trouble{.effect = effect,
                                                 .place = target_->path(),
                                                 .reason = std::move(reason),
                                                 .since = as_time_point(Clock::now())});
    services_.changed();
}

// Of those who write there, each once.
std::string SharedFile::names() const {
    constexpr std::size_t kNamed = 10;
    std::vector<std::string> all;
    each_user([&all](const FileSink& user) {
        if (std::find(all.begin(), all.end(), user.name()) == all.end()) all.push_back(user.name());
    });
    if (all.empty()) return name_;
    std::string text;
    for (std::size_t index = 0; index < all.size() && index < kNamed; ++index)
        text += (index == 0 ? "" : ", ") + all[index];
    if (all.size() > kNamed) text += " and " + std::to_string(all.size() - kNamed) + " more";
    return text;
}

void SharedFile::warn(const std::string& what) {
    services_.own_log.warn(names() + ": " + what);
    each_user([](FileSink& user) { user.set_said(true); });
}

void SharedFile::submit() {
    services_.pool.submit(target_);
    if (services_.pool.waiting()) services_.pool_waits();
    services_.busy();
}

void SharedFile::pull(std::shared_ptr<Pull> pull, std::function<void()> over) {
    pull->on_left([post = post_, over = std::move(over)] { (*post)(over); });
    target_->pull(std::move(pull));
    submit();
}

void SharedFile::reopen() {
    target_->want_reopen();
    submit();
}

void SharedFile::retry() {
    if (std::exchange(retry_armed_, false)) submit();
}

void SharedFile::wait_for_retry() {
    if (!std::exchange(retry_armed_, true)) services_.retry_later();
}

void SharedFile::give_up() {
    const std::string rest = target_->take_queued();
    const auto lines = std::count(rest.begin(), rest.end(), '\n');
    // Of what is being written nobody can say how much will be there.
    const bool writing = target_->queued() > 0;
    if (lines == 0 && !writing) return;
    const std::string count = lines == 0 ? "some" : std::to_string(lines);
    services_.own_log.warn(name_ + ": " + (writing && lines > 0 ? "at least " : "") + count +
                           (lines == 1 ? " line" : " lines") + " of its output dropped: " +
                           target_->path() + " did not take them before reeve ended");
}

// On a writing thread, after each piece of work: most need no word.
void SharedFile::worked() {
    const auto outcome = target_->outcome();
    const bool failed = outcome.open_error != 0 || outcome.write_error != 0 ||
                        outcome.rotate_error != 0 || outcome.compress_error != 0;
    const bool had_failed = failed_.exchange(failed);
    if (!room_wanted_.exchange(false) && !failed && !had_failed) return;
    (*post_)([weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->look_at_outcome();
    });
}

void SharedFile::look_at_outcome() {
    const auto outcome = target_->outcome();
    const std::string& path = target_->path();

    if (target_->queued() < kFileQueue) full_since_.reset();
    away_ = outcome.open_error != 0;
    if (away_) {
        set_trouble(Trouble::Effect::diverted, outcome.open_error);
        if (std::exchange(said_, outcome.open_error) != outcome.open_error) {
            warn("cannot open " + path + ": " + base::errno_text(outcome.open_error) +
                 "; its output goes to reeve's stderr until it can be");
        }
        take_back();
    } else if (outcome.write_error != 0) {
        set_trouble(Trouble::Effect::waits, outcome.write_error);
        if (std::exchange(said_, outcome.write_error) != outcome.write_error) {
            warn("cannot write " + path + ": " + base::errno_text(outcome.write_error) +
                 "; tried again every second");
        }
        wait_for_retry();
    } else {
        if (std::exchange(said_, 0) != 0)
            services_.own_log.info(names() + ": " + path + " is written again");
        if (std::exchange(compression_said_, outcome.compress_error) != outcome.compress_error &&
            outcome.compress_error != 0) {
            warn("cannot compress what was rotated of " + path + ": " +
                 base::errno_text(outcome.compress_error) + "; it stays as it is");
        }
        if (std::exchange(rotation_said_, outcome.rotate_error) != outcome.rotate_error &&
            outcome.rotate_error != 0) {
            warn("cannot rotate " + path + ": " + base::errno_text(outcome.rotate_error) +
                 "; it goes on growing");
        }
        if (outcome.rotate_error != 0) {
            set_trouble(Trouble::Effect::grows, outcome.rotate_error);
        } else if (outcome.compress_error != 0) {
            set_trouble(Trouble::Effect::uncompressed, outcome.compress_error);
        } else if (std::exchange(trouble_, nullptr)) {
            each_user([](FileSink& user) { user.set_said(false); });
            services_.changed();
        }
    }
    if (!is_used()) {
        room_wanted_ = true;
        // It may have been the last reference.
        if (idle()) return services_.changed();
    }
    // Each may read on, or comes back with a wish of its own.
    each_user([](FileSink& user) { user.room(); });
}

// What was meant for the file follows its fellows.
void SharedFile::take_back() {
    const std::string lines = target_->take_queued();
    if (lines.empty()) return;
    if (is_used()) return first_user_->take_back(lines);
    const auto count = std::count(lines.begin(), lines.end(), '\n');
    services_.own_log.warn(name_ + ": " + std::to_string(count) +
                           (count == 1 ? " line" : " lines") + " of its output dropped: " +
                           target_->path() + " can't be opened, and nobody writes there any more");
}

FileSink::FileSink(std::shared_ptr<SharedFile> file, StreamKey stream, const std::string& name,
                   const conf::Sink& wanted, RoomListener& listener, Scratch& scratch)
    : file_{std::move(file)},
      stream_{stream},
      name_{name},
      kind_{wanted.format},
      alone_{!wanted.shared},
      scratch_{scratch},
      listener_{listener} {
    file_->add(*this);
}

FileSink::~FileSink() {
    file_->remove(*this);
}

InheritSink& FileSink::fallback() {
    if (!fallback_) fallback_ = file_->services().to_stderr(name_, kind_);
    return *fallback_;
}

bool FileSink::has_room() {
    return file_->is_away() ? fallback().has_room() : file_->has_room();
}

bool FileSink::takes_bytes() const {
    return kind_ == conf::LogFormat::raw && alone_ && !file_->is_shared() && !file_->is_away();
}

std::optional<Clock::time_point> FileSink::full_since() const {
    return file_->is_away() && fallback_ ? fallback_->full_since() : file_->full_since();
}

std::optional<Trouble> FileSink::trouble() {
    auto trouble = file_->trouble();
    if (trouble) trouble->said = said_ && trouble->reason != model::kDoesNotKeepUp;
    return trouble;
}

// A line that was begun here is put where its end goes, and that is not yet known.
void FileSink::take_back(std::string_view lines) {
    if (kind_ == conf::LogFormat::raw && alone_ && !file_->is_shared()) {
        const std::size_t end = lines.rfind('\n') + 1;
        if (lines.size() - end <= kMostBegun) {
            begun_ = lines.substr(end);
            lines = lines.substr(0, end);
        }
    }
    fallback().put_lines(lines);
}

void FileSink::put_bytes(const Slice& slice) {
    file_->index(stream_).add_text(file_->position(), time_, run_);
    if (!begun_.empty()) file_->queue(std::string_view{std::exchange(begun_, {})});
    file_->queue(slice);
}

void FileSink::pull(std::shared_ptr<Pull> pull, std::function<void()> over) {
    file_->index(stream_).add_text(file_->position(), time_, run_);
    file_->pull(std::move(pull), std::move(over));
}

void FileSink::note(WallTime time, std::uint32_t run) {
    time_ = time;
    run_ = run;
}

void FileSink::mark(WallTime time, std::uint32_t run, LineIndex::Kind kind) {
    file_->index(stream_).add_mark(
        {.position = file_->position(), .time = time, .run = run, .kind = kind});
}

void FileSink::dropped(WallTime time, std::uint32_t run, std::uint64_t lines) {
    file_->index(stream_).add_dropped(file_->position(), time, run, lines);
}

void FileSink::set_run_number(std::uint32_t run, std::uint64_t number) {
    file_->index(stream_).set_run_number(run, number);
}

void FileSink::put(const Record& record) {
    if (file_->is_away()) return fallback().put(record);
    if (!lines_) lines_ = std::make_unique<Lines>(Lines{.format = LineFormat{kind_}});
    if (lines_->batch.empty()) lines_->batch = scratch_.take();
    lines_->format.append(lines_->batch, record);
}

void FileSink::flush() {
    if (file_->is_away()) {
        fallback().flush();
        // Who looks at lines has the beginning from memory.
        begun_.clear();
        // Only output makes it worth a try.
        file_->wait_for_retry();
    }
    if (const auto done = std::exchange(fallback_, nullptr)) done->flush();
    if (!lines_ || lines_->batch.empty()) return;
    file_->index(stream_).add_text(file_->position(), time_, run_);
    file_->queue(std::string_view{lines_->batch});
    scratch_.give_back(std::exchange(lines_->batch, {}));
}

}  // namespace reeve::log
