// Fills the manual's template with the keys: a line `.\" KEYS [supervisor]` becomes the entries of
// that table, so that the manual lists what the loader takes and nothing else.
//
//     reeve_keydoc TEMPLATE > reeve.toml.5

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "conf/keys.h"

namespace {

using reeve::conf::Key;
using reeve::conf::Table;

constexpr std::string_view kMark = ".\\\" KEYS ";

// As roff(7) wants plain text: a minus that can be copied, no stray escapes or requests.
std::string escaped(std::string_view text) {
    std::string out;
    if (!text.empty() && (text.front() == '.' || text.front() == '\'')) out = "\\&";
    for (const char c : text) {
        if (c == '\\') {
            out += "\\e";
        } else if (c == '-') {
            out += "\\-";
        } else {
            out += c;
        }
    }
    return out;
}

void print(std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
}

void print_key(const Key& key) {
    const std::string takes = reeve::conf::what_it_takes(key);
    print(".TP\n.B " + escaped(key.name) + "\n");
    print(escaped(key.sentence) + "\n.br\nTakes " + escaped(takes) + ".\n");
    if (!key.fallback.empty()) {
        print(".br\nDefault: \\fB" + escaped(key.fallback) + "\\fR\n");
    }
    if (takes.find(key.example) == std::string::npos) {
        print(".br\nExample: \\fB" + escaped(key.example) + "\\fR\n");
    }
}

// Whether there was one to print.
bool print_table(std::string_view name) {
    bool found = false;
    for (const Key& key : reeve::conf::all_keys()) {
        if (reeve::conf::name_of(key.table) != name) continue;
        print_key(key);
        found = true;
    }
    return found;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fputs("usage: reeve_keydoc TEMPLATE\n", stderr);
        return 64;
    }
    std::FILE* file = std::fopen(argv[1], "r");
    if (file == nullptr) {
        std::fprintf(stderr, "reeve_keydoc: open %s: %s\n", argv[1], std::strerror(errno));
        return 66;
    }
    char* buffer = nullptr;
    std::size_t capacity = 0;
    bool complete = true;
    for (ssize_t size; (size = getline(&buffer, &capacity, file)) > 0;) {
        std::string_view line{buffer, static_cast<std::size_t>(size)};
        if (!line.starts_with(kMark)) {
            print(line);
            continue;
        }
        line.remove_prefix(kMark.size());
        if (line.ends_with('\n')) line.remove_suffix(1);
        if (!print_table(line)) {
            std::fprintf(stderr, "reeve_keydoc: %s: no keys for \"%.*s\"\n", argv[1],
                         static_cast<int>(line.size()), line.data());
            complete = false;
        }
    }
    std::free(buffer);
    std::fclose(file);
    return complete && std::fflush(stdout) == 0 ? 0 : 1;
}
