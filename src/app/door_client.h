// The doors as ordinary users' verbs see them: username and PIN over --server, no control socket.
#pragma once

#include <CLI/App.hpp>
#include <optional>
#include <string>

#include "base/json.h"
#include "base/result.h"
#include "net/http_client.h"

namespace latchkey::app {

struct DoorArguments {
  std::string username;
  std::string server;
  std::string pin_file;
  std::string ca_file;
};

// USERNAME, --pin-file, --server and --ca-file. `arguments` outlives the parse.
void add_door_options(CLI::App& verb, DoorArguments& arguments);

// Whether the PIN may travel there, and where it is. Errors: invalid/`bad_server`, `insecure_transport`, `unreadable_file`.
[[nodiscard]] Result<net::Url> door_address(const DoorArguments& arguments);
// Of the file, else of LATCHKEY_PIN, else asked for.
[[nodiscard]] Result<Secret> door_pin(const DoorArguments& arguments);
// One call with Basic credentials; the answer's JSON. Errors: the problem's code as reason; unavailable/`no_latchkey`, and
// what the line came to.
[[nodiscard]] Result<Json> ask_door(const net::Url& server, const DoorArguments& arguments, const Secret& pin,
                                    net::HttpCall call);

}  // namespace latchkey::app
