#include <filesystem>

#include "tests/unit/conf_fixture.h"

using namespace reeve::conf;

namespace {

std::string here() {
    return std::filesystem::current_path();
}

Files with(const std::string& lines, const std::string& env_file = "") {
    Files files{"[program.web]\ncommand = 'x'\n" + lines};
    files.files[here() + "/.env"] = env_file;
    return files;
}

}  // namespace

TEST_CASE("environment_file sets what environment does not, the later file above the earlier") {
    auto files = with(R"(
environment_file = [".env", { path = "${WHICH}.env" }, { path = "none.env", required = false }]
environment = { PORT = "80", URL = "http://${HOST}:${PORT}" }
)",
                      "PORT=1\nHOST=localhost\nPLAIN='a $b ${c}'\nLEVEL=info\n");
    files.files[here() + "/local.env"] = "LEVEL=debug\nGREETING=\"hello ${HOST}\"\n";
    files.environment["WHICH"] = "local";
    const auto environment = files.good().programs.at(0).environments.at(0);
    CHECK(environment == std::map<std::string, std::string>{{"GREETING", "hello localhost"},
                                                            {"HOST", "localhost"},
                                                            {"LEVEL", "debug"},
                                                            {"PLAIN", "a $b ${c}"},
                                                            {"PORT", "80"},
                                                            {"URL", "http://localhost:80"}});
}

TEST_CASE("a file of [defaults] stands below the program's environment and above [supervisor]'s") {
    auto files = with(R"(environment = { A = "program" }
[defaults]
environment_file = ".env"
environment = { B = "defaults" }
[supervisor]
environment = { A = "s", B = "s", C = "s", D = "s" }
)",
                      "A=file\nB=file\nC=file\n");
    const auto environment = files.good().programs.at(0).environments.at(0);
    CHECK(environment == std::map<std::string, std::string>{
                             {"A", "program"}, {"B", "defaults"}, {"C", "file"}, {"D", "s"}});
}

TEST_CASE("each instance may have a file of its own") {
    auto files = with("instances = 2\nenvironment_file = '${instance}.env'\n");
    files.files[here() + "/1.env"] = "PORT=8001\n";
    files.files[here() + "/2.env"] = "PORT=8002\n";
    const auto program = files.good().programs.at(0);
    CHECK(program.environments.at(0).at("PORT") == "8001");
    CHECK(program.environments.at(1).at("PORT") == "8002");
}

TEST_CASE("what is wrong with a file of variables is told with its own lines, and no secret") {
    CHECK(with("environment_file = 'no.env'").errors() ==
          "reeve.toml:3:20: \"environment_file\": cannot read \"" + here() +
              "/no.env\": No such file or directory (make it, or write { path = …, required = "
              "false })\n");
    CHECK(with("environment_file = 7").errors() ==
          "reeve.toml:3:20: \"environment_file\" is an integer (should be a path, or an array of "
          "paths and tables such as [\".env\", { path = \".env.local\", required = false }])\n");
    CHECK(with("environment_file = [7]").errors() ==
          "reeve.toml:3:21: an item of \"environment_file\" is an integer (should be \".env\" or { "
          "path = \".env\", required = false })\n");
    CHECK(
        with("environment_file = [{ file = '.env' }]").errors() ==
        "reeve.toml:3:23: unknown key \"file\" in an item of \"environment_file\" (should be as in "
        "\".env\" or { path = \".env\", required = false })\n");
    const std::string unset = with("environment_file = '.env'", "A=1\nPASSWORD=s3cr$et\n").errors();
    CHECK(unset.starts_with("reeve.toml:3:20: " + here() + "/.env:2:"));
    CHECK(unset.find("s3cr") == std::string::npos);
    const std::string wrong = with("environment_file = '.env'", "A=1\nB=\"open\n").errors();
    CHECK(wrong.starts_with("reeve.toml:3:20: " + here() + "/.env:2:"));
}
