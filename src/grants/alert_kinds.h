// How each cause of an alert is called and how grave it is: for the banner, for notices, for the metrics.
#pragma once

#include <string>
#include <string_view>

namespace latchkey::grants {

enum class Severity { info, warning, critical };
[[nodiscard]] std::string_view name_of(Severity severity);

// Of several servers on one store: whether all of them may see the cause, and it is one, or whether it is in each server that has it
// (its disk, its journal, its clock, its files, its line to the database).
enum class AlertScope { installation, server };

struct AlertKind {
  std::string_view cause;  // before the colon
  Severity severity = Severity::warning;
  std::string_view title;
  std::string_view link;   // console path that helps; what follows the colon is appended when it ends in a slash
  bool dismissible = true;
  AlertScope scope = AlertScope::server;
};

// Of `app_misconfigured:box`; a cause nobody knows is a warning that something needs attention.
[[nodiscard]] const AlertKind& kind_of_alert(std::string_view cause);
[[nodiscard]] std::string link_of_alert(std::string_view cause);

}  // namespace latchkey::grants
