#include "ctl/reevectl.h"

int main(int argc, char** argv) {
    return reeve::ctl::reevectl(argc, argv);
}
