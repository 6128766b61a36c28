#include "connectors/mail_envelope.h"

#include "base/json.h"

namespace latchkey::connectors {

std::string fields_of(const MailEnvelope& envelope) {
  JsonArray recipients;
  for (const auto& one : envelope.recipients) recipients.emplace_back(one);
  JsonObject fields{{"mail_from", envelope.mail_from}, {"recipients", std::move(recipients)}};
  if (!envelope.came_sha256.empty()) fields["came_sha256"] = envelope.came_sha256;
  return boost::json::serialize(fields);
}

Result<MailEnvelope> envelope_in(std::string_view fields_json) {
  const auto none = [] {
    return fail(ErrorKind::invalid, "no_envelope", "The mail names no sender or no recipient.", {.field = "recipients"});
  };
  const auto parsed = parse_json(fields_json);
  const auto* fields = parsed ? parsed->if_object() : nullptr;
  const auto* recipients = fields == nullptr ? nullptr : base::find_array(*fields, "recipients");
  if (recipients == nullptr) return none();
  MailEnvelope envelope{.mail_from = base::string_or(*fields, "mail_from"),
                        .recipients = {},
                        .came_sha256 = base::string_or(*fields, "came_sha256")};
  for (const auto& one : *recipients) {
    if (!one.is_string() || one.get_string().empty()) return none();
    envelope.recipients.emplace_back(one.get_string());
  }
  if (envelope.mail_from.empty() || envelope.recipients.empty()) return none();
  return envelope;
}

}  // namespace latchkey::connectors
