// A form (multipart/form-data, RFC 7578) that carries documents: fields first, then files, each streamed into the spool.
//
// Invariants: nothing is held in memory but fields (bounded) and the octets on their way; no file is accepted here: all of a
// form's documents are accepted together, or none is. One task.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "delivery/reception.h"
#include "net/http_server.h"
#include "wire/multipart.h"

namespace latchkey::doors {

class FormIntake {
 public:
  using Documents = std::vector<std::unique_ptr<delivery::Reception::Incoming>>;

  // `common`: what holds for every document; names, types and fields come with the form. The reception outlives it.
  FormIntake(delivery::Reception& reception, delivery::Submission common, std::string boundary);

  // Everything, to the body's end. Errors: those of HttpBody::pull() and Reception::open(); invalid/`malformed_multipart`,
  // `no_document`, `fields_after_files`, `too_many_fields`, `too_many_documents`, `bad_name`. Then nothing is kept.
  [[nodiscard]] Task<Result<Documents>> take(std::shared_ptr<net::HttpBody> body);

 private:
  enum class Inside { nothing, field, document };
  [[nodiscard]] Task<Result<void>> take_event(wire::MultipartReader::Event event);
  [[nodiscard]] Task<Result<void>> begin_part(wire::MultipartReader::PartBegins part);
  [[nodiscard]] Task<Result<void>> begin_document(std::string name, std::string content_type);
  [[nodiscard]] Task<Result<void>> open_document(std::string name, std::string content_type);
  [[nodiscard]] Task<Result<void>> take_octets(Bytes octets);
  [[nodiscard]] Task<Result<void>> end_part();

  delivery::Reception& reception_;
  delivery::Submission common_;
  wire::MultipartReader reader_;
  Inside inside_ = Inside::nothing;
  JsonObject fields_;
  std::size_t field_bytes_ = 0;
  std::string field_name_;
  std::string field_value_;
  std::optional<std::string> unnamed_type_;  // of a document without a name, of which no octet has come yet
  Documents documents_;
};

}  // namespace latchkey::doors
