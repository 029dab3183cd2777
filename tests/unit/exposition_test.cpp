#include "ctl/api/exposition.h"

#include "tests/support/catch.h"

using namespace reeve;
using api::Exposition;
using api::ExpositionFormat;
using api::MetricType;

namespace {

std::string document(ExpositionFormat format) {
    Exposition out{format};
    out.family("reeve_build_info", MetricType::info, "", "The version; always 1.");
    out.sample(api::metric_label("version", "1.0"), std::uint64_t{1});
    out.family("reeve_program_cpu_seconds_total", MetricType::counter, "seconds",
               "Its \"time\" \\ so far,\nall in all.");
    out.sample(R"(program="a")", 0.25);
    out.sample(R"(program="b")", 0.0);
    out.family("reeve_pids", MetricType::gauge, "", "Processes.");
    out.sample("", std::uint64_t{18446744073709551615ULL});
    return out.finish();
}

}  // namespace

TEST_CASE("the text format names families as their samples are named") {
    CHECK(document(ExpositionFormat::text) ==
          "# HELP reeve_build_info The version; always 1.\n"
          "# TYPE reeve_build_info gauge\n"
          "reeve_build_info{version=\"1.0\"} 1\n"
          "# HELP reeve_program_cpu_seconds_total Its \"time\" \\\\ so far,\\nall in all.\n"
          "# TYPE reeve_program_cpu_seconds_total counter\n"
          "reeve_program_cpu_seconds_total{program=\"a\"} 0.25\n"
          "reeve_program_cpu_seconds_total{program=\"b\"} 0\n"
          "# HELP reeve_pids Processes.\n"
          "# TYPE reeve_pids gauge\n"
          "reeve_pids 18446744073709551615\n");
}

TEST_CASE("OpenMetrics names families without suffixes, has units, and says that it is complete") {
    CHECK(document(ExpositionFormat::openmetrics) ==
          "# HELP reeve_build The version; always 1.\n"
          "# TYPE reeve_build info\n"
          "reeve_build_info{version=\"1.0\"} 1\n"
          "# HELP reeve_program_cpu_seconds Its \\\"time\\\" \\\\ so far,\\nall in all.\n"
          "# TYPE reeve_program_cpu_seconds counter\n"
          "# UNIT reeve_program_cpu_seconds seconds\n"
          "reeve_program_cpu_seconds_total{program=\"a\"} 0.25\n"
          "reeve_program_cpu_seconds_total{program=\"b\"} 0\n"
          "# HELP reeve_pids Processes.\n"
          "# TYPE reeve_pids gauge\n"
          "reeve_pids 18446744073709551615\n"
          "# EOF\n");
}

TEST_CASE("numbers are written out in full where that is not absurd") {
    Exposition out{ExpositionFormat::text};
    out.family("x", MetricType::gauge, "", "X.");
    for (const double value : {1.7e9, 1700000000.125, 1e-6, -0.5, 1e300}) out.sample("", value);
    CHECK(out.finish() ==
          "# HELP x X.\n# TYPE x gauge\n"
          "x 1700000000\nx 1700000000.125\nx 0.000001\nx -0.5\nx 1e+300\n");
}

TEST_CASE("values of labels are escaped") {
    CHECK(api::metric_label("group", "a,b") == R"(group="a,b")");
    CHECK(api::metric_label("x", "say \"hi\" \\ and\nbye") == R"(x="say \"hi\" \\ and\nbye")");
}

TEST_CASE("OpenMetrics is for who asks for it, the text for everybody else") {
    const std::pair<const char*, ExpositionFormat> rows[] = {
        {"", ExpositionFormat::text},
        {"*/*", ExpositionFormat::text},
        {"text/plain", ExpositionFormat::text},
        {"application/json", ExpositionFormat::text},
        {"application/openmetrics-text", ExpositionFormat::openmetrics},
        {"Application/OpenMetrics-Text; Version=\"1.0.0\"", ExpositionFormat::openmetrics},
        {"application/openmetrics-text;version=0.0.1", ExpositionFormat::text},
        {"application/openmetrics-text;version=2.0.0", ExpositionFormat::text},
        {"application/openmetrics-text;q=0", ExpositionFormat::text},
        {"application/openmetrics-text;q=zero", ExpositionFormat::text},
        {"application/openmetrics-text;q=0.5,text/plain;q=0.8", ExpositionFormat::text},
        {"text/plain;q=0.5 , application/openmetrics-text ;q=0.5", ExpositionFormat::openmetrics},
        {";;,,=;q", ExpositionFormat::text},
        // What Prometheus 2.42 and 3.1 send.
        {"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;"
         "q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
         ExpositionFormat::openmetrics},
        {"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
         "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;"
         "escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
         ExpositionFormat::openmetrics},
    };
    for (const auto& [accept, format] : rows) {
        CAPTURE(accept);
        CHECK(api::exposition_format(accept) == format);
    }
    CHECK(api::content_type(ExpositionFormat::text) == "text/plain; version=0.0.4; charset=utf-8");
    CHECK(api::content_type(ExpositionFormat::openmetrics) ==
          "application/openmetrics-text; version=1.0.0; charset=utf-8");
}

TEST_CASE("the text format as JSON has families, labels and values") {
    const auto json = api::exposition_to_json(document(ExpositionFormat::text));
    REQUIRE(json);
    CHECK(*json == R"([{"name":"reeve_build_info","help":"The version; always 1.","type":"gauge",)"
                   R"("metrics":[{"labels":{"version":"1.0"},"value":"1"}]},)"
                   R"({"name":"reeve_program_cpu_seconds_total",)"
                   R"("help":"Its \"time\" \\ so far,\nall in all.","type":"counter",)"
                   R"("metrics":[{"labels":{"program":"a"},"value":"0.25"},)"
                   R"({"labels":{"program":"b"},"value":"0"}]},)"
                   R"({"name":"reeve_pids","help":"Processes.","type":"gauge",)"
                   R"("metrics":[{"labels":{},"value":"18446744073709551615"}]}])");

    const auto escaped = api::exposition_to_json("x{a=\"1\\\"}, \\\\\",b=\"\"} NaN 1700000000\n");
    REQUIRE(escaped);
    CHECK(*escaped == R"([{"name":"x","help":"","type":"untyped","metrics":[)"
                      R"({"labels":{"a":"1\"}, \\","b":""},"value":"NaN"}]}])");
    CHECK(*api::exposition_to_json("") == "[]");

    for (const char* wrong : {"x", "{a=\"b\"} 1", "x{a=\"b\" 1", "x{a=\"b", "x{a} 1", "x{a=\"b\\",
                              "x{a=\"b\"}", "x "}) {
        CAPTURE(wrong);
        const auto refused = api::exposition_to_json("y 1\n" + std::string{wrong});
        REQUIRE_FALSE(refused);
        CHECK(refused.error() == "line 2 of the metrics is no sample");
    }
}
