#pragma once

#include <memory>

#include "supervisor/log/rotated_files.h"

namespace reeve::log {

// Compresses rotated files on a thread of its own, of the lowest priority, that is there only while
// there is something to do.  A crash at any moment leaves the original or the whole compressed
// file.
class Compressor {
public:
    Compressor();
    ~Compressor();
    Compressor(const Compressor&) = delete;
    Compressor& operator=(const Compressor&) = delete;

    // There is one more to compress.
    void submit(const std::shared_ptr<RotatedFiles>& files);

    // The same, after a look at what a former reeve has left: files to be compressed, and
    // beginnings of compressed ones, which are deleted.
    void submit_with_leftovers(const std::shared_ptr<RotatedFiles>& files);

    bool idle() const;

    // Takes nothing more, and has the thread take away what it has not finished; doesn't wait for
    // that.  What is left to do is done after the next start.
    void stop();
    // Waits a moment for it.
    void wait_for_end();

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace reeve::log
