// How many connections a process may have.
#pragma once

namespace latchkey::app {

// Connections are file descriptors, and the usual soft limit of 1,024 is for programs that use select(). Best effort: with
// fewer, connections beyond them wait.
void raise_file_limit();

}  // namespace latchkey::app
