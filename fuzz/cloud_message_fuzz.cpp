// What a relay hears from strangers before anything is believed, and an office from whoever answers for its relay.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/entropy.h"
#include "cloud/enrolment.h"
#include "cloud/flow.h"
#include "cloud/service.h"
#include "cloud/signed_request.h"
#include "cloud/token_exchange.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace latchkey;
  using namespace latchkey::cloud;
  static base::SeededEntropy entropy{1};
  static const auto keys = PartyKeys::make(entropy);
  static const Secret instance(entropy.bytes(32));
  const std::string_view text(reinterpret_cast<const char*>(data), size);

  // What is written is read back the same.
  if (const auto signature = RequestSignature::parse(text)) {
    const auto again = RequestSignature::parse(signature->header());
    LATCHKEY_CHECK(again && again->office == signature->office && again->time_s == signature->time_s &&
                   again->nonce == signature->nonce);
  }
  if (const auto view = parse_service_view(text)) {
    const auto again = parse_service_view(to_json(*view));
    LATCHKEY_CHECK(again && *again == *view);
    for (const auto& origin : view->return_origins) LATCHKEY_CHECK(is_origin(origin));
  }
  if (const auto offer = parse_enrolment_offer(text)) {
    LATCHKEY_CHECK(offer->secret.size() == kEnrolmentSecretOctets && !offer->return_origins.empty());
    LATCHKEY_CHECK(parse_enrolment_offer(to_json(*offer).reveal_text()).has_value());
  }
  if (const auto code = EnrolmentCode::parse(text)) LATCHKEY_CHECK(EnrolmentCode::parse(code->text()).has_value());
  if (const auto request = parse_token_request(text)) {
    const auto again = parse_token_request(to_json(*request).reveal_text());
    LATCHKEY_CHECK(again && again->intent == request->intent && again->turn == request->turn && again->target == request->target &&
                   again->form.equals(request->form));
  }
  if (const auto target = parse_service_target(text)) LATCHKEY_CHECK(parse_service_target(to_json(*target)).value() == *target);
  if (const auto answer = parse_token_answer(text)) LATCHKEY_CHECK(!open_reply(keys, "office", "intent", answer->turn, answer->reply));
  // Nobody who lacks the keys makes anything of these.
  LATCHKEY_CHECK(!OpenedFlow::open(keys, text));
  LATCHKEY_CHECK(!open_handle(instance, "office", WallTime(Milliseconds(0)), text));
  LATCHKEY_CHECK(!open_result(keys, "office", {data, size}));
  return 0;
}
