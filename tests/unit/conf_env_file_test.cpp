#include <random>

#include "conf/env_file.h"
#include "conf/expand.h"
#include "tests/support/catch.h"

using namespace reeve::conf;

namespace {

// What reeve's own environment is here.
const EnvironmentMap kOwn{{"HOME", "/root"}, {"EMPTY", ""}, {"DOLLAR", "$HOME"}, {"A", "own"}};

// "NAME=value" a line, as they come out; with the errors where there are some.
std::string read(std::string_view text, const EnvironmentMap& earlier = {}) {
    const auto file = parse_env_file(text, kOwn, earlier);
    std::string lines;
    if (file) {
        for (const EnvVariable& one : file->variables) lines += one.name + "=" + one.value + "\n";
        for (const EnvProblem& one : file->unset) {
            lines += std::to_string(one.line) + ":" + std::to_string(one.column) +
                     ": unset: " + one.text + "\n";
        }
    } else {
        for (const EnvProblem& one : file.error()) {
            lines += std::to_string(one.line) + ":" + std::to_string(one.column) + ": " + one.text +
                     "\n";
        }
    }
    return lines;
}

struct Row {
    const char* text;
    const char* result;
};

void check_rows(std::initializer_list<Row> rows) {
    for (const Row& row : rows) {
        INFO(row.text);
        CHECK(read(row.text) == row.result);
    }
}

}  // namespace

TEST_CASE("a line is a name and a value, with white space around both") {
    check_rows({
        {"", ""},
        {"\n\n  \n\t\n", ""},
        {"B=1", "B=1\n"},
        {"B=1\nC=2\n", "B=1\nC=2\n"},
        {"  B = 1 \t\n", "B=1\n"},
        {"B=", "B=\n"},
        {"B=\nC=\n", "B=\nC=\n"},
        {"B=x y  z ", "B=x y  z\n"},
        {"B=c=d", "B=c=d\n"},
        {"B: 1\nC:2", "B=1\nC=2\n"},
        {"B=http://x:80/#top", "B=http://x:80/#top\n"},
        {"_b.C-9[0]=1\n9=x", "_b.C-9[0]=1\n9=x\n"},
        {"export B=1\nexport\tC=2\n  export D", "B=1\nC=2\n"},
        {"export=1\nexport =2\nexport: 3", "export=3\n"},
        {"exported=1\nexport", "exported=1\n"},
        {"export # no more", ""},
        // Of names that come twice the later counts.
        {"B=1\nC=2\nB=3", "C=2\nB=3\n"},
        {"B=grün", "B=grün\n"},
        {"B=\xff\xfe", "B=\xff\xfe\n"},
        {"B=\\n\\$\\", "B=\\n\\$\\\n"},
        {"B=it's \"so\"", "B=it's \"so\"\n"},
    });
}

TEST_CASE("a hash begins a comment at the beginning of a line and after white space") {
    check_rows({
        {"# B=1\n   # C=2\n#", ""},
        {"B=1 # one\nC=1\t#\nD=1 ## x", "B=1\nC=1\nD=1\n"},
        {"B=1# one", "B=1# one\n"},
        {"B=#1", "B=#1\n"},
        {"B= # none\nC=#", "B=\nC=#\n"},
        {"B='1 # 2' # three\nC=\"1 # 2\"#three", "B=1 # 2\nC=1 # 2\n"},
        {"HOME # mine", "HOME=/root\n"},
        {"B=1 # it's \"open", "B=1\n"},
    });
}

TEST_CASE("single quotes take all as it stands, but for the quote itself") {
    check_rows({
        {"B=' x '", "B= x \n"},
        {"B=''", "B=\n"},
        {"B='$HOME ${HOME} $$ \\n \\\\ \\$'", "B=$HOME ${HOME} $$ \\n \\\\ \\$\n"},
        {"B='Let\\'s go'", "B=Let's go\n"},
        {"B='say \"so\"'", "B=say \"so\"\n"},
        {"B='one\n  two # three\n'\nC=1", "B=one\n  two # three\n\nC=1\n"},
    });
}

TEST_CASE("double quotes know escapes and variables") {
    check_rows({
        {"B=\" x \"", "B= x \n"},
        {"B=\"\"", "B=\n"},
        {R"(B="1\n2\t3\r4\\5\"6\$7")", "B=1\n2\t3\r4\\5\"6$7\n"},
        {R"(B="\a\b\f\v")", "B=\a\b\f\v\n"},
        {R"(B="\d\x41\ ")", "B=\\d\\x41\\ \n"},
        {R"(B="C:\\new\\")", "B=C:\\new\\\n"},
        {"B=\"it's\"", "B=it's\n"},
        {"B=\"{\\\"hello\\\": \\\"json\\\"}\"", "B={\"hello\": \"json\"}\n"},
        {"B=\"one\ntwo\\\nthree\"\nC=1", "B=one\ntwo\\\nthree\nC=1\n"},
        {R"(B="\$HOME $HOME \\$HOME $$HOME")", "B=$HOME /root \\/root $HOME\n"},
        {R"(B="\${HOME}")", "B=${HOME}\n"},
    });
}

TEST_CASE("variables are replaced by earlier lines, earlier files, and reeve's environment") {
    check_rows({
        {"B=$HOME/x", "B=/root/x\n"},
        {"B=${HOME}x$HOME-y", "B=/rootx/root-y\n"},
        {"B=$DOLLAR", "B=$HOME\n"},  // not looked into again
        {"A=1\nB=$A", "A=1\nB=1\n"},
        {"B=$A\nA=1", "B=own\nA=1\n"},
        {"A=$A:x\nA=$A:y", "A=own:x:y\n"},
        {"B='$A'\nC=$B", "B=$A\nC=$A\n"},
        {"B=1$ 2$5 3$$ $", "B=1$ 2$5 3$ $\n"},
        {"B=$HOME # $HOME", "B=/root\n"},
        {"B=\"${NOT:-a b}\"\nC=${NOT:-$HOME}${NOT:-${NOT-x}}", "B=a b\nC=/rootx\n"},
    });
    CHECK(read("B=$A$Z\nA\nZ", {{"A", "before"}, {"Z", "z"}}) == "B=beforez\nA=own\n");
}

TEST_CASE("each operator tells unset and empty apart as compose does") {
    check_rows({
        {"B=[${A:-d}] [${EMPTY:-d}] [${NOT:-d}]", "B=[own] [d] [d]\n"},
        {"B=[${A-d}] [${EMPTY-d}] [${NOT-d}]", "B=[own] [] [d]\n"},
        {"B=[${A:+o}] [${EMPTY:+o}] [${NOT:+o}]", "B=[o] [] []\n"},
        {"B=[${A+o}] [${EMPTY+o}] [${NOT+o}]", "B=[o] [o] []\n"},
        {"B=[${A:?m}] [${A?m}] [${EMPTY?m}]", "B=[own] [own] []\n"},
        {"B=${NOT:-} ${NOT-} ${A:+} ${A+}.", "B=   .\n"},
        // What is not needed is only read over.
        {"B=${A:-${NOT:?m}}${NOT:+${NOT:?m}}", "B=own\n"},
        {"B=${EMPTY:?say where}", "1:3: the value of B: ${EMPTY} is not set (say where)\n"},
        {"B=${NOT?}", "1:3: the value of B: ${NOT} is not set (set it)\n"},
        {"B=${NOT:?needs $HOME}", "1:3: the value of B: ${NOT} is not set (needs /root)\n"},
    });
}

TEST_CASE("a name alone is taken over, or stays unset") {
    check_rows({
        {"HOME\nNOT\nexport EMPTY\n", "HOME=/root\nEMPTY=\n"},
        {"HOME", "HOME=/root\n"},
        {"HOME=1\nHOME", "HOME=/root\n"},
        {"NOT=1\nNOT", "NOT=1\n"},
    });
}

TEST_CASE("files of other systems are read as those of ours") {
    check_rows({
        {"\xef\xbb\xbf"
         "B=1\r\nC='x\r\ny'\r\nD=\"x\r\ny\\\r\n\" # z\r\n\r\nHOME\r\n# e\r\nE=\r\n",
         "B=1\nC=x\ny\nD=x\ny\\\n\nHOME=/root\nE=\n"},
        {"\xef\xbb\xbf", ""},
        {"B=1\rC=2", "B=1\rC=2\n"},
        {"\xef\xbb\xbf-/=1",
         "1:2: \"/\" can't be in a name (write NAME=value, the name with letters, digits and _; a "
         "value of several lines goes in quotes)\n"},
    });
    CHECK(read({"\xff\xfe"
                "B\0=\0",
                6}) == "1:1: this is UTF-16 (save it as UTF-8)\n");
    CHECK(read({"\xfe\xff\0B\0=", 6}) == "1:1: this is UTF-16 (save it as UTF-8)\n");
    CHECK(read({"B=1\nC='\0'\n", 10}) ==
          "2:4: this is a NUL, which no variable can hold (write text, without NUL)\n");
}

TEST_CASE("everything that is wrong is said at once, with its place and what would be right") {
    constexpr const char* kName =
        " can't be in a name (write NAME=value, the name with letters, digits and _; a value of "
        "several lines goes in quotes)\n";
    CHECK(
        read("B=1\n"
             "B+=2\n"
             "  é=3\n"
             "two words=4\n"
             "=5\n"
             "C='x' y\n"
             "D=\"${A\"\n"
             "E=grün ${1} \n"
             "export F/G=1\n"
             "good=1\n"
             "H=\"open\n"
             "I=1\n") ==
        std::string{"2:2: \"+\""} + kName + "3:3: \"é\"" + kName +
            "4:4: there is white space in the name (write NAME=value, with _ for it)\n"
            "5:1: a name is missing (write NAME=value)\n"
            "6:7: there is text behind the closing quote (put it inside, or write # before a "
            "comment)\n"
            "7:3: the value of D: a ${ in it is not closed (add }, or write $$ for a dollar)\n"
            "8:3: the value of E: a ${…} in it is not understood (write ${VAR}, or one of -, :-, "
            "?, :?, + and :+ behind VAR, or $$ for a dollar)\n"
            "9:9: \"/\"" +
            kName +
            "11:3: the quote \" is not closed (add \", or write \\\" for the character itself)\n");
    CHECK(read("B='open\\'") ==
          "1:3: the quote ' is not closed (add ', or write \\' for the character itself)\n");
    // Behind a value of several lines too.
    CHECK(read("B='ä\nö' x") ==
          "2:4: there is text behind the closing quote (put it inside, or write # before a "
          "comment)\n");
    CHECK(read("B=\"x\n\n${NOT:?m}\"\n/") ==
          std::string{"1:3: the value of B: ${NOT} is not set (m)\n4:1: \"/\""} + kName);
}

TEST_CASE("a plain variable that is not set is empty, and told") {
    const std::string remedy =
        " is not set, so it is empty (put the value in single quotes if the dollar is meant, else "
        "set it or write ${VAR:-})\n";
    CHECK(read("X=1\nB=a${NOT}c $NO\nC='$NO'\nD=${NO:-}") ==
          "X=1\nB=ac \nC=$NO\nD=\n2:3: unset: the value of B: ${NOT}" + remedy +
              "2:3: unset: the value of B: ${NO}" + remedy);
    // The name may be the end of a password.
    CHECK(read("DB_PASSWORD=abc$xyz") ==
          "DB_PASSWORD=abc\n1:13: unset: the value of DB_PASSWORD: a variable in it" + remedy);
}

TEST_CASE("no error tells of a secret") {
    for (const char* text :
         {"PASSWORD=hunter2${", "PASSWORD=\"hunter2", "PASSWORD='hunter2' hunter2",
          "PASSWORD=${hunter2:?hunter2}", "PASSWORD=${hunter2 }", "PASSWORD=x${hunter2!}",
          "PASSWORD=$hunter2", "PASSWORD=\"a\nhunter2\"hunter2"}) {
        INFO(text);
        const std::string said = read(text);
        CHECK(said.find(": ") != std::string::npos);
        CHECK(said.find("hunter2") == std::string::npos);
    }
}

TEST_CASE("what no program could be given is refused, and takes no memory before") {
    const std::string longest(kLongestExpansion, 'x');
    CHECK(parse_env_file("B='" + longest + "'", kOwn));
    CHECK(read("B='" + longest + "x'") ==
          "1:1: the value of B is longer than 128 KiB (no program could be given that)\n");
    CHECK(read("B='" + longest + "'\nC=$B$B") ==
          "2:3: the value of C: it expands to more than 128 KiB (no program could be given "
          "that)\n");

    std::string many = "B='" + longest + "'\n";
    for (int i = 1; i < 128; ++i) many += "B" + std::to_string(i) + "=$B\n";
    CHECK(parse_env_file(many, kOwn));
    CHECK(read(many + "C=1\nD=1") ==
          "129:1: the values up to here are longer than 16 MiB (no program could be given that)\n");
    // The same name again takes the place of the one before.
    std::string again = "B='" + longest + "'\n";
    for (int i = 0; i < 1000; ++i) again += "C=$B\n";
    CHECK(parse_env_file(again, kOwn));

    std::string wrong;
    for (int i = 0; i < 5000; ++i) wrong += "/\n";
    const auto refused = parse_env_file(wrong, kOwn);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().size() == 1000);
    std::string unset;
    for (int i = 0; i < 5000; ++i) unset += "B=$NOT\n";
    const auto noted = parse_env_file(unset, kOwn);
    REQUIRE(noted);
    CHECK(noted->unset.size() == 1000);
    CHECK(noted->unset.back().line == 1000);
}

TEST_CASE("whatever is in single quotes comes out, and whatever else is there does no harm") {
    std::mt19937 random{20261122};
    constexpr std::string_view kBytes = "ab=:'\"\\$ {}?-+#\n\r\t\0\xc3\xa4_9exportexport AHOME";
    for (int i = 0; i < 20000; ++i) {
        std::string text;
        for (auto left = random() % 30; left > 0; --left) text += kBytes[random() % kBytes.size()];
        const auto file = parse_env_file(text, kOwn);
        if (!file) {
            INFO(text);
            REQUIRE_FALSE(file.error().empty());
        }
        std::erase_if(text,
                      [](char c) { return c == '\0' || c == '\r' || c == '\\' || c == '\''; });
        const auto whole = parse_env_file("x='" + text + "'", kOwn);
        REQUIRE(whole);
        REQUIRE(whole->variables.at(0).value == text);
    }
}

TEST_CASE("variables know where they were written") {
    const auto file = parse_env_file("A=1\n  export B='\n' \n\tC=$A\nA=2", kOwn);
    REQUIRE(file);
    std::string places;
    for (const EnvVariable& one : file->variables) {
        places +=
            one.name + " " + std::to_string(one.line) + ":" + std::to_string(one.column) + "\n";
    }
    CHECK(places == "B 2:10\nC 4:2\nA 5:1\n");
}
