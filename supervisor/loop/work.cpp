#include "supervisor/loop/work.h"

#include <exception>
#include <string>

namespace reeve::loop {

struct Work::Request {
    uv_work_t uv{};
    std::function<void()> off_loop;
    std::function<void()> done;
    std::string thrown;     // by off_loop; reported on the loop
    Work* owner = nullptr;  // null once it has died
};

Work::~Work() {
    if (!request_) return;
    request_->owner = nullptr;
    uv_cancel(reinterpret_cast<uv_req_t*>(&request_->uv));  // EBUSY when it has begun: it goes on
}

void Work::start(std::function<void()> off_loop, std::function<void()> done) {
    request_ = new Request;
    request_->uv.data = request_;
    request_->off_loop = std::move(off_loop);
    request_->done = std::move(done);
    request_->owner = this;

    uv_queue_work(
        loop_.uv(), &request_->uv,
        [](uv_work_t* work) {
            auto* request = static_cast<Request*>(work->data);
            try {
                request->off_loop();
            } catch (const std::exception& error) {
                request->thrown = error.what();
            } catch (...) {
                request->thrown = "not a std::exception";
            }
        },
        [](uv_work_t* work, int) {
            const std::unique_ptr<Request> request{static_cast<Request*>(work->data)};
            if (!request->thrown.empty())
                Loop::of(work->loop).uncaught("work off the loop", request->thrown.c_str());
            if (!request->owner) return;
            // Before the call, which may start the next or destroy the Work.
            request->owner->request_ = nullptr;
            guarded(work->loop, "work's end", request->done);
        });
}

}  // namespace reeve::loop
