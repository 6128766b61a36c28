#include "connectors/webdav/resume_point.h"

#include "base/json.h"

namespace latchkey::connectors {

DavResumePoint DavResumePoint::parse(const std::string& text) {
  const auto json = parse_json(text);
  if (!json || !json->is_object()) return {};
  const auto& object = json->get_object();
  const auto step = base::string_or(object, "step");
  const auto* kept = object.if_contains("marked");
  const bool marked = kept != nullptr && kept->is_bool() && kept->get_bool();
  if (step == "uploaded") return {.step = Step::uploaded, .marked = marked};
  if (step == "placing") return {.step = Step::placing, .path = base::string_or(object, "path"), .marked = marked};
  const auto* chunks = object.if_contains("chunks");
  if (step != "chunks" || chunks == nullptr || !chunks->is_int64() || chunks->get_int64() < 0) return {};
  return {.step = Step::chunks,
          .chunks = static_cast<std::uint64_t>(chunks->get_int64()),
          .before = base::string_or(object, "before")};
}

std::string DavResumePoint::text() const {
  switch (step) {
    case Step::nothing:
      return {};
    case Step::chunks:
      return boost::json::serialize(JsonObject{{"step", "chunks"}, {"chunks", chunks}, {"before", before}});
    case Step::uploaded:
      return boost::json::serialize(JsonObject{{"step", "uploaded"}, {"marked", marked}});
    case Step::placing:
      return boost::json::serialize(JsonObject{{"step", "placing"}, {"path", path}, {"marked", marked}});
  }
  return {};
}

}  // namespace latchkey::connectors
