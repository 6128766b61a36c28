// The command line: one verb a call, one sentence on stderr when it cannot be done.
#pragma once

#include <CLI/App.hpp>
#include <string>

#include "app/config.h"
#include "app/verbs.h"
#include "app/wiring.h"

namespace latchkey::app {

// The whole program. Returns the exit status: 0 done, 1 refused or failed, 2 the command line cannot be read.
int run(int argc, const char* const* argv);

// Every verb and option, as CLI11 knows them, and where a parse puts what it found. A resource.
struct CommandLine {
  CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;
  CLI::App app;
  Session session;
  Overrides overrides;
  ServeOptions serve_options;
};

// The reference in Markdown (docs/cli.md), made from the tree.
[[nodiscard]] std::string reference(const CLI::App& app);

}  // namespace latchkey::app
