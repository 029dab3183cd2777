#pragma once

namespace reeve::app {

// The program reeve; its exit code. To be called once, by main().
int reeve(int argc, char** argv);

}  // namespace reeve::app
