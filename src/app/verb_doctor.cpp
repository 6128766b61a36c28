#include <fmt/format.h>

#include "app/terminal.h"
#include "app/verbs.h"
#include "base/shown_name.h"

namespace latchkey::app {
namespace {

std::string_view mark_of(std::string_view severity) {
  if (severity == "error") return "ERROR";
  if (severity == "warning") return "WARNING";
  return severity == "note" ? "note" : "ok";
}

// At most this wide, broken between words, each line behind `indent`.
std::string folded(std::string_view text, std::string_view indent) {
  constexpr std::size_t kWidth = 100;
  std::string out;
  std::string line(indent);
  while (!text.empty()) {
    const auto space = text.find(' ');
    const auto word = text.substr(0, space);
    if (line.size() > indent.size() && line.size() + 1 + word.size() > kWidth) {
      out += line + "\n";
      line = indent;
    }
    if (line.size() > indent.size()) line += ' ';
    line += word;
    text = space == std::string_view::npos ? std::string_view() : text.substr(space + 1);
  }
  return out + line + "\n";
}

void print_finding(const JsonObject& finding) {
  const auto severity = base::string_or(finding, "severity");
  print(fmt::format("{:<8} {}  {}\n", mark_of(severity), base::string_or(finding, "check"), base::as_shown(base::string_or(finding, "subject"))));
  print(folded(base::as_shown(base::string_or(finding, "seen")), "         "));
  if (const auto remedy = base::string_or(finding, "remedy"); !remedy.empty()) print(folded(base::as_shown(remedy), "         → "));
  const auto* handovers = base::find_array(finding, "handovers");
  if (handovers == nullptr) return;
  for (const Json& each : *handovers) {
    print(fmt::format("         {}:\n           {}\n", base::string_or(each.as_object(), "label"), base::string_or(each.as_object(), "text")));
  }
}

Result<int> examine(const Session& session) {
  const auto report = session.client().call("POST", "/api/v1/doctor");
  if (!report) return std::unexpected(report.error());
  const auto& object = report->as_object();
  const auto worst = base::string_or(object, "worst");
  const int status = worst == "error" ? 1 : 0;
  if (session.json) {
    print(pretty(*report));
    return status;
  }
  if (const auto* findings = base::find_array(object, "findings"); findings != nullptr) {
    for (const Json& finding : *findings) print_finding(finding.as_object());
  }
  print(worst == "error"     ? "\nSomething does not work until a person acts.\n"
        : worst == "warning" ? "\nIt works; something should be seen to.\n"
                             : "\nEverything that was looked at is in order.\n");
  return status;
}

}  // namespace

void add_doctor_verb(CLI::App& app, Session& session) {
  on_run(add_verb(app, session, "doctor", "Examine the set-up: addresses, certificate, redirect URIs, outgoing reach, clock, secrets, disk, master key. Exit status 1 where something does not work"),
         session, [&session] { return examine(session); });
}

}  // namespace latchkey::app
