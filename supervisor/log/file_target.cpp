#include "supervisor/log/file_target.h"

#include <utility>

namespace reeve::log {

FileTarget::FileTarget(std::string path, std::optional<Owner> owner, conf::Rotation rotation,
                       std::weak_ptr<Listener> listener, std::shared_ptr<const FileClock> clock)
    : plan_{std::move(path), owner, rotation, std::move(clock)},
      listener_{std::move(listener)},
      rotation_{rotation} {}

void FileTarget::queue(Slice slice) {
    const std::lock_guard lock{mutex_};
    ever_queued_ += slice.bytes.size();
    queue_.append(std::move(slice));
}

void FileTarget::queue(std::string_view bytes) {
    const std::lock_guard lock{mutex_};
    ever_queued_ += bytes.size();
    queue_.append(bytes);
}

void FileTarget::pull(std::shared_ptr<Pull> pull) {
    const std::lock_guard lock{mutex_};
    pull_ = std::move(pull);
}

std::size_t FileTarget::queued() const {
    const std::lock_guard lock{mutex_};
    return queue_.size() + writing_;
}

FileTarget::Outcome FileTarget::outcome() const {
    const std::lock_guard lock{mutex_};
    return outcome_;
}

std::uint64_t FileTarget::ever_queued() const {
    const std::lock_guard lock{mutex_};
    return ever_queued_;
}

std::uint64_t FileTarget::written() const {
    const std::lock_guard lock{mutex_};
    return ever_queued_ - queue_.size() - writing_;
}

std::string FileTarget::take_queued() {
    const std::lock_guard lock{mutex_};
    return std::exchange(queue_, {}).text();
}

void FileTarget::want_reopen() {
    const std::lock_guard lock{mutex_};
    reopen_ = true;
}

void FileTarget::set_rotation(const conf::Rotation& rotation) {
    const std::lock_guard lock{mutex_};
    if (rotation == rotation_) return;
    next_rotation_ = std::make_unique<conf::Rotation>(rotation);
    rotation_ = rotation;
}

void FileTarget::compressed(int error) {
    {
        const std::lock_guard lock{mutex_};
        if (std::exchange(outcome_.compress_error, error) == error) return;
    }
    tell();
}

void FileTarget::tell() const {
    if (const auto listener = listener_.lock()) listener->worked();
}

bool FileTarget::work(Compressor& compressor, BlockPool& blocks) {
    if (!std::exchange(reports_, true)) {
        // Not before: nobody has a weak_ptr of what is still being constructed.
        file_.report_to(weak_from_this());
        file_.report_to(spans_);
    }
    Batch batch;
    bool reopen = false;
    std::int64_t position = 0;
    std::shared_ptr<Pull> pull;
    std::unique_ptr<conf::Rotation> rotation;
    {
        const std::lock_guard lock{mutex_};
        rotation = std::exchange(next_rotation_, nullptr);
        reopen = std::exchange(reopen_, false);
        batch = std::exchange(queue_, {});
        writing_ = batch.size();
        position = static_cast<std::int64_t>(ever_queued_ - writing_);
        pull = std::exchange(pull_, nullptr);
    }
    if (rotation) {
        plan_.rotation = *rotation;
        file_.rotation_changed();
    }
    bool well = write(std::move(batch), reopen, compressor, position);
    if (pull) {
        while (well) {
            const auto slice = pull->read(blocks, [&](std::size_t size) {
                const std::lock_guard lock{mutex_};
                position = static_cast<std::int64_t>(ever_queued_);
                ever_queued_ += size;
                writing_ = size;
            });
            if (!slice) break;
            Batch read;
            read.append(*slice);
            well = write(std::move(read), false, compressor, position);
        }
        pull->leave();
    }
    tell();
    const std::lock_guard lock{mutex_};
    return well && !queue_.empty();
}

bool FileTarget::write(Batch batch, bool reopen, Compressor& compressor, std::int64_t position) {
    const auto errors = file_.write(batch, reopen, compressor, position);
    const std::lock_guard lock{mutex_};
    // A write that stopped in the middle goes on there: no line is cut or written twice.
    queue_.prepend(std::move(batch));
    writing_ = 0;
    outcome_.open_error = errors.open;
    outcome_.write_error = errors.write;
    outcome_.rotate_error = errors.rotate;
    return errors.open == 0 && errors.write == 0;
}

}  // namespace reeve::log
