#include "supervisor/app/reeve.h"

int main(int argc, char** argv) {
    return reeve::app::reeve(argc, argv);
}
