#include "store/refusals.h"

#include <fmt/format.h>

namespace latchkey::store {

std::unexpected<Error> gone(std::string_view field) {
  return fail(ErrorKind::not_found, "gone", "This no longer exists.", {.field = std::string(field)});
}

std::unexpected<Error> exists(std::string_view field) {
  return fail(ErrorKind::conflict, "exists", fmt::format("This {} is taken already.", field), {.field = std::string(field)});
}

std::unexpected<Error> other_version() {
  return fail(ErrorKind::conflict, "version", "Somebody else has changed this in the meantime: look again, then decide.");
}

std::unexpected<Error> leased() {
  return fail(ErrorKind::conflict, "leased", "Another node is refreshing this grant at the moment.");
}

std::unexpected<Error> group_not_empty() {
  return fail(ErrorKind::conflict, "group_not_empty", "There are users in this group: say where they go first.", {.field = "group"});
}

std::unexpected<Error> app_in_use() {
  return fail(ErrorKind::conflict, "app_in_use", "There are grants that live by this app: remove or re-authorise them first.",
              {.field = "app"});
}

std::unexpected<Error> last_administrator() {
  return fail(ErrorKind::conflict, "last_administrator", "Nobody would be left who can sign in as an administrator.");
}

std::unexpected<Error> meta_changed(std::string_view key) {
  return fail(ErrorKind::conflict, "meta", "This was changed in the meantime: look again, then decide.", {.detail = std::string(key)});
}

}  // namespace latchkey::store
