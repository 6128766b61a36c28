#include "grants/alert_kinds.h"

#include <algorithm>
#include <iterator>

namespace latchkey::grants {
namespace {

constexpr auto kInstallation = AlertScope::installation;
constexpr auto kServer = AlertScope::server;

constexpr AlertKind kKinds[] = {
    {"app_misconfigured", Severity::critical, "A provider refuses an app registration", "/settings/apps/", false, kInstallation},
    {"app_secret_expires", Severity::warning, "A client secret runs out", "/settings/apps/", true, kInstallation},
    {"certificate_refused", Severity::critical, "The new certificate cannot be used", "/settings/certificate", false, kServer},
    {"certificate_expires", Severity::critical, "The certificate ends soon", "/settings/certificate", false, kServer},
    {"journal_failed", Severity::critical, "The disk refused to keep token replies", "", false, kServer},
    {"journal_full", Severity::critical, "No room to keep token replies", "", false, kServer},
    {"journal_unreadable", Severity::critical, "A file of the reply journal cannot be read", "", true, kServer},
    {"store_unreachable", Severity::critical, "The database does not answer", "", false, kServer},
    {"store_stopped", Severity::critical, "The database takes no more changes: restart the server", "", false, kServer},
    {"store_refuses", Severity::critical, "The store cannot be written", "", false, kServer},
    {"clocks_differ", Severity::warning, "Two clocks differ", "/settings/servers", false, kServer},
    {"clock_behind", Severity::critical, "The clock is behind the truth", "", false, kServer},
    {"reply_unreadable", Severity::critical, "A kept answer of a provider cannot be used", "/users", false, kServer},
    {"restore_waits", Severity::critical, "Servers have not started since the restore", "/settings/servers", false, kInstallation},
    {"fail_over_waits", Severity::critical, "Servers have not told the new database what they know", "/settings/servers", false, kInstallation},
    {"record_altered", Severity::critical, "A stored record was altered from outside", "/activity", true, kInstallation},
    {"master_key_rotation", Severity::warning, "The rotation of the master key waits", "/settings/keys", false, kInstallation},
    {"master_key_prepared", Severity::warning, "A new master key waits for servers", "/settings/keys", false, kInstallation},
    {"master_key_rotated", Severity::warning, "The master key was rotated", "/settings/keys", true, kInstallation},
    {"master_key_not_in_place", Severity::critical, "The master key lies in the wrong place", "/settings/keys", false, kServer},
    {"tokens_ended", Severity::critical, "Accounts are without a token", "/health", false, kInstallation},
    {"cloud_service_unreachable", Severity::warning, "The Cloud Service does not answer", "/settings/apps", false, kInstallation},
    {"provider_unreachable", Severity::warning, "A provider does not answer", "/health", false, kInstallation},
    {"node_name_taken", Severity::critical, "This server refreshes nothing any more", "/settings/servers", false, kServer},
    {"node_shut_out", Severity::critical, "This server refreshes nothing any more", "/settings/servers", false, kServer},
    {"node_silent", Severity::warning, "A server has fallen silent", "/settings/servers", false, kInstallation},
    {"needs_authorization", Severity::critical, "Accounts must be authorised again", "/users?state=needs_authorization", false, kInstallation},
    {"dying_soon", Severity::warning, "Accounts will soon be forgotten by their providers", "/health", true, kInstallation},
    {"uncertain", Severity::warning, "The answer to a refresh was lost", "/users?state=uncertain", false, kInstallation},
    {"not_revoked", Severity::warning, "Tokens could not be revoked at a provider", "/health", true, kInstallation},
    {"deliveries_parked", Severity::warning, "Documents wait for a person", "/deliveries?state=parked", true, kInstallation},
    {"deliveries_failed", Severity::critical, "Documents were not delivered", "/deliveries?state=failed", true, kInstallation},
    {"deliveries_doubtful", Severity::warning, "Documents may or may not have arrived", "/deliveries?state=maybe_sent", true, kInstallation},
    {"documents_unknown", Severity::warning, "Documents that the database does not know", "/deliveries", true, kServer},
    {"drop_folder_unusable", Severity::warning, "A drop folder cannot be used", "/connectors", false, kServer},
    {"drop_folder_waits", Severity::warning, "Documents wait in a drop folder", "/connectors", false, kServer},
    {"drop_folder_refused", Severity::warning, "A drop folder refused a document", "/connectors", true, kServer},
    {"notice_failed", Severity::warning, "Notices do not arrive", "/health", false, kInstallation},
    {"pin_guessing", Severity::warning, "Somebody is guessing a PIN or password", "/users/", true, kInstallation},
    {"pin_reset", Severity::warning, "A PIN was reset", "/users/", false, kInstallation},
    {"pin_spray", Severity::warning, "An address is locked out after many wrong PINs", "/activity", true, kInstallation},
    {"pin_in_clear", Severity::warning, "A PIN was sent over a line anybody may read", "/users", true, kInstallation},
};
// Told by each server that sees it: twice is better than never.
constexpr AlertKind kUnknown{"", Severity::warning, "Something needs attention", "", true, kServer};

}  // namespace

std::string_view name_of(Severity severity) {
  switch (severity) {
    case Severity::info: return "info";
    case Severity::warning: return "warning";
    case Severity::critical: return "critical";
  }
  return "warning";
}

const AlertKind& kind_of_alert(std::string_view cause) {
  const auto* found = std::ranges::find(kKinds, cause.substr(0, cause.find(':')), &AlertKind::cause);
  return found == std::end(kKinds) ? kUnknown : *found;
}

std::string link_of_alert(std::string_view cause) {
  std::string link(kind_of_alert(cause).link);
  const auto colon = cause.find(':');
  if (!link.ends_with('/')) return link;
  if (colon != std::string_view::npos) link += cause.substr(colon + 1);
  else link.pop_back();  // many of them: the list
  return link;
}

}  // namespace latchkey::grants
