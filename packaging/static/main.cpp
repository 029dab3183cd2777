#include <nss.h>

#include <string_view>

#include "ctl/reevectl.h"
#include "supervisor/app/reeve.h"
#include "supervisor/run/run.h"

namespace {

// The name services that glibc has in itself (since 2.34), whatever nsswitch.conf(5) says: each
// other is a library of the host, which would bring a second libc into this process.
void use_built_in_name_services() {
    for (const char* database : {"passwd", "group", "initgroups", "services"})
        (void)__nss_configure_lookup(database, "files");
    (void)__nss_configure_lookup("hosts", "files dns");
}

}  // namespace

// Both programs in one file, for images that hold nothing else: a link named reevectl is the
// client.
int main(int argc, char** argv) {
    const std::string_view path = argc > 0 ? argv[0] : "";
    if (path.substr(path.rfind('/') + 1) == "reevectl") return reeve::ctl::reevectl(argc, argv);
    if (!reeve::run::is_meant(argc, argv)) use_built_in_name_services();
    return reeve::app::reeve(argc, argv);
}
