// The practice service's pages: plain HTML without script. Pure.
#pragma once

#include <string>
#include <string_view>

#include "sandbox/authorization_server.h"
#include "sandbox/practice_settings.h"
#include "sandbox/practice_storage.h"

namespace latchkey::sandbox {

// Text for element content and quoted attributes.
[[nodiscard]] std::string html_text(std::string_view text);

struct ControlView {
  const AuthorizationServer& server;
  const PracticeSettings& settings;
  const PracticeStorage& storage;
  std::string_view csrf_token;
  std::string_view notice;   // "Saved."; empty: none
  std::string_view problem;  // what was wrong with the form; empty: nothing
  WallTime now;
};
[[nodiscard]] std::string control_page(const ControlView& view);

// `problem`: what was wrong with the answer given, when the form is shown again.
[[nodiscard]] std::string consent_page(const ShowConsent& consent, std::string_view problem);
[[nodiscard]] std::string problem_page(const ShowProblem& problem);
[[nodiscard]] std::string_view stylesheet();
[[nodiscard]] std::string_view icon_svg();

}  // namespace latchkey::sandbox
