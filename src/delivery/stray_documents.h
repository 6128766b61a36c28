// Documents in the spool that no record of the store knows.
//
// What was never finished was never acknowledged: it is removed. What is whole may have been: its record lies in another
// store (the one before a restore, or the right one where a wrong one is configured). It is put aside into SPOOL/unknown,
// under the moment it was found (2026-11-28T08-30-00.000Z.ID), and taken back once a store knows it. Blocking: for the
// disk's thread.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/id.h"
#include "store/files.h"

namespace latchkey::delivery {

struct StrayDocument {
  DeliveryId id;
  std::string file;  // its name in SPOOL/unknown
};

// A value. Errors of all: unavailable/`spool_failed`, `spool_full`; those of Files.
class StrayDocuments {
 public:
  // `spool`: the directory. `files` outlives it.
  StrayDocuments(store::Files& files, std::string spool) : files_(&files), spool_(std::move(spool)) {}

  [[nodiscard]] std::string directory() const { return spool_ + "/unknown"; }
  // Of the documents that nobody knows: how many were whole, and lie aside now.
  [[nodiscard]] Result<std::size_t> settle(const std::vector<DeliveryId>& unknown, WallTime now) const;
  // Those that lie aside, the longest first.
  [[nodiscard]] Result<std::vector<StrayDocument>> list() const;
  // Back into the spool; what is gone meanwhile is passed over.
  [[nodiscard]] Result<void> take_back(const std::vector<StrayDocument>& known) const;
  // For good. How many.
  [[nodiscard]] Result<std::size_t> remove_found_before(WallTime moment) const;

 private:
  store::Files* files_;
  std::string spool_;
};

}  // namespace latchkey::delivery
