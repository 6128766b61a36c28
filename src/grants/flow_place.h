// The place that codes and tokens belong to: an issuer and its token endpoint. A registration may come to stand for another one; what is
// of the former is not sent there (RULES A2, F8).
#pragma once

#include <string>
#include <string_view>

#include "grants/flow_record.h"
#include "grants/provider_client.h"

namespace latchkey::grants {

// Why an attempt ends, for people; its code is `endpoints_changed`.
inline constexpr std::string_view kStandsElsewhere =
    "The app registration was changed meanwhile and stands for another place now, so nothing was sent there and no account was made. Press "
    "Authorize again.";

[[nodiscard]] std::string place_of(const ProviderClient& client);
// Pinned when it began, or by what its exchange brought; empty: not known.
[[nodiscard]] std::string place_of(const FlowRecord& record);

// Whether the client, resolved with what the callback taught, is of the place where the attempt began; where nobody knows that, it is.
[[nodiscard]] bool is_where_it_began(const FlowRecord& record, const ProviderClient& client);

// Of tokens on their way back it lies beside what was learned of the provider's hosts: both say where they go.
[[nodiscard]] std::string extras_with_place(const std::string& extras_json, const std::string& place);
[[nodiscard]] std::string place_in(std::string_view extras_json);  // empty: not known

}  // namespace latchkey::grants
