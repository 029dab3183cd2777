#pragma once

// `reeve run -- COMMAND`: one command, as the init of a container runs it.  Neither a loop nor a
// configuration: main() comes here before anything else begins.
//
// Three things are waited for, and all of them are signals, which stay blocked and are taken one by
// one: none is lost or doubled, whenever it comes.
//
//   SIGCHLD   what died is reaped; with the command's end comes ours
//   others    are sent on to the command
//   nothing   for the first second, once, to give memory back; and at the end, with --grace: there
//   is
//             no other timer
//
// The command has a process group of its own, and the terminal with it where we had it: what is
// typed (^C, ^Z, ^\) is the kernel's business and reaches us not at all.  A command that is stopped
// by ^Z stops us too, so that the shell that waits for us goes on, and `fg` brings both back.
namespace reeve::run {

// By what reeve was called as, or by its first word: run, --, or as reeve-init or docker-init.
bool is_meant(int argc, const char* const* argv);

// The exit code.
int run(int argc, const char* const* argv);

}  // namespace reeve::run
