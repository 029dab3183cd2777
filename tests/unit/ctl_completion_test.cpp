#include "ctl/completion.h"
#include "tests/support/catch.h"

using namespace reeve;
using namespace reeve::ctl;

namespace {

using Texts = std::vector<std::string>;

api::ProgramStatus program(std::string name, std::string state) {
    api::ProgramStatus status;
    status.program = name.substr(0, name.find('@'));
    status.name = std::move(name);
    status.state = std::move(state);
    return status;
}

api::Status a_status() {
    api::Status status;
    status.programs = {program("web", "running"), program("db", "stopped"),
                       program("worker@1", "running"), program("worker@2", "backoff"),
                       program("jobs", "failed")};
    status.programs[0].groups = status.programs[1].groups = {"site"};
    status.programs[3].failures = 2;
    status.programs[4].transient = true;
    return status;
}

// The words that may follow "reevectl LINE", of which the last may be begun.
Texts after(const Texts& before, const std::string& current) {
    const auto completion = complete(before, current, [](const auto&) { return a_status(); });
    CHECK(completion.kind == Completion::Kind::words);
    Texts words;
    for (const Completion::Word& word : completion.words) words.push_back(word.text);
    return words;
}

Completion::Kind kind_after(const Texts& before, const std::string& current = {}) {
    return complete(before, current, [](const auto&) { return a_status(); }).kind;
}

}  // namespace

TEST_CASE("verbs come first, and aliases to who begins to type one") {
    const Texts all = after({}, "");
    CHECK(std::ranges::find(all, "status") != all.end());
    CHECK(std::ranges::find(all, "ps") == all.end());
    CHECK(after({}, "p") == Texts{"ps"});
    CHECK(after({"--json"}, "do") == Texts{"doctor", "down"});
    CHECK(after({"help"}, "sc") == Texts{"scale"});
    CHECK(after({"frobnicate"}, "").empty());
}

TEST_CASE("options are those of the verb, with their values") {
    CHECK(after({"logs"}, "--fo") == Texts{"--follow"});
    CHECK(after({}, "--js") == Texts{"--json"});
    CHECK(after({"version"}, "--fo").empty());
    CHECK(after({"wait", "web", "--for"}, "re") == Texts{"ready"});
    CHECK(after({"wait", "web"}, "--for=he") == Texts{"--for=healthy"});
    CHECK(after({"--color"}, "a") == Texts{"auto", "always"});
    CHECK(after({"logs", "--grep"}, "").empty());
    CHECK(kind_after({"-s"}) == Completion::Kind::files);
    CHECK(kind_after({"status", "--socket"}) == Completion::Kind::files);
    CHECK(kind_after({"run", "-C"}) == Completion::Kind::files);
}

TEST_CASE("names are live, and those come first that the verb is of use for") {
    CHECK(after({"logs"}, "") ==
          Texts{"db", "jobs", "site", "web", "worker", "worker@1", "worker@2"});
    CHECK(after({"stop"}, "") == Texts{"site", "web", "worker", "worker@1", "worker@2"});
    CHECK(after({"start"}, "") == Texts{"db", "jobs", "site"});
    CHECK(after({"start"}, "we") == Texts{"web"});
    CHECK(after({"reset"}, "") == Texts{"jobs", "worker", "worker@2"});
    CHECK(after({"rm"}, "") == Texts{"jobs"});
    CHECK(after({"show"}, "s").empty());
    CHECK(after({"stop", "web"}, "w") == Texts{"worker", "worker@1", "worker@2"});
    CHECK(after({"stop", "web"}, "worker@") == Texts{"worker@1", "worker@2"});
    CHECK(after({"stop", "--all"}, "").empty());
    CHECK(after({"attach", "web"}, "").empty());
    CHECK(after({"scale"}, "w") == Texts{"web=", "worker="});
    CHECK(after({"diff"}, "").empty());
}

TEST_CASE("a signal comes before the names of signal, and behind -s of kill") {
    CHECK(after({"signal"}, "T") == Texts{"TRAP", "TERM", "TSTP", "TTIN", "TTOU"});
    CHECK(after({"signal"}, "SIGH") == Texts{"SIGHUP"});
    CHECK(after({"signal", "HUP"}, "we") == Texts{"web"});
    CHECK(after({"kill", "-s"}, "H") == Texts{"HUP"});
    CHECK(after({"kill", "-s", "HUP"}, "we") == Texts{"web"});
}

TEST_CASE("a command of run is the shell's to complete, and so are its arguments") {
    CHECK(kind_after({"run"}) == Completion::Kind::commands);
    CHECK(kind_after({"run", "--name", "x", "--"}) == Completion::Kind::commands);
    CHECK(kind_after({"run", "ls"}, "-") == Completion::Kind::files);
    CHECK(kind_after({"run", "--", "ls", "--json"}) == Completion::Kind::files);
    CHECK(after({"run"}, "--na") == Texts{"--name"});
}

TEST_CASE("the names are those of the socket that is named, and of no other host") {
    std::optional<std::string> asked;
    const AskStatus ask = [&](const std::optional<std::string>& socket) {
        asked = socket.value_or("the usual one");
        return std::optional<api::Status>{};
    };
    CHECK(complete({"stop"}, "", ask).words.empty());
    CHECK(asked == "the usual one");
    for (const Texts& line : {Texts{"-s", "/x", "stop"}, Texts{"stop", "--socket", "/x"},
                              Texts{"stop", "--socket=/x"}}) {
        complete(line, "", ask);
        CHECK(asked == "/x");
    }
    asked.reset();
    complete({"-H", "ssh://host", "stop"}, "", ask);
    complete({"sto"}, "p", ask);
    complete({"stop"}, "--", ask);
    CHECK_FALSE(asked);
}
