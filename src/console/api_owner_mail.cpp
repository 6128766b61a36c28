#include "console/api_owner_mail.h"

#include <fmt/core.h>

#include "base/run_on.h"
#include "console/fields.h"
#include "console/requester.h"

namespace latchkey::console {

grants::PersonMail mail_to_owner(const OwnerInvitation& invitation, std::string to) {
  const auto text = fmt::format(
      "{} asks you to connect an account of yours to the Latchkey server\n{}\n\n"
      "  Service:    {}\n  Username:   {}\n\n"
      "Open this address, look whether it is what you expect, and go on to the provider's own page:\n\n{}\n\n"
      "Your browser must reach that server: if the page does not open, try it from inside the office network, or by its VPN.\n\n"
      "It works once, until {}. Opening it changes nothing; you decide on the page. You sign in at the provider: nobody asks you for a "
      "password or a PIN by mail. If you did not expect this, do nothing.\n",
      invitation.asked_by, invitation.server, invitation.type_name, invitation.username, invitation.link, base::to_rfc3339(invitation.good_until));
  return {.to = std::move(to), .subject = fmt::format("Connect your {} account", invitation.type_name), .text = text};
}

std::vector<Route> OwnerMailApi::routes() {
  return {{"POST", "/api/v1/authorizations/{id}/mail", Who::administrator, Carries::nothing_secret, 4096, [this](Call call) { return send(std::move(call)); }}};
}

Task<Answer> OwnerMailApi::send(Call call) {
  const auto id = AuthorizationId::parse(call.values[0]);
  if (!id) co_return refuse_not_found();
  auto body = read_object(call.request);
  if (!body) co_return std::unexpected(body.error());
  Fields fields(*body);
  const auto to = fields.text("to", {.min = 3, .max = 254});
  if (auto problem = fields.check()) co_return std::unexpected(std::move(*problem));
  const auto view = co_await base::run_on(parts_.engine, parts_.authorizer.view(*id));
  if (!view) co_return refuse(view.error());
  if (view->link.empty() || view->opened) co_return refuse(409, "not_waiting", "There is no link to send: it has been used, or the attempt is over.");
  const auto type = parts_.catalog->find_type(view->type);
  const auto requester = requester_of(call);
  auto mail = mail_to_owner({.asked_by = requester.actor, .server = parts_.public_url, .type_name = type ? type->name : view->type,
                             .username = view->username, .link = view->link, .good_until = view->expires_at}, to);
  const auto sent = co_await base::run_on(parts_.engine, parts_.notices.mail_person(std::move(mail)));
  if (!sent) co_return refuse(sent.error());
  parts_.counters.links_mailed += 1;
  store::Batch batch;
  batch.push_back(store::AppendAudit{{.at = parts_.wall.now(), .actor = requester.actor, .action = "authorization.mailed",
                                      .subject = view->username + " " + view->type, .source = requester.source, .detail = "to " + to}});
  if (const auto noted = co_await parts_.store.commit(std::move(batch)); !noted) co_return refuse(noted.error());
  co_return net::HttpResponse::json(200, JsonObject{{"to", to}});
}

}  // namespace latchkey::console
