// What a browser sees of the Cloud Service on its way from an office to a provider and back (RULES S2, S5).
//
//   GET  /begin?flow=FLOW   names the office and the user; changes nothing
//   POST /continue          the button of that page: on to the provider
//   GET  an app's path      back from the provider: on to the office, or a page that says why not
#pragma once

#include <optional>
#include <string_view>

#include "base/log.h"
#include "net/http_types.h"
#include "relay/catalog_registrations.h"
#include "relay/enrolled_offices.h"
#include "relay/office_quotas.h"
#include "relay/forward_desk.h"
#include "relay/relay_counters.h"

namespace latchkey::relay {

// Thread-safe; answers from memory.
class BrowserPages {
 public:
  struct Parts {
    const ForwardDesk& desk;
    const CatalogRegistrations& registrations;
    const EnrolledOffices& offices;
    OfficeQuotas& quotas;
    RelayCounters& counters;
    const SteadyClock& steady;
    Log& log;
  };
  explicit BrowserPages(Parts parts) : parts_(parts) {}

  // nullopt: of an office that is not known, yet may have been enrolled a moment ago at another instance; answer() it when the
  // book has been read again.
  [[nodiscard]] std::optional<net::HttpResponse> try_answer(const net::HttpRequest& request) const;
  [[nodiscard]] net::HttpResponse answer(const net::HttpRequest& request) const;
  // The page of a refusal, counted and logged once.
  // `status`: where it is not the one that the error's kind implies.
  [[nodiscard]] net::HttpResponse refusal(const Error& error, const net::HttpRequest& request, std::optional<int> status = {}) const;

 private:
  enum class Known { perhaps_not_yet, all };  // the offices
  using Answer = std::optional<net::HttpResponse>;
  [[nodiscard]] Answer answer(const net::HttpRequest& request, Known offices) const;
  [[nodiscard]] Answer refusal(const Error& error, const net::HttpRequest& request, Known offices) const;
  [[nodiscard]] Answer begin(const net::HttpRequest& request, Known offices) const;
  [[nodiscard]] Answer go_on(const net::HttpRequest& request, Known offices) const;
  [[nodiscard]] Answer come_back(const AppEntry& app, const net::HttpRequest& request, Known offices) const;

  Parts parts_;
};

// Those of the service's own, as name and value; at most 64.
[[nodiscard]] Cookies relay_cookies_of(const net::HttpRequest& request);

}  // namespace latchkey::relay
