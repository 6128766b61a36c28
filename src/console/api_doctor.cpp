#include "console/api_doctor.h"

#include "console/fields.h"

namespace latchkey::console {

namespace {

JsonObject finding_json(const doctor::Finding& finding) {
  JsonArray handovers;
  for (const auto& each : finding.handovers) {
    handovers.push_back(JsonObject{{"kind", each.kind == doctor::Handover::Kind::link ? "link" : "copy"}, {"label", each.label}, {"text", each.text}});
  }
  return {{"check", finding.check}, {"subject", finding.subject}, {"severity", name_of(finding.severity)},
          {"seen", finding.seen},   {"remedy", finding.remedy},   {"handovers", std::move(handovers)}};
}

JsonObject report_json(const doctor::Report* report) {
  JsonArray findings;
  if (report == nullptr) return {{"examined_at", nullptr}, {"took_ms", 0}, {"worst", nullptr}, {"findings", std::move(findings)}};
  for (const auto& finding : report->findings) findings.push_back(finding_json(finding));
  return {{"examined_at", base::to_rfc3339(report->examined_at)},
          {"took_ms", report->took.count()},
          {"worst", name_of(report->worst())},
          {"findings", std::move(findings)}};
}

}  // namespace

std::vector<Route> DoctorApi::routes() {
  return {
      {"GET", "/api/v1/doctor", Who::administrator, Carries::nothing_secret, 1024, [this](Call call) { return show(std::move(call)); }},
      {"POST", "/api/v1/doctor", Who::administrator, Carries::nothing_secret, 1024, [this](Call call) { return examine(std::move(call)); }},
  };
}

Task<Answer> DoctorApi::show(Call call) {
  Query query(call.request);
  if (auto problem = query.check()) co_return std::unexpected(std::move(*problem));
  co_return net::HttpResponse::json(200, report_json(doctor_.last().get()));
}

Task<Answer> DoctorApi::examine(Call call) {
  Query query(call.request);
  if (auto problem = query.check()) co_return std::unexpected(std::move(*problem));
  const auto report = co_await doctor_.examine();
  if (!report) co_return refuse(report.error());
  co_return net::HttpResponse::json(200, report_json(report->get()));
}

}  // namespace latchkey::console
