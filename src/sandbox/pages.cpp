#include "sandbox/pages.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <span>

namespace latchkey::sandbox {
namespace {

std::string page(std::string_view title, std::string_view main_class, std::string_view content) {
  return fmt::format(
      R"(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{} · Latchkey practice service</title>
<link rel="icon" href="/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/style.css">
</head>
<body>
<aside class="banner" aria-label="Practice service"><strong>Practice service.</strong> Nothing here is real: no account, no password, no document. Files, mails and settings are forgotten when the server stops; who has consented is kept.</aside>
<main{}>
{}</main>
</body>
</html>
)",
      html_text(title), main_class.empty() ? std::string() : fmt::format(" class=\"{}\"", main_class), content);
}

std::string select_field(std::string_view name, std::string_view label, std::string_view hint,
                         std::span<const Choice> choices, std::string_view chosen) {
  std::string options;
  bool found = false;
  for (const Choice& choice : choices) {
    const bool here = choice.value == chosen;
    found = found || here;
    options += fmt::format("<option value=\"{}\"{}>{}</option>", choice.value, here ? " selected" : "",
                           html_text(choice.words));
  }
  if (!found) options += fmt::format("<option value=\"{0}\" selected>{0} seconds</option>", html_text(chosen));
  return fmt::format(
      "<div class=\"field\"><label for=\"{0}\">{1}</label><select id=\"{0}\" name=\"{0}\" "
      "aria-describedby=\"{0}-hint\">{2}</select><p class=\"hint\" id=\"{0}-hint\">{3}</p></div>\n",
      name, label, options, hint);
}

// "14:03:22 (2 minutes ago)" would need a script to stay true; the plain UTC time does not.
std::string when(WallTime time) {
  const std::string text = base::to_rfc3339(time);
  return fmt::format("<time datetime=\"{}\">{}&nbsp;UTC</time>", text, text.substr(11, 8));
}

std::string hidden(std::string_view name, std::string_view value) {
  return fmt::format("<input type=\"hidden\" name=\"{}\" value=\"{}\">", name, html_text(value));
}

std::string settings_form(const ControlView& view) {
  const PracticeSettings& now = view.settings;
  std::string fields;
  fields += select_field("token_lifetime", "Access tokens live", "For tokens issued from now on.", kLifetimeChoices,
                         fmt::to_string(now.token_lifetime.count()));
  fields += select_field("rotation", "Refresh tokens", "What a refresh does to the refresh token it used.",
                         kRotationChoices, name_of(now.rotation));
  fields += select_field("refresh_refusal", "Refreshes are", "What a withdrawn consent looks like to the server.",
                         kRefusalChoices, name_of(now.refresh_refusal));
  fields += select_field("app_secret", "The app's secret", "What an expired client secret looks like: the app is at fault, no grant.",
                         kSecretChoices, name_of(now.app_secret));
  fields += select_field("availability", "The service is", "Tokens in hand must serve through an outage.",
                         kAvailabilityChoices, name_of(now.availability));
  fields += select_field("slowness", "It answers", "The token endpoint, drive and mailbox.", kSlownessChoices,
                         fmt::to_string(now.slowness.count()));
  fields += select_field("opener", "The popup's opener is", "Some providers cut the tie; authorising must work all the same.",
                         kOpenerChoices, name_of(now.opener));
  fields += select_field("mail_answer", "The mailbox's answer is", "A message that arrived must not be sent twice when nobody says so.",
                         kMailAnswerChoices, name_of(now.mail_answer));
  return fmt::format(
      "<form class=\"card\" method=\"post\" action=\"/control\" aria-labelledby=\"settings\">\n"
      "<h2 id=\"settings\">How the provider behaves</h2>\n{}<div class=\"fields\">\n{}</div>\n"
      "<div class=\"actions start\"><button class=\"btn primary\" name=\"action\" value=\"save\">Save</button>"
      "<button class=\"btn\" name=\"action\" value=\"reset\">Back to a good day</button>"
      "<button class=\"btn\" name=\"action\" value=\"empty\">Empty drive and mailbox</button></div>\n</form>\n",
      hidden("csrf", view.csrf_token), fields);
}

std::string counts_card(const ControlView& view) {
  const Counts& counts = view.server.counts();
  const auto fact = [](std::string_view name, std::uint64_t number) {
    return fmt::format("<dt>{}</dt><dd>{}</dd>", name, number);
  };
  return "<section class=\"card\" aria-labelledby=\"counts\"><h2 id=\"counts\">Since the start</h2><dl class=\"facts\">" +
         fact("Consents given", counts.consents) + fact("Consents refused", counts.refusals) +
         fact("Codes exchanged", counts.exchanges) + fact("Refreshes", counts.refreshes) +
         fact("Token requests refused", counts.refused) + fact("Old refresh tokens that came back", counts.reuses) +
         fact("Revocations", counts.revocations) + fact("Files on the drive", view.storage.file_count()) +
         fact("Messages in the mailbox", view.storage.message_count()) + "</dl></section>\n";
}

std::string addresses_card(const ControlView& view) {
  const std::string issuer = html_text(view.server.issuer());
  return fmt::format(
      "<section class=\"card\" aria-labelledby=\"addresses\"><h2 id=\"addresses\">Addresses</h2>"
      "<dl class=\"facts addresses\"><dt>Issuer</dt><dd><code>{0}</code></dd>"
      "<dt>Metadata</dt><dd><a href=\"/.well-known/openid-configuration\"><code>/.well-known/openid-configuration</code></a></dd>"
      "<dt>Drive</dt><dd><code>{0}/drive/files/PATH</code></dd>"
      "<dt>Mailbox</dt><dd><code>{0}/mail/messages</code></dd></dl></section>\n",
      issuer);
}

std::string family_row(const Family& family, std::string_view csrf_token) {
  const std::string state = family.ended.empty() ? "<span class=\"pill ok\">good</span>"
                                                 : fmt::format("<span class=\"pill bad\">ended</span><br><span class=\"small "
                                                               "muted\">{}</span>",
                                                               html_text(family.ended));
  std::string action = "&ndash;";
  if (family.ended.empty()) {
    action = fmt::format(
        "<form method=\"post\" action=\"/control\">{}{}<button class=\"btn small danger\" name=\"action\" value=\"end\" "
        "aria-label=\"Withdraw the consent of {}\">Withdraw</button></form>",
        hidden("csrf", csrf_token), hidden("family", family.id), html_text(family.person.name));
  }
  return fmt::format(
      "<tr><td><strong>{}</strong><br><span class=\"small muted\">{}</span></td><td>{}</td><td>{}</td><td>{}</td>"
      "<td>{}</td><td>{}</td><td>{}</td></tr>\n",
      html_text(family.person.name), html_text(family.person.email), html_text(family.scope), when(family.issued_at),
      family.last_refreshed_at ? when(*family.last_refreshed_at) : std::string("not yet"), family.generation, state,
      action);
}

std::string families_card(const ControlView& view) {
  constexpr std::size_t kShown = 100;
  const auto families = view.server.families();
  std::string content;
  if (families.empty()) {
    content =
        "<p class=\"muted\">None yet. In the console, add an OAuth user of the type <strong>Sandbox (practice)</strong>, "
        "press Authorize and allow it here.</p>";
  } else {
    content =
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-labelledby=\"grants\"><table><thead><tr>"
        "<th scope=\"col\">Account</th><th scope=\"col\">Scopes</th><th scope=\"col\">Since</th>"
        "<th scope=\"col\">Last refresh</th><th scope=\"col\">Generation</th><th scope=\"col\">State</th>"
        "<th scope=\"col\">Consent</th></tr></thead><tbody>\n";
    for (std::size_t index = 0; index < std::min(kShown, families.size()); ++index) {
      content += family_row(*families[index], view.csrf_token);
    }
    content += "</tbody></table></div>";
    if (families.size() > kShown) {
      content += fmt::format("<p class=\"muted small\">The newest {} of {} are shown.</p>", kShown, families.size());
    }
  }
  return "<section class=\"card\"><h2 id=\"grants\">Grants issued</h2>" + content + "</section>\n";
}

std::string_view words_of_scope(std::string_view scope) {
  if (scope == "openid") return "know which practice account this is";
  if (scope == "profile") return "see its name";
  if (scope == "email") return "see its mail address";
  if (scope == "offline_access") return "keep the permission while nobody is there";
  if (scope == "drive") return "read and write files on the practice drive";
  if (scope == "mail") return "put messages into the practice mailbox";
  return {};
}

std::string person_choice(std::string_view value, std::string_view name, std::string_view detail, bool checked) {
  return fmt::format(
      "<label class=\"person\"><input type=\"radio\" name=\"person\" value=\"{}\"{}><span>{}<span "
      "class=\"muted\">{}</span></span></label>\n",
      html_text(value), checked ? " checked" : "", html_text(name), html_text(detail));
}

std::string people_fields(std::string_view login_hint) {
  std::string fields;
  bool found = false;
  for (const Person& person : practice_people()) {
    found = found || login_hint == person.email || login_hint == person.sub;
  }
  bool first = true;
  for (const Person& person : practice_people()) {
    const bool checked = found ? login_hint == person.email || login_hint == person.sub : first && login_hint.empty();
    fields += person_choice(person.sub, person.name, person.email, checked);
    first = false;
  }
  const bool typed = !found && !login_hint.empty();
  return fields + person_choice("other", "Somebody else", "any name you type", typed) +
         fmt::format(
             "<div class=\"field other\"><label for=\"name\">Name of somebody else</label><input type=\"text\" id=\"name\" "
             "name=\"name\" maxlength=\"60\" autocomplete=\"off\" value=\"{}\"></div>\n",
             typed ? html_text(login_hint.substr(0, 60)) : std::string());
}

}  // namespace

std::string html_text(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string control_page(const ControlView& view) {
  std::string content =
      "<header class=\"head\"><img src=\"/icon.svg\" alt=\"\"><div><h1>Practice service</h1><p class=\"muted\">A small OAuth "
      "provider to rehearse with: what it answers is up to you.</p></div></header>\n";
  if (!view.notice.empty()) {
    content += fmt::format("<p class=\"notice ok\" role=\"status\">{}</p>\n", html_text(view.notice));
  }
  if (!view.problem.empty()) {
    content += fmt::format("<p class=\"notice bad\" role=\"alert\">{}</p>\n", html_text(view.problem));
  }
  content += "<div class=\"columns\">\n" + settings_form(view) + "<div class=\"aside\">\n" + counts_card(view) +
             addresses_card(view) + "</div>\n</div>\n" + families_card(view);
  content += fmt::format("<p class=\"small muted\">It is {} here. <a href=\"/\">Look again</a></p>\n", when(view.now));
  return page("Control", "", content);
}

std::string consent_page(const ShowConsent& consent, std::string_view problem) {
  std::string scopes;
  for (const auto& scope : consent.scopes) {
    scopes += fmt::format("<li>{} <span class=\"muted small\">({})</span></li>", words_of_scope(scope), html_text(scope));
  }
  std::string content = fmt::format(
      "<header class=\"head\"><img src=\"/icon.svg\" alt=\"\"><h1>Allow Latchkey?</h1></header>\n"
      "<form class=\"card\" method=\"post\" action=\"/consent\">\n{}", hidden("ticket", consent.ticket));
  if (!problem.empty()) {
    content += fmt::format("<p class=\"notice bad\" role=\"alert\">{}</p>\n", html_text(problem));
  }
  content += "<fieldset><legend>Sign in as</legend>\n" + people_fields(consent.login_hint) + "</fieldset>\n";
  content += fmt::format(
      "<div><p><strong>{}</strong> asks to</p><ul class=\"scopes\">{}</ul></div>\n", html_text(consent.client_id), scopes);
  content +=
      "<div class=\"actions\"><button class=\"btn primary\" name=\"decision\" value=\"allow\">Allow</button>"
      "<button class=\"btn\" name=\"decision\" value=\"refuse\">Refuse</button></div>\n";
  content += fmt::format("<p class=\"small muted\">The answer goes to <code>{}</code></p>\n</form>\n",
                         html_text(consent.redirect_uri));
  return page("Allow Latchkey?", "narrow", content);
}

std::string problem_page(const ShowProblem& problem) {
  return page("This cannot go on", "narrow",
              fmt::format("<header class=\"head\"><img src=\"/icon.svg\" alt=\"\"><h1>This cannot go on</h1></header>\n"
                          "<section class=\"card\"><p class=\"notice bad\" role=\"alert\"><strong>{}</strong></p><p>{}</p>"
                          "<p class=\"small muted\">Close this window and begin again where you came from.</p></section>\n",
                          html_text(problem.code), html_text(problem.words)));
}

}  // namespace latchkey::sandbox
