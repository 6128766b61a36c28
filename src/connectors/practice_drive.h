// The practice drive (src/sandbox/practice_uploads.h), over HTTP like any other service. Idempotent by key, resumable by
// part.
#pragma once

#include "connectors/api_call.h"

namespace latchkey::connectors {

class PracticeDrive final : public Connector {
 public:
  explicit PracticeDrive(net::HttpTransport& transport) : transport_(transport) {}

  [[nodiscard]] Abilities abilities() const override { return {.idempotent = true, .resumable = true, .size_bytes_max = 0}; }
  [[nodiscard]] Task<Result<Receipt>> store(StoreOrder order) override;
  // Kinds: `file`.
  [[nodiscard]] Task<Result<std::vector<ListItem>>> list(ListQuestion question) override;

 private:
  // Where an upload stands: what comes next, or the file that came of it.
  struct Standing {
    std::string upload;
    std::uint64_t next = 0;
    std::optional<JsonObject> file{};
  };
  [[nodiscard]] static Task<Result<Standing>> begin(ApiSession& api, const StoreOrder& order);
  [[nodiscard]] static Task<Result<Standing>> ask(ApiSession& api, std::string upload);
  [[nodiscard]] static Task<Result<Standing>> send_part(ApiSession& api, const StoreOrder& order, Standing standing);
  [[nodiscard]] static Result<Receipt> receipt_of(const JsonObject& file, const Document& document);

  net::HttpTransport& transport_;
};

}  // namespace latchkey::connectors
