// How many documents may come in at once, altogether and of one submitter: whoever opens a thousand uploads and sends
// nothing keeps nobody else from delivering. The same for documents on their way back to people.
//
// Concurrency: thread-safe. The places outlive what they give out.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/result.h"

namespace latchkey::delivery {

struct UploadLimits {
  std::size_t at_once = 400;
  std::size_t at_once_of_one = 200;
};

class UploadPlaces {
 public:
  enum class Direction { in, out };
  explicit UploadPlaces(Direction direction = Direction::in) : direction_(direction) {}
  UploadPlaces(const UploadPlaces&) = delete;
  UploadPlaces& operator=(const UploadPlaces&) = delete;

  // Held while a request or message comes in, however many documents it carries.
  class Place {
   public:
    Place(UploadPlaces& places, std::string submitter) : places_(places), submitter_(std::move(submitter)) {}
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    ~Place() { places_.leave(submitter_); }

   private:
    UploadPlaces& places_;
    std::string submitter_;
  };

  // `submitter`: whatever tells one from another. Errors, with retry_after: unavailable/`too_many_uploads`,
  // `too_many_uploads_of_one`; of documents that go out `too_many_downloads`, `too_many_downloads_of_one`.
  [[nodiscard]] Result<std::shared_ptr<Place>> take(std::string submitter, const UploadLimits& limits);
  [[nodiscard]] std::size_t taken() const;

 private:
  void leave(const std::string& submitter);

  const Direction direction_;
  mutable std::mutex mutex_;
  std::map<std::string, std::size_t> of_;
  std::size_t taken_ = 0;
};

}  // namespace latchkey::delivery
