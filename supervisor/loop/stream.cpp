#include "supervisor/loop/stream.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

namespace reeve::loop {

namespace {

using namespace std::chrono_literals;

constexpr auto kAcceptRetry = 100ms;
// So many to a turn: a flood of connections must not keep the loop from its other work.
constexpr int kAcceptsPerTurn = 16;

// Requests own themselves and what they write; their callback comes even after the stream was
// closed, but before its block is freed.
struct Write {
    uv_write_t uv{};
    std::string bytes;
    std::string more;
};

struct Shutdown {
    uv_shutdown_t uv{};
    std::function<void()> done;
};

// The stream was closed before its request could be called back: its owner may be gone.  A write
// that was complete by then still comes with success.
bool is_over(const uv_stream_t* stream, int status) {
    return status == UV_ECANCELED || uv_is_closing(reinterpret_cast<const uv_handle_t*>(stream));
}

// Of pipes no socket option says anything.
bool is_tcp(int fd) {
    int domain = AF_UNSPEC;
    socklen_t size = sizeof domain;
    return ::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
           (domain == AF_INET || domain == AF_INET6);
}

}  // namespace

base::OsExpected<void> Stream::open(base::Fd fd, Callbacks callbacks) {
    close();
    HandlePtr<Uv, State> handle{new Block{State{std::move(callbacks), false}}};
    // Neither init can fail.
    if (is_tcp(fd.get())) {
        uv_tcp_init(loop_.uv(), &handle->uv.tcp);
        if (const int code = uv_tcp_open(&handle->uv.tcp, fd.get()); code != 0)
            return uv_failure("uv_tcp_open", code);
    } else {
        uv_pipe_init(loop_.uv(), &handle->uv.pipe, 0);
        if (const int code = uv_pipe_open(&handle->uv.pipe, fd.get()); code != 0)
            return uv_failure("uv_pipe_open", code);
    }
    fd.release();
    handle_ = std::move(handle);
    return {};
}

void Stream::close() {
    late_shutdown_.reset();
    handle_.reset();
}

void Stream::end(Block& block, int error) {
    if (std::exchange(block.callback.ended, true)) return;
    guarded(block.uv.stream.loop, "stream's end", block.callback.call.on_end, error);
}

void Stream::start_reading() {
    if (!handle_ || handle_->callback.ended) return;
    uv_read_start(
        &handle_->uv.stream,
        [](uv_handle_t* uv, std::size_t, uv_buf_t* buffer) {
            const auto room = Loop::of(uv->loop).read_buffer();
            *buffer = uv_buf_init(room.data(), static_cast<unsigned>(room.size()));
        },
        [](uv_stream_t* uv, ssize_t count, const uv_buf_t* buffer) {
            auto& block = *static_cast<Block*>(uv->data);
            if (count > 0) {
                guarded(uv->loop, "stream's data", block.callback.call.on_data,
                        std::span<const char>{buffer->base, static_cast<std::size_t>(count)});
            } else if (count < 0) {
                uv_read_stop(uv);
                end(block, count == UV_EOF ? 0 : static_cast<int>(-count));
            }
        });
}

void Stream::stop_reading() {
    if (handle_) uv_read_stop(&handle_->uv.stream);
}

void Stream::write(std::string bytes, std::string more) {
    if (!handle_ || (bytes.empty() && more.empty())) return;

    auto* request = new Write{.bytes = std::move(bytes), .more = std::move(more)};
    request->uv.data = request;
    const auto buffer = [](std::string& text) {
        return uv_buf_init(text.data(), static_cast<unsigned>(text.size()));
    };
    const uv_buf_t buffers[] = {buffer(request->bytes), buffer(request->more)};
    const unsigned count = request->more.empty() ? 1 : 2;
    const int code =
        uv_write(&request->uv, &handle_->uv.stream, buffers, count, [](uv_write_t* uv, int status) {
            const std::unique_ptr<Write> done{static_cast<Write*>(uv->data)};
            if (is_over(uv->handle, status)) return;
            auto& block = *static_cast<Block*>(uv->handle->data);
            if (status != 0) {
                end(block, -status);
            } else if (uv_stream_get_write_queue_size(uv->handle) == 0) {
                guarded(uv->handle->loop, "stream's drain", block.callback.call.on_drained);
            }
        });
    // Refused at once only by a stream on which a read has failed; on_end has said so.
    if (code != 0) delete request;
}

std::size_t Stream::queued_bytes() const {
    if (!handle_) return 0;
    return uv_stream_get_write_queue_size(&handle_->uv.stream);
}

void Stream::shutdown(std::function<void()> done) {
    if (!handle_) return;
    auto* request = new Shutdown{.done = std::move(done)};
    request->uv.data = request;
    const int code =
        uv_shutdown(&request->uv, &handle_->uv.stream, [](uv_shutdown_t* uv, int status) {
            const std::unique_ptr<Shutdown> over{static_cast<Shutdown*>(uv->data)};
            if (is_over(uv->handle, status)) return;
            // ENOTCONN, when the peer was quicker, is as good an end as any.
            guarded(uv->handle->loop, "stream's shutdown", over->done);
        });
    if (code == 0) return;
    // Shut down before, or broken: there is nothing to wait for, but the caller waits for a call.
    late_shutdown_ = std::make_unique<Deferred>(loop_, std::move(request->done));
    late_shutdown_->arm();
    delete request;
}

int Stream::fd() const {
    uv_os_fd_t number = -1;
    if (handle_) uv_fileno(reinterpret_cast<const uv_handle_t*>(&handle_->uv), &number);
    return number;
}

StreamServer::StreamServer(Loop& loop)
    : loop_{loop}, watch_{loop}, retry_{loop, [this] {
                                            if (!paused_) watch_.resume();
                                        }} {}

StreamServer::~StreamServer() {
    close();
}

// uv_listen() is not used: when descriptors run out it closes a spare one to accept and drop the
// client, and spins for ever once another thread has snatched that spare (libuv 1.44,
// uv__server_io).
base::OsExpected<void> StreamServer::start(base::Fd listening,
                                           std::function<void(base::Fd)> on_connection,
                                           std::function<void(const base::OsError&)> on_trouble) {
    close();
    listening_ = std::move(listening);
    on_connection_ = std::move(on_connection);
    on_trouble_ = std::move(on_trouble);
    in_trouble_ = false;
    paused_ = false;
    return watch_.start(listening_.get(), {.readable = true},
                        [this](FdWatch::Ready) { accept_some(); });
}

void StreamServer::close() {
    if (bool* const closed = std::exchange(closed_, nullptr)) *closed = true;
    retry_.stop();
    watch_.stop();
    listening_.reset();
}

void StreamServer::pause() {
    paused_ = true;
    watch_.pause();
}

void StreamServer::resume() {
    if (!std::exchange(paused_, false)) return;
    // Who waits for descriptors goes on waiting.
    if (listening_ && !retry_.active()) watch_.resume();
}

void StreamServer::accept_some() {
    uv_loop_t* const uv = loop_.uv();
    bool closed = false;
    closed_ = &closed;
    // Held here while they run: they may destroy the server.
    auto on_connection = std::move(on_connection_);
    auto on_trouble = std::move(on_trouble_);
    for (int count = 0; count < kAcceptsPerTurn && !closed && !paused_; ++count) {
        base::Fd connection{
            ::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
        if (connection) {
            in_trouble_ = false;
            guarded(uv, "connection", on_connection, std::move(connection));
            continue;
        }
        if (errno == EAGAIN) break;
        // A client that gave up before we came is nobody's trouble.
        if (errno == EINTR || errno == ECONNABORTED) continue;

        const base::OsError trouble{"accept", {}, errno};
        watch_.pause();
        retry_.start(kAcceptRetry);
        if (!std::exchange(in_trouble_, true)) guarded(uv, "trouble", on_trouble, trouble);
        break;
    }
    if (closed) return;
    closed_ = nullptr;
    on_connection_ = std::move(on_connection);
    on_trouble_ = std::move(on_trouble);
}

}  // namespace reeve::loop
