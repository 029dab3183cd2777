#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "ctl/client.h"
#include "ctl/command_line.h"
#include "ctl/output.h"

namespace reeve::ctl {

// What each verb works with.
struct Session {
    const Options& options;
    const Surroundings& world;
    Client client;
    Style style;

    // To standard output, unless --quiet; false once nobody reads it any more.
    bool print(std::string_view text) const;
    // A reply of --json: as it came, on a terminal laid out for reading.
    bool print_json(std::string_view text) const;
    // Says it and gives back its exit code.
    Exit fail(const Failure& failure) const;
    // How long a question may take that reeve answers at once.
    std::chrono::milliseconds patience() const;
    // A GET with that patience.
    Call question(std::string target) const;
};

Exit status_verb(const Session& session);
Exit show_verb(const Session& session);
Exit logs_verb(const Session& session);
Exit tree_verb(const Session& session);
Exit events_verb(const Session& session);
Exit explain_verb(const Session& session);
Exit attach_verb(const Session& session);
Exit action_verb(const Session& session);  // start, stop, restart, reload, signal, reset
Exit scale_verb(const Session& session);
Exit run_verb(const Session& session);
Exit remove_verb(const Session& session);
Exit diff_verb(const Session& session);
Exit apply_verb(const Session& session);
Exit shutdown_verb(const Session& session);
Exit zombies_verb(const Session& session);
Exit doctor_verb(const Session& session);
Exit version_verb(const Session& session);
Exit wait_verb(const Session& session);
Exit health_verb(const Session& session);  // 0 or 1, whatever is wrong
Exit history_verb(const Session& session);
Exit metrics_verb(const Session& session);
Exit completion_verb(const Session& session);
Exit top_verb(const Session& session);

// The screens of `explain NAME` and `status NAME`, without colours.
Expected<std::string, Failure> explain_text(const Session& session, const std::string& name);
Expected<std::string, Failure> card_text(const Session& session, const std::string& name);

// One of the actions on one target, as the options want it waited for.
Call action_call(const Options& options, Verb verb, const std::string& target);

// The instances that the targets name, in reeve's order and each once; without targets all.  A
// target that names nothing is a failure that says what is near.
Expected<std::vector<api::ProgramStatus>, Failure> select(const api::Status& status,
                                                          const std::vector<std::string>& targets);

// What one instance came to: to standard output, or to standard error when it is not ok.
void print_action(const Session& session, const api::ActionResult& result);

// "/v1/programs/TARGET" with the target encoded.
std::string program_path(std::string_view target);

}  // namespace reeve::ctl
