#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ctl/api/http.h"
#include "supervisor/base/expected.h"
#include "supervisor/control/access.h"

// Which call a request is; the OpenAPI file in packaging/ tells the world.  Knows no program and no
// connection.
namespace reeve::control {

enum class Call {
    status,
    program,
    start,
    stop,
    restart,
    signal,
    reset,
    reload,
    scale,
    run,
    remove,
    logs,
    own_logs,
    attach,
    tree,
    zombies,
    doctor,
    events,
    config_diff,
    config_apply,
    shutdown,
    livez,
    readyz,
    metrics,
};

struct Route {
    Call call;
    Role needed;
    std::string target;          // of /v1/programs/TARGET/…, decoded; else empty
    bool without_token = false;  // it is answered over TCP whoever asks
};

// What a client is told instead of an answer.
struct Refusal {
    api::ErrorCode code;
    std::string message;
    std::optional<std::string> hint;
    std::string allow;  // for "method not allowed": the methods that are, "GET, HEAD"
};

// Each call of the API.  "*" in a path is the target.
struct Row {
    std::string_view path;
    bool get;                  // else POST
    std::optional<Call> call;  // nullopt: of the API, but not in this version
    Role needed;
    bool without_token = false;
};
std::span<const Row> rows();

// HEAD is GET without the body.
Expected<Route, Refusal> route(std::string_view method, const std::vector<std::string>& segments);

}  // namespace reeve::control
