#include "supervisor/os/file_globs.h"

#include <sys/resource.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "tests/support/catch.h"

using namespace reeve::os;
namespace fs = std::filesystem;

namespace {

// A tree of the test's, by paths that begin in it.
class Tree {
public:
    Tree() {
        char path[] = "/tmp/reeve-globs-XXXXXX";
        REQUIRE(mkdtemp(path));
        root_ = path;
    }
    ~Tree() { fs::remove_all(root_); }

    Tree& file(const std::string& path, const std::string& text = "x") {
        fs::create_directories(fs::path{root_ + "/" + path}.parent_path());
        std::ofstream{root_ + "/" + path} << text;
        return *this;
    }
    Tree& link(const std::string& path, const std::string& target) {
        fs::create_symlink(target, root_ + "/" + path);
        return *this;
    }
    void remove(const std::string& path) { fs::remove_all(root_ + "/" + path); }

    struct Found {
        std::vector<std::string> files;
        std::vector<std::string> directories;
        FileScan scan;
    };
    Found scan(std::vector<std::string> patterns, std::size_t most = 1000) const {
        for (std::string& pattern : patterns) pattern = root_ + "/" + pattern;
        Found found;
        found.scan = scan_globs(
            patterns,
            [&](const std::string& directory) { found.directories.push_back(below(directory)); },
            most);
        for (const auto& [path, mark] : found.scan.files) found.files.push_back(below(path));
        std::sort(found.directories.begin(), found.directories.end());
        return found;
    }
    std::vector<std::string> files(const std::string& pattern) const {
        return scan({pattern}).files;
    }

private:
    std::string below(const std::string& path) const {
        if (path == root_) return ".";
        return path.starts_with(root_) ? path.substr(root_.size() + 1) : path;
    }
    std::string root_;
};

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("globs match component by component, and ** any number of directories") {
    Tree tree;
    tree.file("src/a.py").file("src/b.txt").file("src/sub/c.py").file("src/sub/deep/d.py");
    tree.file("src/.git/e.py").file("src/.hidden.py").file("other/f.py").file(".env");
    CHECK(tree.files("src/*.py") == Names{"src/a.py"});
    CHECK(tree.files("src/**/*.py") == Names{"src/a.py", "src/sub/c.py", "src/sub/deep/d.py"});
    CHECK(tree.files("**/c.py") == Names{"src/sub/c.py"});
    CHECK(tree.files("*/*.py") == Names{"other/f.py", "src/a.py"});
    CHECK(tree.files("src/**") ==
          Names{"src/a.py", "src/b.txt", "src/sub/c.py", "src/sub/deep/d.py"});
    CHECK(tree.files("src") == tree.files("src/**"));
    CHECK(tree.files("src/s?b/**/d.*") == Names{"src/sub/deep/d.py"});
    CHECK(tree.files("[op]*/f.py") == Names{"other/f.py"});
    CHECK(tree.files(".env") == Names{".env"});
    CHECK(tree.files("src/.git/*.py") == Names{"src/.git/e.py"});
    CHECK(tree.files("nosuch/*").empty());
    CHECK(tree.scan({"src/*.py", "other/*.py"}).files == Names{"other/f.py", "src/a.py"});
}

TEST_CASE(
    "the directories to be watched are those that are read, and the nearest of what is missing") {
    Tree tree;
    tree.file("src/a.py").file("src/sub/c.py").file("other/x");
    CHECK(tree.scan({"src/**/*.py"}).directories == Names{"src", "src/sub"});
    CHECK(tree.scan({"src/*.py"}).directories == Names{"src"});
    CHECK(tree.scan({"settings.toml"}).directories == Names{"."});
    CHECK(tree.scan({"src/gone/deeper/*.py"}).directories == Names{"src"});
    CHECK(tree.scan({"nosuch/file"}).directories == Names{"."});
    CHECK(tree.scan({"src/a.py", "src/*.py"}).directories == Names{"src"});
}

TEST_CASE("links are followed where they are named, and ** goes round no circle") {
    Tree tree;
    tree.file("real/a.py").link("link", "real").link("real/loop", "..").link("real/b.py", "a.py");
    CHECK(tree.files("link/*.py") == Names{"link/a.py", "link/b.py"});
    CHECK(tree.files("real/**/*.py") == Names{"real/a.py", "real/b.py"});
    CHECK(tree.scan({"**/*.py"}).directories == Names{".", "real"});
    // To nowhere.
    tree.link("real/lost.py", "nosuch");
    CHECK(tree.files("real/*.py") == Names{"real/a.py", "real/b.py"});
}

TEST_CASE("a file is another when it is written, replaced, or a link to another") {
    Tree tree;
    tree.file("a", "one").file("v1/f", "1").file("v2/f", "2").link("..data", "v1");
    tree.link("f", "..data/f");
    const auto before = tree.scan({"a", "f"}).scan;
    CHECK(before.files == tree.scan({"a", "f"}).scan.files);
    tree.file("a", "other");
    tree.remove("..data");
    tree.link("..data", "v2");
    const auto after = tree.scan({"a", "f"}).scan;
    REQUIRE(after.files.size() == 2);
    for (const auto& [path, mark] : after.files) CHECK(before.files.at(path) != mark);
}

TEST_CASE("there is an end to the directories that are looked at") {
    Tree tree;
    for (int i = 0; i < 20; ++i) tree.file("d" + std::to_string(i) + "/f");
    const auto found = tree.scan({"**/f"}, 11);
    CHECK(found.directories.size() == 11);
    CHECK(found.scan.too_many_directories);
    CHECK_FALSE(tree.scan({"**/f"}, 21).scan.too_many_directories);
}

TEST_CASE("what concerns a glob is what it matches, and directories on the way") {
    struct Row {
        const char* glob;
        const char* path;
        bool concerns;
    };
    for (const Row& row : std::initializer_list<Row>{
             {"/s/src/**/*.py", "/s/src/a.py", true},
             {"/s/src/**/*.py", "/s/src/x/y/a.py", true},
             {"/s/src/**/*.py", "/s/src/x", true},
             {"/s/src/**/*.py", "/s/src", true},
             {"/s/src/**/*.py", "/s", true},
             {"/s/src/**/*.py", "/s/other", false},
             {"/s/src/**/*.py", "/s/src/.git", false},
             {"/s/src/*.py", "/s/src/a.txt", false},
             {"/s/src/*.py", "/s/src/a.py", true},
             {"/s/src/*.py", "/s/src/x/a.py", false},
             {"/s/conf", "/s/conf/a/b", true},
             {"/s/conf", "/s/conf/.a", false},
             {"/s/conf", "/s/confusion", false},
             {"/s/./a//b", "/s/a/b", true},
         }) {
        INFO(row.glob << " " << row.path);
        CHECK(may_concern(row.glob, row.path) == row.concerns);
    }
}

TEST_CASE("what can't be looked at for want of descriptors is told from what is not there") {
    Tree tree;
    tree.file("src/app.py");
    CHECK(tree.scan({"src/**/*.py", "missing/*"}).scan.failed == 0);
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    const rlimit none{0, before.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
    const auto found = tree.scan({"src/**/*.py"});
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
    CHECK(found.files.empty());
    CHECK(found.scan.failed == EMFILE);
}
